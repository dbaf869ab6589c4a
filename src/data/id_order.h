#pragma once
#include <string>

namespace diptych {

/// The order of image ids: numbers by value (2 before 10) and before other ids.
bool id_before(const std::string& a, const std::string& b);

}  // namespace diptych
