#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "diptych/eval/protocol.h"

namespace diptych {

struct Scored {
  int64_t index;
  float score;
  /// Higher score first, then lower index.
  bool before(const Scored& other) const { return score != other.score ? score > other.score : index < other.index; }
  friend bool operator==(const Scored&, const Scored&) = default;
};

/// The k best of the items offered, whatever the order of the offers. ATen's topk has no order among equal scores.
class TopK {
 public:
  explicit TopK(int64_t k) : k_(k) {}
  /// No item with a lower score can enter any more.
  float threshold() const;
  void offer(const Scored& item);
  /// Best first.
  const std::vector<Scored>& items() const { return items_; }

 private:
  int64_t k_;
  std::vector<Scored> items_;  // sorted; k is small
};

/// The k best columns of each row and the k best rows of each column, from the same tiles as the ranks. With blocks
/// (folds, as in RankRequest) a row meets only the columns of its own block, and -1 leaves out; as does a score of
/// ScoreTiles::kLeftOut.
/// throws UsageError for k < 1, ShapeError if blocks do not fit the scores.
struct TopLists {
  std::vector<std::vector<Scored>> cols_of_row, rows_of_col;
};
TopLists top_lists(const ScoreTiles& scores, int64_t k, const std::vector<int32_t>& row_block = {},
                   const std::vector<int32_t>& col_block = {});

}  // namespace diptych
