#pragma once
#include <ATen/core/Tensor.h>

#include <array>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "diptych/core/registry.h"

namespace diptych {

class CoarseScores;

/// Scores of all x against all y, given tile by tile so that N x M never stands in memory. A tile at the same place has
/// the same bits whenever it is asked for.
class ScoreTiles {
 public:
  virtual ~ScoreTiles() = default;
  virtual int64_t rows() const = 0;  // x
  virtual int64_t cols() const = 0;  // y
  /// [row_count, col_count] float32, contiguous. Tiles lie on the fixed grid of kTileRows x kTileCols.
  virtual at::Tensor tile(int64_t row, int64_t col, int64_t row_count, int64_t col_count) const = 0;
  static constexpr int64_t kTileRows = 256, kTileCols = 1024;
  /// In place of the score of a pair that takes no part (left_out.h): below every other score, in no list of the best.
  static constexpr float kLeftOut = std::numeric_limits<float>::lowest();
  /// True if tile() may be called by several threads at once, each with one compute thread: the sweeps over all tiles
  /// (ranks.h, top_k.h) then share the rows out among at::get_num_threads() threads.
  virtual bool concurrent() const { return false; }
  /// The same scores in a form that ranks faster (src/eval/coarse_scores.h); null: there is none.
  virtual const CoarseScores* coarse() const { return nullptr; }
};
/// Tiles of x y^T for prepared embeddings x [N, D], y [M, D] float32 (linear_nt; edges padded with zero rows).
/// Coarse scores: for at least four million scores, where the processor has bfloat16 arithmetic; or always, or never.
/// throws NumericError if an embedding is not finite, naming the first rows.
enum class Coarse { where_faster, always, never };
std::unique_ptr<ScoreTiles> dot_tiles(const at::Tensor& x, const at::Tensor& y, Coarse coarse = Coarse::where_faster);

/// Tiles of a matrix of scores [N, M] float32 that is there already. throws ShapeError, NumericError (not finite).
std::unique_ptr<ScoreTiles> matrix_tiles(const at::Tensor& scores);
/// The other way round: all scores as one matrix [N, M] float32.
at::Tensor all_scores(const ScoreTiles& tiles);

/// How captions become the texts of their classes (class_texts.h).
struct ClassTextOptions {
  int64_t most_captions = 0;  // of a class that are averaged; 0: all
};

/// How scores are changed by the scores of all other queries before they are ranked (rescore.h).
enum class Rescore { none, inverted_softmax, csls };
constexpr auto enum_names(Rescore) {
  return std::array{std::pair{Rescore::none, "none"}, std::pair{Rescore::inverted_softmax, "inverted_softmax"},
                    std::pair{Rescore::csls, "csls"}};
}
struct RescoreOptions {
  Rescore method = Rescore::none;
  double beta = 20;
  int64_t k = 10;
  static void visit(auto& self, auto& field) {
    field("method", self.method,
          "none, inverted_softmax (Smith et al. 2017) or csls (Conneau et al. 2018): against items that are near to "
          "every query; they use the scores of all queries, and the protocol line says so");
    field("beta", self.beta, "inverse temperature of inverted_softmax, in units of 1/score", {.lo = 1e-3, .hi = 1e4});
    field("k", self.k, "neighbours of csls on either side (Conneau et al. 2018: 10)", {.lo = 1, .hi = 1e6});
  }
};

/// What a query of composed retrieval, an image and a change in words, has besides its label, source and id.
struct ComposedQuery {
  std::vector<int64_t> subset;  // rows of x that a second, smaller gallery holds (CIRR); empty: none
};

/// The encoded evaluation split: images and captions, or, where y_query is not empty, images and composed queries.
struct RetrievalSet {
  const ScoreTiles* scores;               // rows: images, columns: captions or composed queries
  std::vector<int64_t> x_label, y_label;  // who matches whom; of a composed query: the label of its answers
  std::vector<int64_t> y_image;           // image (row of x) that each caption describes, or that is to be changed
  std::vector<std::string> x_id, y_id;    // for per-query files
  // Protocol "positions" only: the row of x that differs from this one in nothing but the relation (-1: none), and the
  // relation's name. Caption k of the one row is opposite to caption k of the other. Both empty: no pairs.
  std::vector<int64_t> x_partner;
  std::vector<std::string> x_relation;
  // Class protocols only: a column is the text of a class, the mean of so many captions, and y_image an image of it.
  std::vector<int64_t> y_captions;
  // Composed queries, one a column. The image that is to be changed is never ranked for its own query, nor right.
  std::vector<ComposedQuery> y_query;
  // Composed queries only. False: a row that is only ever a source and never ranked; the gallery's images with its
  // label show what it shows and are left out of its queries as it would be itself. Empty: all are ranked.
  std::vector<bool> x_gallery;
  std::vector<std::string> label_names;  // label_names[label]: "ancient city"; may be empty
  std::string split;                     // "val", "test"
  std::string scorer;                    // "cosine"
  RescoreOptions rescore;                // applied to `scores` within each fold
  uint64_t seed = 1;                     // of the bootstrap
  bool bootstrap = true;                 // 95 % intervals (skipped during training)
  double spread = -1;                    // embedding_spread of the two sides, the smaller one; negative: not known
};

/// Ranks of one direction under the protocol's relevance.
struct DirectionRanks {
  std::string name;  // "i2t", "t2i"
  std::vector<std::string> query_id;
  std::vector<int32_t> first;  // pessimistic best rank of a relevant item, 1-based
  std::vector<int32_t> first_stable;
  std::vector<int32_t> positives, offsets;  // ranks of all relevant items, query q: [offsets[q], offsets[q+1])
  std::vector<int32_t> positives_stable;    // the same under the stable rule; both ascending within a query
  std::vector<int64_t> query;               // row of x (i2t) or of y (t2i)
  std::vector<int32_t> first_tied;          // non-relevant items with exactly the score of the best relevant item
  std::vector<int64_t> positive_items;      // row of y (i2t) or of x (t2i) of each of `positives`
  std::vector<float> positive_scores;
};

struct Metric {
  double value = 0;          // percent for recalls, rank for medr and meanr
  double stable = 0;         // the same under the stable tie rule
  double low = 0, high = 0;  // 95 % bootstrap interval over queries (t2i clustered by image); low > high = not computed
  bool available = true;     // false: R@K with K above the gallery, printed as n/a (gallery=37)
  int64_t gallery = 0;       // items that each query is ranked against (the smallest of the folds and directions)
};

/// Two images a, b and a caption of each, which differ in nothing but a relation.
struct OppositePair {
  std::string relation;
  int64_t image[2], caption[2];  // rows of x and of y, a then b
  float score[2][2];             // [image][caption]
  /// The image prefers its own caption; the caption prefers its own image; all four do. Ties are wrong.
  bool image_is_right(int side) const { return score[side][side] > score[side][1 - side]; }
  bool caption_is_right(int side) const { return score[side][side] > score[1 - side][side]; }
  bool all_right() const;
};

/// Every number with the protocol that made it.
struct ProtocolResult {
  std::string protocol, description;  // description: the protocol in words, tie rule included
  std::string split;
  std::string checkpoint;              // whose weights were evaluated: "step-00001234"; empty while training
  std::vector<std::string> overrides;  // of the run's configuration, as given to `evaluate`
  RescoreOptions rescore;              // of RetrievalSet; in files only as part of the description
  int64_t images = 0, captions = 0, skipped_queries = 0;
  std::vector<std::pair<std::string, Metric>> metrics;  // "i2t/R@1", ..., "rsum"
  std::vector<DirectionRanks> ranks;
  bool by_identity = false;                     // relevance by label rather than by image
  bool composed = false;                        // captions are composed queries; `images` counts those ranked
  std::optional<ClassTextOptions> class_texts;  // a text for each class was ranked; `captions` counts those
  std::string clusters = "images";              // what the bootstrap draws
  std::vector<OppositePair> opposites;          // protocol "positions" only
  std::vector<int32_t> x_fold, y_fold;          // fold in which each x and y took part; -1: in none
  double spread = 0;                            // of RetrievalSet
  bool collapsed = false;                       // all scores equal, or 0 <= spread < kCollapsedSpread

  const Metric* find(const std::string& name) const;
};

/// A named way to turn scores into numbers. Registry "protocol": flickr8k-1k, flickr30k-1k, flickr30k-entities-1k,
/// flickr30k-dualpath-1k, coco-5k, coco-1k-5fold, coco-1k-first, cuhk-pedes, cub, flowers, mit-states-unseen, cmpl,
/// shapes, positions; for one's own data image-retrieval (who matches whom: the image), identity-retrieval (the label)
/// and class-zeroshot (images against a text for each label). Composed retrieval: css-2d, css-2d3d, css-3d,
/// fashion200k, mit-states, fashioniq-full, fashioniq-val, cirr, and composed-retrieval for one's own data. A protocol
/// used on a split of another size than the published one works and says so in the description.
class Protocol {
 public:
  virtual ~Protocol() = default;
  /// Queries without relevant items are skipped and counted. throws DataError if that leaves a direction (or a fold)
  /// without queries, UsageError for captions where composed queries are needed or the other way round, NumericError if
  /// a score is not finite, ShapeError if the lists of `set` do not fit its scores.
  virtual ProtocolResult evaluate(const RetrievalSet& set) const = 0;
  /// What `select: val/NAME` may name.
  virtual std::vector<std::string> metric_names() const = 0;
  /// Metric for choosing the best checkpoint: "rsum" or "R@1".
  virtual std::string main_metric() const = 0;
  /// True if relevance is by label (identities) rather than by image.
  virtual bool by_identity() const = 0;
  /// Set by protocols that rank a text for each class rather than captions: how it is made.
  virtual std::optional<ClassTextOptions> class_texts() const { return {}; }
  /// True if the columns of a set must be composed queries.
  virtual bool composed() const { return false; }
};
using ProtocolRegistry = Registry<Protocol>;
void register_protocols(ProtocolRegistry& protocols);

/// Formats for people: the table of one result, with intervals if computed; and the one-line form used while training:
/// "val flickr8k-1k i2t R@1 22.4 R@5 48.1 R@10 61.0 | t2i R@1 16.9 ... | rsum 233.5".
std::string table_text(const ProtocolResult& result);
std::string line_text(const ProtocolResult& result);

/// Mean per-dimension standard deviation (over the rows) of the rows scaled to unit length; below kCollapsedSpread the
/// model has collapsed. Zero rows stay zero; one row has spread 0. embeddings [N, D], any float type.
constexpr double kCollapsedSpread = 1e-6;
double embedding_spread(const at::Tensor& embeddings);

}  // namespace diptych
