#pragma once
#include <string>
#include <vector>

#include "diptych/eval/protocol.h"
#include "diptych/eval/ranks.h"

namespace diptych {

/// Ranks of one direction with the ids of their queries; without ids the rows stand for them.
DirectionRanks with_ids(const std::string& name, const QueryRanks& ranks, const std::vector<std::string>& ids);

}  // namespace diptych
