#pragma once
#include <memory>
#include <vector>

#include "diptych/eval/protocol.h"

namespace diptych {

/// The scores of `source` with rows[i] as row i: a gallery with copies. Scores keep their bits. `source` must outlive
/// it.
std::unique_ptr<ScoreTiles> repeated_rows(const ScoreTiles& source, std::vector<int64_t> rows);

}  // namespace diptych
