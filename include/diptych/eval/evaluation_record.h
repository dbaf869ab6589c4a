#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <string>
#include <vector>

#include "diptych/eval/protocol.h"
#include "diptych/eval/top_k.h"

namespace diptych {

struct EvaluatedImage {
  std::string id, path;  // path: relative to EvaluationRecord::image_root
  std::string identity;  // as annotated; empty where images are their own identities
  int64_t label = 0;
  int32_t fold = 0;  // -1: took no part
};

/// A caption, the text of a class, or a composed query: then `text` says how `image` is to be changed.
struct EvaluatedCaption {
  std::string id, text;
  int64_t image = 0;                // row of EvaluationRecord::images: described, or to be changed
  int64_t tokens = 0, unknown = 0;  // all tokens of the caption; those among the tokens read that became <unk>
  bool cut = false;                 // longer than the model reads
  int32_t fold = 0;
  int64_t target = -1;  // label of the images that answer a composed query; -1: a caption
};

/// One evaluation in full: what a report needs and cannot compute again without the model. In a run it is the folder
/// eval/<protocol>/ of five files:
///
///   metrics.json            the protocol's numbers (result_json.h)
///   items.jsonl             a line about the split, then one line for each image and each caption, in row order
///   embeddings.safetensors  x [N, D], y [M, D] float32, rows as in items.jsonl, whose hash it carries; where the
///                           scorer is not indexable, x_points and y_points instead
///   ranks.npz               of each direction: <name>_query (ids), _first, _first_stable, _tied, _positives, _offsets
///   per_query.jsonl         one line for each query, in the order of ranks.npz: the best of the gallery as [id,
///   score],
///                           the relevant items as [id, rank, score]
struct EvaluationRecord {
  ProtocolResult result;  // with its ranks; from files: without positives_stable
  std::string corpus;
  std::string image_root;  // absolute
  std::string scorer;
  std::vector<EvaluatedImage> images;
  std::vector<EvaluatedCaption> captions;
  at::Tensor x, y;                // [N, D], [M, D] float32, prepared by the scorer: x y^T are the scores; undefined
                                  // where the scorer is not indexable
  at::Tensor x_points, y_points;  // [N, D], [M, D]: the embeddings as places in space; other than x
                                  // and y for distances and scorers that are not indexable
  std::vector<std::vector<std::vector<Scored>>> top;  // of each direction of result.ranks, of each of its queries

  /// Whether an image and a caption (rows) match under the protocol: by image, or by label for identities. Of a
  /// composed query: whether the image has its target's label and the query meets it.
  bool relevant(int64_t image, int64_t caption) const;
  /// The same for a query and a gallery row of a direction of result.ranks.
  bool relevant(size_t direction, int64_t query, int64_t item) const;
  /// False for an image that a composed query never meets: its own, and what shows the same as an unranked own image.
  bool meets(int64_t image, int64_t caption) const;
  bool from_images(size_t direction) const { return result.ranks[direction].name == "i2t"; }
  /// Items that queries of a direction are ranked against, all folds together: images or captions that took part.
  int64_t gallery(size_t direction) const;
  /// Row of `images` that a query or gallery row of a direction stands for: itself, or the image that a caption
  /// describes or a composed query starts from.
  int64_t image_of(const std::string& direction, int64_t query) const;
};

/// Rows of the best items kept for each query.
constexpr int64_t kTopItems = 10;

/// Writes the five files, each atomically, metrics.json last. Equal records give equal bytes. throws OutputError;
/// ShapeError for a record whose parts do not fit.
void write_evaluation_record(const std::filesystem::path& directory, const EvaluationRecord& record);

/// Reads them back. Nothing is believed: counts, ids, ranks, sizes and the items' hash must agree between the files.
/// throws CheckpointError naming the file, the line and what is wrong; the remedy is to evaluate the run again.
EvaluationRecord read_evaluation_record(const std::filesystem::path& directory);

/// ranks.npz alone, enough to compute any recall, interval or comparison: names, query_id, first, first_stable,
/// first_tied, positives, offsets. throws CheckpointError.
std::vector<DirectionRanks> read_ranks(const std::filesystem::path& file);

}  // namespace diptych
