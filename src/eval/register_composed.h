#pragma once
#include "diptych/eval/protocol.h"

namespace diptych {

/// The protocols of composed retrieval; called by register_protocols.
void register_composed_protocols(ProtocolRegistry& protocols);

}  // namespace diptych
