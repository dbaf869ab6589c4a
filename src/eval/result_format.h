#pragma once
#include <cstdint>
#include <string>

namespace diptych {

/// "5,000".
std::string with_commas(int64_t count);
/// One decimal, whatever the locale: "24.7".
std::string one_decimal(double value);

}  // namespace diptych
