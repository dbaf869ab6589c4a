#pragma once
#include <string>

#include "diptych/core/config_node.h"

namespace diptych {

/// One line for messages: `0.1`, `[a, b]`, `{k: v}`; escaped and cut.
std::string brief_text(const ConfigNode& node);

}  // namespace diptych
