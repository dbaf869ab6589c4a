#pragma once
#include <string>

#include "diptych/train/session.h"

namespace diptych {

/// The cells that `fast` puts among the K best of their row or of their column. Blocks are folds, as in top_lists.
PairCells shortlisted_cells(const ScoreTiles& fast, int64_t k, const std::vector<int32_t>& row_block = {},
                            const std::vector<int32_t>& col_block = {});

/// Scores [N, M] float32 in two storeys: below, all of `fast` as they are; above, the cells with their pair scores,
/// all raised by one number if need be, so that each lies above every fast score. Rows and columns of the cells rank
/// exactly as the pair scores do, ties included: what rounding would join is moved to the next float.
/// cell_scores [cells] float32. throws NumericError for one that is not finite.
at::Tensor reranked(const ScoreTiles& fast, const PairCells& cells, const at::Tensor& cell_scores);

/// Evaluation in two passes: a run of embeddings chooses, for every image and every caption of the gallery that a
/// protocol ranks, the K best of the other side; a pair scorer scores these pairs alone. As pairs that match but are
/// not chosen cannot be found, this is a protocol of its own.
class Shortlist {
 public:
  /// precise: scores pairs; fast: does not. throws UsageError otherwise, DataError if their splits differ.
  Shortlist(const LoadedRun& precise, const LoadedRun& fast, const std::string& fast_name, int64_t k, Split split);
  /// The split under `protocol`, whose folds bound the choice. throws UsageError for a protocol of class texts or of
  /// opposites: they ask for pairs that nobody chose.
  const EncodedSplit& encode(const Protocol& protocol);
  int64_t pairs_scored() const { return static_cast<int64_t>(cells_.size()); }
  int64_t pairs() const { return fast_split_.x.size(0) * fast_split_.y.size(0); }
  /// Of a protocol's result: "flickr8k-1k-shortlist-50".
  std::string name(const std::string& protocol) const;

 private:
  const LoadedRun &precise_, &fast_;
  int64_t k_;
  Split split_;
  EncodedSplit fast_split_, encoded_;
  PairCells cells_;
};

}  // namespace diptych
