#pragma once
#include <string>

#include "diptych/report/run_record.h"

namespace diptych::report {

/// metrics.jsonl as CSV: kind, step, epoch, split, protocol, then one column for each metric that ever occurs, so that
/// a metric that starts late does not break the header.
std::string metrics_csv(const RunRecord& record);

}  // namespace diptych::report
