#pragma once
#include <string>

#include "diptych/core/config_node.h"

namespace diptych {

/// The node as YAML on one line, which parse_config reads back to the same node: "0.1", "[a, \"5\"]", "{type: cmpm}".
std::string to_flow_text(const ConfigNode& node);

}  // namespace diptych
