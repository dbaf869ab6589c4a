#pragma once
#include "diptych/report/report.h"

namespace diptych::tools {

/// What every page has that a program writes: today's date, and pictures read as they lie on disk.
report::ReportOptions report_options();

}  // namespace diptych::tools
