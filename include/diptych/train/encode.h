#pragma once
#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "diptych/eval/protocol.h"
#include "diptych/train/system.h"

namespace diptych {

/// Features of a frozen image encoder by corpus row, so that nothing is encoded twice while the encoder does not
/// change.
struct FeatureCache {
  at::Tensor plain, flipped;  // [images, F] or [images, R, C] float32; rows not encoded are zero; undefined = no cache
  std::vector<bool> has_plain, has_flipped;
  bool defined() const { return plain.defined(); }
};

/// Encodes images in test-time view: [rows, F] or [rows, R, C] features (JointModel::image_features). mirror: of the
/// mirrored images. Shows progress under `what`.
at::Tensor encode_image_features(System& system, const DataBundle& data, const Experiment& experiment,
                                 const std::vector<int64_t>& image_rows, bool mirror, const std::string& what);

/// Fills the cache for the given rows, with their mirror images if asked. Returns false, and leaves the cache
/// undefined, when it would not fit train.feature_cache_mb.
bool fill_feature_cache(FeatureCache& cache, System& system, const DataBundle& data, const Experiment& experiment,
                        const std::vector<int64_t>& image_rows, bool mirrored);

/// Raw embeddings of a split, in the order of the corpus. Of composed retrieval: x are the images, y the queries, one
/// for each modification and each of its sources.
struct EncodedSplit {
  std::vector<int64_t> image_rows, caption_rows;  // caption_rows: of modifications in composed retrieval
  at::Tensor x, y;      // [N, D], [M, D] float32, CPU; queries may be wider (JointModel::query_dimension)
  at::Tensor scores{};  // [N, M] float32, CPU, of a PairScorer; undefined for others, whose scores follow from x and y
  at::Tensor cell_scores{};            // [cells] float32, CPU, of a PairScorer asked for some cells only
  std::string scored_by{};             // what made `scores`, for protocol lines; empty: the model's own scorer
  std::vector<int64_t> source_rows{};  // composed retrieval: rows of the corpus's images that the M queries start from
};
/// Rows of a split's images and captions, or queries; nothing is encoded yet. throws DataError if it has none.
EncodedSplit rows_of_split(const Corpus& corpus, Split split);
/// Cells [row of x, row of y] of the scores, ascending.
using PairCells = std::vector<std::pair<int64_t, int64_t>>;

/// The scores of a split, tile by tile.
std::unique_ptr<ScoreTiles> score_tiles(System& system, const EncodedSplit& encoded);

/// Captions in length order; images from the cache when it holds them. Evaluation mode, no gradients. only: a
/// PairScorer scores these cells and no others, into cell_scores.
EncodedSplit encode_split(System& system, const DataBundle& data, const Experiment& experiment, Split split,
                          const FeatureCache* cache = nullptr, const PairCells* only = nullptr);

/// The scorer in words, for protocol lines: "cosine, mirrored image added".
std::string scorer_text(System& system, const Experiment& experiment);

/// The protocol's numbers on an encoded split. bootstrap: with 95 % intervals. throws NumericError for non-finite
/// embeddings.
ProtocolResult evaluate_split(System& system, const DataBundle& data, const Experiment& experiment,
                              const Protocol& protocol, const EncodedSplit& encoded, Split split, bool bootstrap);

/// Writes the files of one evaluation (eval/evaluation_record.h) into `directory`; for the protocol positions also
/// pairs.jsonl, a line a pair of opposites: {"relation", "images": [id, id], "captions": [text, text], "scores": [[aa,
/// ab], [ba, bb]]}.
void write_evaluation(const std::filesystem::path& directory, const ProtocolResult& result, const DataBundle& data,
                      const EncodedSplit& encoded, System& system);

}  // namespace diptych
