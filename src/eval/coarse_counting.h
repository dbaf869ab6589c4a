#pragma once
#include <optional>

#include "eval/coarse_scores.h"
#include "eval/tally.h"

namespace diptych {

/// The fine scores of all pairs.
void read_pair_scores(const CoarseScores& scores, Pairs& rows, Pairs& cols);

/// Tallies under the fine scores, from one sweep over coarse tiles. Nothing where coarse scores do not pay or do not
/// tell: more than one doubt for every kScoresPerDoubt scores, or all coarse scores equal; whether that is so does not
/// depend on the number of workers. `lowest` and `highest` are coarse.
std::optional<Tallies> count_coarsely(const CoarseScores& scores, int64_t workers, const Pairs& rows,
                                      const Pairs& cols);
constexpr int64_t kScoresPerDoubt = 12;  // a fine score of 512 dimensions costs about 10 coarse ones

}  // namespace diptych
