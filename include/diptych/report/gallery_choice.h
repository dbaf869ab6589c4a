#pragma once
#include <cstdint>
#include <vector>

#include "diptych/eval/evaluation_record.h"

namespace diptych {

/// Queries to show, as positions among a direction's queries (DirectionRanks::query).
struct GalleryChoice {
  std::vector<size_t> best;    // lowest rank first; of equal ranks the widest margin over the best wrong item
  std::vector<size_t> median;  // ranks nearest to the median
  std::vector<size_t> worst;   // highest rank first; of equal ranks the widest margin of the wrong item
  std::vector<size_t> random;  // a fixed sample, whatever the ranks: the honest one; in the order of the queries
};

/// `each` queries of every kind (fewer where there are fewer), no two of one kind about the same image. seed: of the
/// random sample, which does not depend on ranks or scores, so that runs on the same queries show the same.
GalleryChoice choose_gallery(const EvaluationRecord& record, size_t direction, size_t each = 8, uint64_t seed = 1);

}  // namespace diptych
