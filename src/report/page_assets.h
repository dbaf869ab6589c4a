#pragma once
#include <string_view>

namespace diptych::report {

/// The style sheet and the script of every page.
extern const std::string_view kPageStyle, kPageScript;

}  // namespace diptych::report
