#pragma once
#include <map>
#include <string>
#include <string_view>

namespace diptych::report {

/// Metrics named in a recipe's note such as "i2t 49.6/76.8/86.1, t2i 37.3/65.7/75.5 (R@1/5/10)" or "t2i Rank-1/10
/// 44.02/77.00": {"i2t/R@1": "49.6", ...}; or "i2t class-r@1 62.1, t2i class-ap@50 64.6". Empty when the text has
/// another form.
std::map<std::string, std::string> parse_published(std::string_view text);

}  // namespace diptych::report
