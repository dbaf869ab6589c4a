#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "diptych/eval/protocol.h"

namespace diptych {

/// One metric of two runs on the same queries. delta = b - a.
struct ComparedMetric {
  std::string name;  // "i2t/R@1", "t2i/meanr", "rsum"
  double a = 0, b = 0, delta = 0;
  double low = 0, high = 0;  // 95 % bootstrap interval of delta
  double p = 1;  // two-sided: 2 min(share of resamples with delta <= 0, with delta >= 0), at least 2 / (R + 1)
};

/// Query by query.
struct ComparedDirection {
  std::string name;
  int64_t queries = 0;
  int64_t won = 0, lost = 0, same = 0;           // b ranks the right item better, worse, alike
  int64_t gained_top1 = 0, lost_top1 = 0;        // right at rank 1 in b only, in a only
  std::vector<std::string> most_won, most_lost;  // query ids, those whose rank changed most in proportion
};

struct Comparison {
  std::vector<ComparedMetric> metrics;
  std::vector<ComparedDirection> directions;
};

struct ComparisonOptions {
  int64_t resamples = 2000;
  uint64_t seed = 1;
  std::vector<int64_t> recall = {1, 5, 10};
  bool precision = false;  // mAP too: for identities
  size_t examples = 10;
};

/// Paired comparison: both runs see each resample, which draws images with all their queries (a caption "x#3" belongs
/// to image "x"), in both directions at once. Recalls at K, mean rank, mAP if asked for, and rsum (of the recalls)
/// where there are both directions. The order of the queries may differ.
///
/// a, b   from read_ranks (eval/evaluation_record.h); names: the two runs, for messages
/// throws UsageError unless both have the same directions and the same queries, saying which differ
Comparison compare_ranks(const std::vector<DirectionRanks>& a, const std::vector<DirectionRanks>& b,
                         const std::string& name_a, const std::string& name_b, const ComparisonOptions& options = {});

}  // namespace diptych
