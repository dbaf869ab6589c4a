#pragma once
#include <string>

#include "diptych/core/text.h"

namespace diptych {

/// One decimal, whatever the locale: "24.7".
std::string one_decimal(double value);

}  // namespace diptych
