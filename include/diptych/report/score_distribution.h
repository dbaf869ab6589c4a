#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "diptych/eval/evaluation_record.h"

namespace diptych {

/// Scores of one kind of pairs, counted in the bins of ScoreDistribution.
struct ScoreHistogram {
  std::vector<int64_t> counts;
  int64_t pairs = 0;
  double mean = 0;
};

/// What a query's right and wrong answers score. A model tells them apart where the positives lie to the right of the
/// hardest negatives, not of the random ones.
struct ScoreDistribution {
  std::string direction;
  double low = 0, high = 0;  // bin b covers [low + b w, low + (b + 1) w), w = (high - low) / bins; the last is closed
  ScoreHistogram positive;   // all relevant pairs
  ScoreHistogram hardest;    // of each query the best item that is not relevant, where its list (kTopItems) holds one
  ScoreHistogram random;     // pairs drawn at random that do not match
};

struct ScoreDistributionOptions {
  int64_t bins = 60;
  int64_t random_pairs = 10000;  // drawn; those that match are left out
  uint64_t seed = 1;
};
ScoreDistribution score_distribution(const EvaluationRecord& record, size_t direction,
                                     const ScoreDistributionOptions& options = {});

}  // namespace diptych
