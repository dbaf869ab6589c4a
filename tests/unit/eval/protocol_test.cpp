#include "diptych/eval/protocol.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <algorithm>
#include <numeric>

#include "diptych/core/error.h"
#include "diptych/eval/metrics.h"
#include "unit/eval/composed_set.h"

namespace diptych::testing {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

const ProtocolRegistry& registry() {
  static const ProtocolRegistry* all = [] {
    auto* made = new ProtocolRegistry("protocol");
    register_protocols(*made);
    return made;
  }();
  return *all;
}

std::shared_ptr<Protocol> protocol(const std::string& name, const std::string& yaml = "{}") {
  const auto* entry = registry().find(name);
  std::any options = entry->defaults();
  Complaints complaints;
  entry->read(parse_config(yaml, "test.yaml"), "evaluate.protocol", options, complaints);
  complaints.throw_if_any();
  return entry->make(options);
}

/// An encoded split in memory.
struct Corpus {
  std::unique_ptr<ScoreTiles> tiles;
  RetrievalSet set;
  Corpus(std::unique_ptr<ScoreTiles> scores, std::vector<int64_t> image_of_caption,
         std::vector<int64_t> label_of_image = {})
      : tiles(std::move(scores)) {
    set.scores = tiles.get();
    set.split = "test", set.scorer = "cosine", set.bootstrap = false;
    if (label_of_image.empty()) {
      label_of_image.resize(static_cast<size_t>(tiles->rows()));
      std::iota(label_of_image.begin(), label_of_image.end(), 0);
    }
    set.x_label = label_of_image, set.y_image = image_of_caption;
    for (const int64_t image : image_of_caption) set.y_label.push_back(label_of_image[static_cast<size_t>(image)]);
  }
};
Corpus corpus_of(const at::Tensor& scores, std::vector<int64_t> image_of_caption,
                 std::vector<int64_t> label_of_image = {}) {
  return {std::make_unique<MatrixTiles>(scores), std::move(image_of_caption), std::move(label_of_image)};
}

/// 1 to 7 captions for each image, in shuffled order.
std::vector<int64_t> ragged_captions(int64_t images, uint64_t seed) {
  std::vector<int64_t> sorted, shuffled;
  Random random(seed, {21});
  for (int64_t image = 0; image < images; ++image)
    for (uint64_t n = 1 + random.below(7); n > 0; --n) sorted.push_back(image);
  for (const int64_t place : permutation(static_cast<int64_t>(sorted.size()), random))
    shuffled.push_back(sorted[static_cast<size_t>(place)]);
  return shuffled;
}

double value(const ProtocolResult& result, const std::string& name) {
  const Metric* metric = result.find(name);
  if (!metric) throw std::logic_error("no metric " + name);
  return metric->value;
}
double stable(const ProtocolResult& result, const std::string& name) { return result.find(name)->stable; }

template <class E, class F>
std::string message_of(F f) {
  try {
    f();
  } catch (const E& error) {
    return error.what();
  }
  return "nothing was thrown";
}

// ---- values of methods.md 2.5

TEST(Protocols, M1ThePrecisionByTrapeziaIsAnotherMetricOnDemand) {
  const Corpus corpus =
      corpus_of(torch::tensor({{0.9}, {0.7}, {0.7}, {0.7}, {0.3}, {0.3}}), {1}, {0, 1, 0, 1, 1, 0});  // one query
  const ProtocolResult result = protocol("cuhk-pedes", "{ap_trapezoid: true}")->evaluate(corpus.set);
  EXPECT_NEAR(value(result, "t2i/mAP-trapezoid"), 34.4444, 1e-4);
  EXPECT_NEAR(stable(result, "t2i/mAP-trapezoid"), 40.5556, 1e-4);
  EXPECT_NEAR(value(result, "t2i/mAP"), 44.4444, 1e-4);
  EXPECT_NEAR(value(result, "t2i/mINP"), 50, 1e-9);
  EXPECT_EQ(protocol("cuhk-pedes")->evaluate(corpus.set).find("t2i/mAP-trapezoid"), nullptr);
  for (const char* name : {"cmpl", "identity-retrieval"})
    EXPECT_THAT(protocol(name, "{ap_trapezoid: true}")->metric_names(),
                AllOf(Contains("i2t/mAP-trapezoid"), Contains("t2i/mAP-trapezoid")));
}

TEST(Protocols, M2BothDirectionsBothTieRules) {
  const Corpus corpus = corpus_of(torch::tensor({{0.5, 0.2, 0.5, 0.5}, {0.6, 0.2, 0.6, 0.1}}), {0, 0, 1, 1});
  const ProtocolResult result = protocol("image-retrieval", "{recall: [1, 2]}")->evaluate(corpus.set);
  EXPECT_THAT(result.ranks[0].first, ElementsAre(3, 2));
  EXPECT_THAT(result.ranks[0].first_stable, ElementsAre(1, 2));
  EXPECT_THAT(result.ranks[1].first, ElementsAre(2, 2, 1, 2));
  EXPECT_THAT(result.ranks[1].first_stable, ElementsAre(2, 1, 1, 2));
  EXPECT_EQ(value(result, "i2t/R@1"), 0);
  EXPECT_EQ(stable(result, "i2t/R@1"), 50);
  EXPECT_EQ(value(result, "i2t/R@2"), 50);
  EXPECT_EQ(stable(result, "i2t/R@2"), 100);
  EXPECT_EQ(value(result, "t2i/R@1"), 25);
  EXPECT_EQ(stable(result, "t2i/R@1"), 50);
  EXPECT_EQ(value(result, "t2i/R@2"), 100);
  EXPECT_EQ(stable(result, "t2i/R@2"), 100);
  EXPECT_EQ(value(result, "i2t/medr"), 2);
  EXPECT_EQ(stable(result, "i2t/medr"), 1);
  EXPECT_EQ(value(result, "i2t/meanr"), 2.5);
  EXPECT_EQ(stable(result, "i2t/meanr"), 1.5);
  EXPECT_EQ(value(result, "t2i/medr"), 2);
  EXPECT_EQ(stable(result, "t2i/medr"), 1);
  EXPECT_EQ(value(result, "t2i/meanr"), 1.75);
  EXPECT_EQ(stable(result, "t2i/meanr"), 1.5);
}

TEST(Protocols, M2RecallAtThree) {
  const Corpus corpus = corpus_of(torch::tensor({{0.5, 0.2, 0.5, 0.5}, {0.6, 0.2, 0.6, 0.1}}), {0, 0, 1, 1});
  const ProtocolResult result = protocol("image-retrieval", "{recall: [3]}")->evaluate(corpus.set);
  EXPECT_EQ(value(result, "i2t/R@3"), 100);
  EXPECT_FALSE(result.find("t2i/R@3")->available);  // two images
  EXPECT_EQ(recall_at(result.ranks[1].first, 3), 100);
}

TEST(Protocols, M4AConstantModelScoresNothingAndIsCalledCollapsed) {
  std::vector<int64_t> diagonal(20);
  std::iota(diagonal.begin(), diagonal.end(), 0);
  const Corpus corpus = corpus_of(at::full({20, 20}, 0.3), diagonal);
  const ProtocolResult result = protocol("image-retrieval")->evaluate(corpus.set);
  for (const std::string direction : {"i2t/", "t2i/"})
    for (const int k : {1, 5, 10}) {
      EXPECT_EQ(value(result, direction + "R@" + std::to_string(k)), 0);
      EXPECT_NEAR(stable(result, direction + "R@" + std::to_string(k)), 100.0 * k / 20, 1e-9);
    }
  EXPECT_TRUE(result.collapsed);
}

TEST(Protocols, M5FoldsOfAMatrix) {
  const at::Tensor scores =
      torch::tensor({{0.9, 0.1, 0.95, 0.2}, {0.3, 0.8, 0.1, 0.1}, {0.2, 0.3, 0.7, 0.1}, {0.1, 0.2, 0.3, 0.9}});
  const Corpus corpus = corpus_of(scores, {0, 1, 2, 3});
  EXPECT_EQ(value(protocol("coco-5k")->evaluate(corpus.set), "i2t/R@1"), 75);
  EXPECT_EQ(value(protocol("coco-1k-5fold", "{folds: 2}")->evaluate(corpus.set), "i2t/R@1"), 100);
}

// ---- every metric against sorting

/// Metrics of a corpus by sorting; rank lists of each query and direction come from `relevant`.
std::map<std::string, double> metrics_by_sorting(const at::Tensor& scores,
                                                 const std::vector<std::vector<bool>>& relevant, bool use_stable,
                                                 const std::vector<int64_t>& recall) {
  std::map<std::string, double> out;
  double rsum = 0;
  for (const bool rows : {true, false}) {
    const at::Tensor s = (rows ? scores : scores.t()).contiguous();
    std::vector<int32_t> first, all, offsets{0};
    for (int64_t q = 0; q < s.size(0); ++q) {
      std::vector<bool> hit;
      for (int64_t item = 0; item < s.size(1); ++item)
        hit.push_back(rows ? relevant[static_cast<size_t>(q)][static_cast<size_t>(item)]
                           : relevant[static_cast<size_t>(item)][static_cast<size_t>(q)]);
      const float* begin = s.const_data_ptr<float>() + q * s.size(1);
      const auto ranks = sorted_ranks({begin, begin + s.size(1)}, hit, use_stable);
      if (ranks.empty()) continue;
      first.push_back(ranks.front());
      all.insert(all.end(), ranks.begin(), ranks.end());
      offsets.push_back(static_cast<int32_t>(all.size()));
    }
    const std::string name = rows ? "i2t/" : "t2i/";
    for (const int64_t k : recall) out[name + "R@" + std::to_string(k)] = recall_at(first, k);
    for (const int64_t k : {1, 5, 10}) rsum += recall_at(first, k);
    out[name + "medr"] = median_rank(first), out[name + "meanr"] = mean_rank(first);
    out[name + "mAP"] = mean_percent(all, offsets, average_precision);
    out[name + "mINP"] = mean_percent(all, offsets, inverse_negative_penalty);
  }
  out["rsum"] = rsum, out["mean-recall"] = rsum / 6;
  return out;
}

std::vector<std::vector<bool>> equal_matrix(const std::vector<int64_t>& x, const std::vector<int64_t>& y) {
  std::vector<std::vector<bool>> out(x.size(), std::vector<bool>(y.size()));
  for (size_t i = 0; i < x.size(); ++i)
    for (size_t j = 0; j < y.size(); ++j) out[i][j] = x[i] == y[j];
  return out;
}

void expect_equal_to_sorting(const ProtocolResult& result, const at::Tensor& scores,
                             const std::vector<std::vector<bool>>& relevant) {
  const auto pessimistic = metrics_by_sorting(scores, relevant, false, {1, 5, 10}),
             plain = metrics_by_sorting(scores, relevant, true, {1, 5, 10});
  EXPECT_FALSE(result.metrics.empty());
  for (const auto& [name, metric] : result.metrics) {
    EXPECT_TRUE(metric.available) << name;
    EXPECT_NEAR(metric.value, pessimistic.at(name), 1e-9) << name;
    EXPECT_NEAR(metric.stable, plain.at(name), 1e-9) << name;
  }
}

TEST(Protocols, ImageRetrievalEqualsSortingOnRaggedShuffledCaptionsWithTies) {
  for (const uint64_t levels : {2, 6, 40}) {
    const std::vector<int64_t> captions = ragged_captions(60, levels);
    const at::Tensor scores = tied_scores(60, static_cast<int64_t>(captions.size()), levels, levels);
    const Corpus corpus = corpus_of(scores, captions);
    std::vector<int64_t> images(60);
    std::iota(images.begin(), images.end(), 0);
    expect_equal_to_sorting(protocol("image-retrieval")->evaluate(corpus.set), scores, equal_matrix(images, captions));
  }
}

TEST(Protocols, IdentityRetrievalEqualsSortingOnLabels) {
  const std::vector<int64_t> captions = ragged_captions(50, 8);
  std::vector<int64_t> labels;
  for (int64_t image = 0; image < 50; ++image) labels.push_back(1000 + image * 7 % 13);
  const at::Tensor scores = tied_scores(50, static_cast<int64_t>(captions.size()), 9, 2);
  const Corpus corpus = corpus_of(scores, captions, labels);
  for (const char* name : {"identity-retrieval", "cmpl"}) {
    const ProtocolResult result = protocol(name)->evaluate(corpus.set);
    expect_equal_to_sorting(result, scores, equal_matrix(corpus.set.x_label, corpus.set.y_label));
    EXPECT_TRUE(result.find("i2t/mAP"));
    EXPECT_TRUE(result.find("t2i/mINP"));
  }
}

TEST(Protocols, CuhkPedesQueriesByCaptionOnlyInUniqueImages) {
  const std::vector<int64_t> captions = ragged_captions(40, 3);
  std::vector<int64_t> labels;
  for (int64_t image = 0; image < 40; ++image) labels.push_back(image / 3);
  const at::Tensor scores = tied_scores(40, static_cast<int64_t>(captions.size()), 12, 5);
  const Corpus corpus = corpus_of(scores, captions, labels);
  const ProtocolResult result = protocol("cuhk-pedes")->evaluate(corpus.set);
  expect_equal_to_sorting(result, scores, equal_matrix(corpus.set.x_label, corpus.set.y_label));
  EXPECT_EQ(result.find("i2t/R@1"), nullptr);
  EXPECT_EQ(result.find("rsum"), nullptr);
  EXPECT_EQ(result.ranks.size(), 1u);
}

TEST(Protocols, CuhkPedesGalleryWithACopyPerCaptionEqualsSortingOfTheRepeatedRows) {
  const std::vector<int64_t> captions = ragged_captions(300, 4);
  std::vector<int64_t> labels, copied_labels;
  for (int64_t image = 0; image < 300; ++image) labels.push_back(image / 2);
  const auto count = static_cast<int64_t>(captions.size());
  const at::Tensor scores = tied_scores(300, count, 50, 6);
  const Corpus corpus = corpus_of(scores, captions, labels);
  const ProtocolResult result = protocol("cuhk-pedes", "{gallery: duplicated}")->evaluate(corpus.set);
  for (const int64_t image : captions) copied_labels.push_back(labels[static_cast<size_t>(image)]);
  const at::Tensor copied = scores.index_select(0, torch::tensor(captions));
  expect_equal_to_sorting(result, copied, equal_matrix(copied_labels, corpus.set.y_label));
  EXPECT_THAT(result.description, HasSubstr("copies"));
  EXPECT_LE(value(result, "t2i/R@10"), value(protocol("cuhk-pedes")->evaluate(corpus.set), "t2i/R@10"));
}

// ---- what must not change a number

TEST(Protocols, PermutingTheGalleryChangesNothing) {
  const std::vector<int64_t> captions = ragged_captions(45, 12);
  const auto count = static_cast<int64_t>(captions.size());
  const at::Tensor scores = tied_scores(45, count, 8, 12);
  const std::vector<int64_t> order = permutation(count, Random(1, {2}));
  std::vector<int64_t> moved;
  for (const int64_t place : order) moved.push_back(captions[static_cast<size_t>(place)]);
  const Corpus before = corpus_of(scores, captions),
               after = corpus_of(scores.index_select(1, torch::tensor(order)), moved);
  const ProtocolResult a = protocol("image-retrieval")->evaluate(before.set),
                       b = protocol("image-retrieval")->evaluate(after.set);
  for (const auto& [name, metric] : a.metrics) EXPECT_NEAR(metric.value, value(b, name), 1e-9) << name;
}

TEST(Protocols, PermutingTheImagesChangesNothing) {
  const std::vector<int64_t> captions = ragged_captions(45, 13);
  const at::Tensor scores = tied_scores(45, static_cast<int64_t>(captions.size()), 8, 13);
  const std::vector<int64_t> order = permutation(45, Random(1, {3}));
  std::vector<int64_t> place_of(45), moved;
  for (int64_t i = 0; i < 45; ++i) place_of[static_cast<size_t>(order[static_cast<size_t>(i)])] = i;
  for (const int64_t image : captions) moved.push_back(place_of[static_cast<size_t>(image)]);
  const Corpus before = corpus_of(scores, captions),
               after = corpus_of(scores.index_select(0, torch::tensor(order)), moved);
  const ProtocolResult a = protocol("image-retrieval")->evaluate(before.set),
                       b = protocol("image-retrieval")->evaluate(after.set);
  for (const auto& [name, metric] : a.metrics) EXPECT_NEAR(metric.value, value(b, name), 1e-9) << name;
}

TEST(Protocols, AnotherNonRelevantItemNeverImprovesAMetric) {
  const at::Tensor scores = tied_scores(30, 30, 10, 7);
  std::vector<int64_t> captions(30);
  std::iota(captions.begin(), captions.end(), 0);
  const Corpus small = corpus_of(scores, captions);
  const ProtocolResult before = protocol("image-retrieval")->evaluate(small.set);
  for (const double score : {-1.0, 4.0, 9.0, 20.0}) {  // an image without captions: a rival of every caption's image
    const Corpus large = corpus_of(at::cat({scores, at::full({1, 30}, score)}), captions);
    const ProtocolResult after = protocol("image-retrieval")->evaluate(large.set);
    for (const int k : {1, 5, 10}) {
      const std::string name = "t2i/R@" + std::to_string(k);
      EXPECT_LE(value(after, name), value(before, name));
      EXPECT_LE(stable(after, name), stable(before, name));
    }
    EXPECT_GE(value(after, "t2i/meanr"), value(before, "t2i/meanr"));
    EXPECT_EQ(value(after, "i2t/R@1"), value(before, "i2t/R@1"));
    EXPECT_EQ(after.skipped_queries, 1);
  }
}

TEST(Protocols, ThreadsAndMatrixInMemoryGiveTheRanksOfTheTiles) {
  const at::Tensor x = normal_rows(600, 24, 1),
                   y = at::cat({x, x, normal_rows(100, 24, 2)}) + 0.3 * normal_rows(1300, 24, 3);
  std::vector<int64_t> captions;
  for (int64_t j = 0; j < 1300; ++j) captions.push_back(j % 600);
  Corpus tiled(dot_tiles(x, y.contiguous()), captions);
  const ThreadCount two(2);
  const ProtocolResult many = protocol("image-retrieval")->evaluate(tiled.set);
  EXPECT_EQ(at::get_num_threads(), 2) << "the sweep leaves the number of threads alone";
  at::set_num_threads(1);
  const ProtocolResult one = protocol("image-retrieval")->evaluate(tiled.set);
  at::Tensor matrix = at::empty({600, 1300});
  for (int64_t row = 0; row < 600; row += 256)
    for (int64_t col = 0; col < 1300; col += 1024) {
      const int64_t rows = std::min<int64_t>(256, 600 - row), cols = std::min<int64_t>(1024, 1300 - col);
      matrix.narrow(0, row, rows).narrow(1, col, cols).copy_(tiled.tiles->tile(row, col, rows, cols));
    }
  at::set_num_threads(2);
  const Corpus whole = corpus_of(matrix, captions);
  const ProtocolResult full = protocol("image-retrieval")->evaluate(whole.set);
  for (size_t direction = 0; direction < 2; ++direction) {
    EXPECT_EQ(many.ranks[direction].positives, one.ranks[direction].positives);
    EXPECT_EQ(many.ranks[direction].positives, full.ranks[direction].positives);
  }
  EXPECT_GT(value(many, "t2i/R@1"), 50) << "the test needs a model that finds something";
}

// ---- matrix_tiles

TEST(MatrixTiles, AreTheMatrix) {
  const at::Tensor scores = torch::randn({300, 1100});
  const auto tiles = matrix_tiles(scores);
  EXPECT_EQ(tiles->rows(), 300);
  EXPECT_EQ(tiles->cols(), 1100);
  EXPECT_TRUE(tiles->tile(256, 1024, 44, 76).equal(scores.slice(0, 256).slice(1, 1024)));
}

TEST(MatrixTiles, AllScoresAreTheMatrixAgain) {
  const at::Tensor scores = at::randn({ScoreTiles::kTileRows + 3, ScoreTiles::kTileCols + 5});
  EXPECT_TRUE(all_scores(*matrix_tiles(scores)).equal(scores));
}

TEST(MatrixTiles, RefuseWhatCannotBeRanked) {
  EXPECT_THROW(matrix_tiles(torch::zeros({3})), ShapeError);
  EXPECT_THROW(matrix_tiles(torch::zeros({3, 2}, at::kDouble)), ShapeError);
  at::Tensor scores = torch::zeros({3, 2});
  scores[2][1] = NAN;
  EXPECT_THAT([&] { matrix_tiles(scores); }, ::testing::ThrowsMessage<NumericError>(HasSubstr("x 2 and y 1")));
}

// ---- dot_tiles

TEST(DotTiles, AreTheProduct) {
  const at::Tensor x = normal_rows(300, 40, 4), y = normal_rows(1100, 40, 5);
  const auto tiles = dot_tiles(x, y);
  EXPECT_EQ(tiles->rows(), 300);
  EXPECT_EQ(tiles->cols(), 1100);
  const at::Tensor edge = tiles->tile(256, 1024, 44, 76);
  EXPECT_TRUE(at::allclose(edge, x.narrow(0, 256, 44).mm(y.narrow(0, 1024, 76).t()), 1e-5, 1e-6));
  EXPECT_TRUE(edge.is_contiguous());
}

TEST(DotTiles, AScoreHasTheSameBitsAtEveryEdge) {
  const at::Tensor x = normal_rows(256, 77, 6), y = normal_rows(1024, 77, 7);
  const at::Tensor whole = dot_tiles(x, y)->tile(0, 0, 256, 1024);
  for (const int64_t rows : {1, 3, 100, 255})
    for (const int64_t cols : {1, 5, 700, 1023}) {
      const auto part = dot_tiles(x.narrow(0, 0, rows), y.narrow(0, 0, cols));
      EXPECT_TRUE(at::equal(part->tile(0, 0, rows, cols), whole.narrow(0, 0, rows).narrow(1, 0, cols)))
          << rows << " x " << cols;
    }
}

// N13
TEST(DotTiles, RefuseNonFiniteEmbeddingsWithCountAndFirstRows) {
  for (const double bad : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    at::Tensor x = normal_rows(30, 8, 8);
    for (const int64_t row : {4, 7, 9, 11, 12, 29}) x[row][row % 8] = bad;
    const std::string message = message_of<NumericError>([&] { dot_tiles(normal_rows(3, 8, 9), x); });
    EXPECT_THAT(message, AllOf(HasSubstr("embeddings of y"), HasSubstr("6 of 30"), HasSubstr("4, 7, 9, 11, 12"),
                               Not(HasSubstr("29"))));
  }
}

TEST(DotTiles, AnOverflowOfFiniteEmbeddingsIsRefusedToo) {
  const at::Tensor x = at::full({4, 8}, 1e30);
  const Corpus corpus(dot_tiles(x, x), {0, 1, 2, 3});
  EXPECT_THAT(message_of<NumericError>([&] { protocol("image-retrieval")->evaluate(corpus.set); }),
              HasSubstr("not finite"));
}

TEST(DotTiles, RefuseWhatIsNoPairOfMatricesAndWhatIsNoTile) {
  const at::Tensor x = at::ones({4, 8});
  EXPECT_THROW(dot_tiles(x, at::ones({4, 7})), ShapeError);
  EXPECT_THROW(dot_tiles(x.to(at::kDouble), x), ShapeError);
  EXPECT_THROW(dot_tiles(x[0], x), ShapeError);
  EXPECT_THROW(dot_tiles(at::ones({0, 8}), x), ShapeError);
  const auto tiles = dot_tiles(x, x);
  EXPECT_THROW(tiles->tile(1, 0, 1, 1), ShapeError);
  EXPECT_THROW(tiles->tile(0, 0, 5, 4), ShapeError);
}

// ---- collapse

TEST(EmbeddingSpread, IsTheStandardDeviationOfUnitRows) {
  EXPECT_NEAR(embedding_spread(torch::tensor({{2.0, 0.0}, {0.0, 5.0}})), 0.5, 1e-12);  // unit rows: (1, 0), (0, 1)
  EXPECT_NEAR(embedding_spread(torch::tensor({{1.0, 1.0}, {3.0, 3.0}})), 0, 1e-12);    // one direction, two lengths
  EXPECT_EQ(embedding_spread(at::zeros({5, 3})), 0);
  EXPECT_EQ(embedding_spread(at::ones({1, 3})), 0);
  EXPECT_GT(embedding_spread(normal_rows(100, 8, 10)), 0.1);
}

TEST(Protocols, AllEqualEmbeddingsScoreZeroAndAreCalledCollapsed) {
  for (const at::Tensor& row : {at::zeros({1, 16}), normal_rows(1, 16, 3)}) {
    const at::Tensor x = row.expand({40, 16}).contiguous();
    std::vector<int64_t> captions(40);
    std::iota(captions.begin(), captions.end(), 0);
    const Corpus corpus(dot_tiles(x, x), captions);
    const ProtocolResult result = protocol("image-retrieval")->evaluate(corpus.set);
    EXPECT_TRUE(result.collapsed);
    EXPECT_EQ(value(result, "rsum"), 0);
    EXPECT_THAT(table_text(result), HasSubstr("collapsed"));
    EXPECT_THAT(line_text(result), HasSubstr("collapsed"));
  }
}

TEST(Protocols, ASmallSpreadIsACollapseThoughScoresDiffer) {
  Corpus corpus = corpus_of(torch::tensor({{0.9, 0.1}, {0.2, 0.8}}), {0, 1});
  EXPECT_FALSE(protocol("image-retrieval")->evaluate(corpus.set).collapsed);
  corpus.set.spread = 4e-8;
  EXPECT_TRUE(protocol("image-retrieval")->evaluate(corpus.set).collapsed);
  corpus.set.spread = 1e-3;
  EXPECT_FALSE(protocol("image-retrieval")->evaluate(corpus.set).collapsed);
}

TEST(Protocols, OneImageWithOneCaptionIsNoCollapse) {
  const Corpus corpus = corpus_of(torch::tensor({{0.5}}), {0});
  const ProtocolResult result = protocol("image-retrieval")->evaluate(corpus.set);
  EXPECT_FALSE(result.collapsed);
  EXPECT_EQ(value(result, "i2t/R@1"), 100);
  EXPECT_THAT(line_text(result), HasSubstr("n/a (gallery=1)"));
}

// ---- selections

TEST(Protocols, CocoTakesTheFirstFiveCaptionsOfAnImage) {
  // Image 0 has seven captions; only the last two would rank first.
  at::Tensor scores = at::zeros({2, 8});
  scores[0][7] = 1, scores[0][6] = 1, scores[1][5] = 0.5, scores[0][0] = -1;
  const Corpus corpus = corpus_of(scores, {0, 0, 0, 0, 0, 1, 0, 0});
  const ProtocolResult result = protocol("coco-5k")->evaluate(corpus.set);
  EXPECT_EQ(result.captions, 6);
  EXPECT_EQ(result.ranks[1].first.size(), 6u);
  EXPECT_EQ(value(result, "i2t/R@1"), 50);  // image 0 against caption 5 with an equal score
  EXPECT_THAT(result.description, HasSubstr("2 captions beyond the first 5"));
  EXPECT_EQ(value(protocol("coco-5k", "{captions_per_image: 0}")->evaluate(corpus.set), "i2t/R@1"), 100);
}

TEST(Protocols, CocoFirstLeavesTheOtherImagesOut) {
  const at::Tensor scores = torch::tensor({{0.5, 0.1, 0.9}, {0.1, 0.6, 0.9}, {0.9, 0.9, 0.1}});
  const Corpus corpus = corpus_of(scores, {0, 1, 2});
  const ProtocolResult result = protocol("coco-1k-first", "{images: 2}")->evaluate(corpus.set);
  EXPECT_EQ(result.images, 2);
  EXPECT_EQ(result.captions, 2);
  EXPECT_EQ(value(result, "i2t/R@1"), 100);
  EXPECT_EQ(value(result, "t2i/R@1"), 100);
  EXPECT_THAT(result.description, HasSubstr("first 2 images"));
}

TEST(Protocols, FoldsAreAveragedWhateverTheOrderOfTheCaptions) {
  const std::vector<int64_t> captions = ragged_captions(55, 30);
  const auto count = static_cast<int64_t>(captions.size());
  const at::Tensor scores = tied_scores(55, count, 20, 30);
  const Corpus corpus = corpus_of(scores, captions);
  const ProtocolResult result = protocol("coco-1k-5fold", "{captions_per_image: 0}")->evaluate(corpus.set);
  std::map<std::string, double> mean;
  for (int64_t fold = 0; fold < 5; ++fold) {
    std::vector<int64_t> columns, images, inside;
    for (int64_t j = 0; j < count; ++j)
      if (captions[static_cast<size_t>(j)] / 11 == fold)
        columns.push_back(j), inside.push_back(captions[static_cast<size_t>(j)] % 11);
    for (int64_t i = 0; i < 11; ++i) images.push_back(i);
    const at::Tensor block = scores.narrow(0, fold * 11, 11).index_select(1, torch::tensor(columns));
    for (const auto& [name, number] : metrics_by_sorting(block, equal_matrix(images, inside), false, {1, 5, 10}))
      mean[name] += number / 5;
  }
  for (const auto& [name, metric] : result.metrics) EXPECT_NEAR(metric.value, mean.at(name), 1e-9) << name;
  EXPECT_THAT(result.description, HasSubstr("5 contiguous folds"));
  EXPECT_EQ(result.find("t2i/R@10")->gallery, 11);
}

TEST(Protocols, FewerImagesThanFoldsAreRefused) {
  const Corpus corpus = corpus_of(at::eye(3), {0, 1, 2});
  EXPECT_THAT(message_of<DataError>([&] { protocol("coco-1k-5fold")->evaluate(corpus.set); }),
              AllOf(HasSubstr("3 images"), HasSubstr("5 folds")));
}

TEST(Protocols, QueriesWithoutRelevantItemsAreSkippedAndCounted) {
  const Corpus corpus = corpus_of(torch::tensor({{0.9, 0.1}, {0.2, 0.8}, {0.1, 0.1}}), {0, 1});
  const ProtocolResult result = protocol("image-retrieval")->evaluate(corpus.set);
  EXPECT_EQ(result.skipped_queries, 1);
  EXPECT_EQ(value(result, "i2t/R@1"), 100);
  EXPECT_EQ(result.ranks[0].query_id.size(), 2u);
  EXPECT_THAT(table_text(result), HasSubstr("1 queries without a relevant item were skipped"));
}

TEST(Protocols, NothingRelevantAtAllIsAnError) {
  Corpus corpus = corpus_of(at::eye(3), {0, 1, 2});
  corpus.set.y_label = {7, 8, 9};
  EXPECT_THAT(
      message_of<DataError>([&] { protocol("identity-retrieval")->evaluate(corpus.set); }),
      AllOf(HasSubstr("identity-retrieval"), HasSubstr("test"), HasSubstr("3 i2t queries"), HasSubstr("none is left")));
  // One fold without captions has no query either.
  const Corpus folds = corpus_of(at::rand({4, 2}), {0, 1});
  EXPECT_THAT(message_of<DataError>([&] { protocol("coco-1k-5fold", "{folds: 2}")->evaluate(folds.set); }),
              HasSubstr("a fold has no query"));
}

TEST(Protocols, ListsThatDoNotFitTheScoresAreRefused) {
  Corpus corpus = corpus_of(at::eye(3), {0, 1, 2});
  corpus.set.y_image = {0, 1};
  EXPECT_THROW(protocol("image-retrieval")->evaluate(corpus.set), ShapeError);
  corpus.set.y_image = {0, 1, 3};
  EXPECT_THROW(protocol("image-retrieval")->evaluate(corpus.set), ShapeError);
  corpus.set.y_image = {0, 1, 2}, corpus.set.x_label = {1};
  EXPECT_THROW(protocol("cmpl")->evaluate(corpus.set), ShapeError);
}

// N14
TEST(Protocols, KAboveTheGalleryIsNotAvailableAndNeverClipped) {
  const Corpus corpus = corpus_of(at::eye(7), {0, 1, 2, 3, 4, 5, 6});
  const ProtocolResult result = protocol("flickr8k-1k")->evaluate(corpus.set);
  EXPECT_FALSE(result.find("i2t/R@10")->available);
  EXPECT_FALSE(result.find("rsum")->available);
  EXPECT_EQ(value(result, "i2t/R@5"), 100);
  EXPECT_THAT(table_text(result), HasSubstr("n/a (gallery=7)"));
  EXPECT_THAT(line_text(result), HasSubstr("R@10 n/a (gallery=7)"));
}

TEST(Protocols, SumOfRecallsAlwaysMeansOneFiveAndTen) {
  const std::vector<int64_t> captions = ragged_captions(30, 2);
  const at::Tensor scores = tied_scores(30, static_cast<int64_t>(captions.size()), 1000, 2);
  const Corpus corpus = corpus_of(scores, captions);
  const ProtocolResult other = protocol("image-retrieval", "{recall: [20, 2]}")->evaluate(corpus.set);
  EXPECT_EQ(value(other, "rsum"), value(protocol("image-retrieval")->evaluate(corpus.set), "rsum"));
  EXPECT_EQ(other.find("i2t/R@1"), nullptr);
  EXPECT_EQ(other.metrics[0].first, "i2t/R@2");
  EXPECT_EQ(other.metrics[1].first, "i2t/R@20");
}

// ---- options and registry

TEST(ProtocolOptions, RefuseAKThatMakesNoSense) {
  for (const char* yaml :
       {"{recall: [0]}", "{recall: [-1]}", "{recall: [1.5]}", "{recall: [1, 5, 1]}", "{recall: []}", "{recall: 5}"}) {
    const std::string message = message_of<UsageError>([&] { protocol("coco-1k-5fold", yaml); });
    EXPECT_THAT(message, HasSubstr("evaluate.protocol.recall")) << yaml;
  }
  EXPECT_THAT(message_of<UsageError>([&] { protocol("cmpl", "{recall: [5, 5]}"); }), HasSubstr("K = 5 is given twice"));
  EXPECT_THAT(message_of<UsageError>([&] { protocol("cuhk-pedes", "{gallery: doubled}"); }), HasSubstr("duplicated"));
}

TEST(ProtocolRegistryTest, HoldsTheNamesOfTheMethodsList) {
  EXPECT_THAT(
      registry().names(),
      ElementsAre("cirr", "class-zeroshot", "cmpl", "coco-1k-5fold", "coco-1k-first", "coco-5k", "composed-retrieval",
                  "css-2d", "css-2d3d", "css-3d", "cub", "cuhk-pedes", "fashion200k", "fashioniq-full", "fashioniq-val",
                  "flickr30k-1k", "flickr30k-dualpath-1k", "flickr30k-entities-1k", "flickr8k-1k", "flowers",
                  "identity-retrieval", "image-retrieval", "mit-states", "mit-states-unseen", "positions", "shapes"));
}

TEST(ProtocolRegistryTest, EveryProtocolDocumentsItselfAndGivesTheMetricsThatItNames) {
  const std::vector<int64_t> captions = ragged_captions(60, 5);
  std::vector<int64_t> labels;
  for (int64_t image = 0; image < 60; ++image) labels.push_back(image / 2);
  const Corpus ragged = corpus_of(tied_scores(60, static_cast<int64_t>(captions.size()), 1000, 9), captions, labels);
  std::vector<int64_t> two_each;
  for (int64_t caption = 0; caption < 120; ++caption) two_each.push_back(caption / 2);
  Corpus pairs = corpus_of(tied_scores(60, 120, 1000, 10), two_each);
  for (int64_t image = 0; image < 60; ++image) pairs.set.x_partner.push_back(image ^ 1);
  for (int64_t image = 0; image < 60; ++image)
    pairs.set.x_relation.push_back(
        std::array{"left_right", "above_below", "inside_outside", "larger_smaller"}[image / 2 % 4]);
  std::vector<int64_t> first_images;
  for (int64_t label = 0; label < 30; ++label) first_images.push_back(2 * label);
  Corpus classes = corpus_of(tied_scores(60, 30, 1000, 11), first_images, labels);
  classes.set.y_captions.assign(30, 4);
  for (int64_t label = 0; label < 30; ++label)
    classes.set.label_names.push_back(concat("adjective", label % 5, " noun", label / 5));
  // Sixty images of the gallery in three categories, and sixty of other drawings that only css-2d3d starts from.
  ComposedSet composed = random_composed_set(120, 90, 30, 12);
  composed.set.label_names = classes.set.label_names;
  for (size_t q = 0; q < 90; ++q) {
    composed.set.y_image[q] %= 60;
    for (int64_t image = 0; image < 60; ++image) composed.set.y_query[q].subset.push_back(image);
  }
  for (size_t row = 0; row < 120; ++row) {
    composed.set.x_id[row] = concat(std::array{"dress", "shirt", "toptee"}[row % 3], "/", row);
    composed.set.x_gallery.push_back(row < 60);
  }
  for (const auto& [name, entry] : registry().entries()) {
    SCOPED_TRACE(name);
    EXPECT_FALSE(entry.doc.empty());
    const auto made = registry().make_default(name);
    const bool of_pairs = name == "positions", of_classes = made->class_texts().has_value();
    const bool of_queries = made->composed();
    if (of_queries)
      std::ranges::for_each(composed.set.y_image,
                            [&](int64_t& row) { row = row % 60 + (name == "css-2d3d" ? 60 : 0); });
    const ProtocolResult result = made->evaluate(of_queries ? composed.set
                                                            : (of_pairs     ? pairs
                                                               : of_classes ? classes
                                                                            : ragged)
                                                                  .set);
    EXPECT_EQ(result.protocol, name);
    std::vector<std::string> names;
    for (const auto& [metric, number] : result.metrics) names.push_back(metric);
    EXPECT_EQ(names, made->metric_names());
    EXPECT_TRUE(result.find(made->main_metric()));
    EXPECT_EQ(made->by_identity() && !of_classes && !of_queries, result.find("t2i/mAP") != nullptr);
    EXPECT_EQ(result.composed, of_queries);
    EXPECT_EQ(result.class_texts.has_value(), of_classes);
    EXPECT_THAT(result.description, AllOf(HasSubstr("test split"), HasSubstr("cosine")));
    if (of_pairs) {
      EXPECT_THAT(result.description,
                  AllOf(HasSubstr("30 pairs of images x 60 pairs of captions"), HasSubstr("ties wrong")));
    } else if (of_classes) {
      EXPECT_THAT(result.description, AllOf(HasSubstr("60 images x 30 "), HasSubstr("pessimistic")));
    } else if (of_queries) {
      EXPECT_THAT(result.description, AllOf(HasSubstr("90 composed queries"), HasSubstr("gallery of "),
                                            HasSubstr("relevant: "), HasSubstr("pessimistic")));
    } else {
      EXPECT_THAT(result.description, AllOf(HasSubstr("60 images"), HasSubstr("pessimistic"),
                                            HasSubstr(made->by_identity() ? "same identity" : "same image")));
    }
  }
}

TEST(ProtocolRegistryTest, OptionsSurviveBeingWrittenAndRead) {
  for (const auto& [name, entry] : registry().entries()) {
    Lister before, after;
    entry.list(entry.defaults(), before);
    std::any options = entry.defaults();
    Complaints complaints;
    entry.read(parse_config(to_yaml(before.rows), name), "", options, complaints);
    complaints.throw_if_any();
    entry.list(options, after);
    EXPECT_THAT(difference(before.rows, after.rows), IsEmpty()) << name;
  }
}

TEST(Protocols, SayWhetherTheSplitIsThePublishedOne) {
  std::vector<int64_t> captions;
  for (int64_t j = 0; j < 5000; ++j) captions.push_back(j / 5);
  const at::Tensor x = normal_rows(1000, 4, 1), y = normal_rows(5000, 4, 2);
  Corpus corpus(dot_tiles(x, y), captions);
  const auto description = [&] { return protocol("flickr8k-1k")->evaluate(corpus.set).description; };
  EXPECT_THAT(description(),
              AllOf(StartsWith("test split, 1,000 images x 5,000 captions"), Not(HasSubstr("not the published"))));
  corpus.set.split = "val";
  EXPECT_THAT(description(), AllOf(StartsWith("val split"),
                                   HasSubstr("not the published test split of 1,000 images x 5,000 captions")));
}

TEST(Protocols, OtherListsOfFlickr30kAreMeasuredAlikeUnderTheirOwnNames) {
  std::vector<int64_t> captions;
  for (int64_t j = 0; j < 300; ++j) captions.push_back(j / 5);
  const Corpus corpus = corpus_of(tied_scores(60, 300, 200, 4), captions);
  const ProtocolResult karpathy = protocol("flickr30k-1k")->evaluate(corpus.set);
  for (const char* name : {"flickr30k-entities-1k", "flickr30k-dualpath-1k"}) {
    const ProtocolResult result = protocol(name)->evaluate(corpus.set);
    EXPECT_EQ(result.protocol, name);
    EXPECT_THAT(result.description, HasSubstr("not the published test split of 1,000 images x 5,000 captions"));
    ASSERT_EQ(result.metrics.size(), karpathy.metrics.size());
    for (const auto& [metric, number] : karpathy.metrics) EXPECT_EQ(value(result, metric), number.value) << metric;
  }
}

// ---- intervals

TEST(Protocols, IntervalsHoldTheValueAndFollowTheSeed) {
  const std::vector<int64_t> captions = ragged_captions(200, 6);
  const at::Tensor scores = tied_scores(200, static_cast<int64_t>(captions.size()), 30, 6);
  Corpus corpus = corpus_of(scores, captions);
  EXPECT_GT(protocol("image-retrieval")->evaluate(corpus.set).find("rsum")->low, 0) << "not computed: low > high";
  corpus.set.bootstrap = true;
  const ProtocolResult one = protocol("coco-1k-5fold")->evaluate(corpus.set),
                       same = protocol("coco-1k-5fold")->evaluate(corpus.set);
  corpus.set.seed = 2;
  const ProtocolResult other = protocol("coco-1k-5fold")->evaluate(corpus.set);
  for (const auto& [name, metric] : one.metrics) {
    EXPECT_LE(metric.low, metric.high) << name;
    EXPECT_LE(metric.low, metric.value + 1e-9) << name;
    EXPECT_GE(metric.high, metric.value - 1e-9) << name;
    EXPECT_EQ(metric.low, same.find(name)->low) << name;
  }
  EXPECT_NE(one.find("t2i/meanr")->low, other.find("t2i/meanr")->low);
}

TEST(Protocols, FiveEqualCaptionsOfAnImageDoNotNarrowTheInterval) {
  const at::Tensor scores = tied_scores(100, 100, 40, 8);
  std::vector<int64_t> once, five;
  for (int64_t image = 0; image < 100; ++image) once.push_back(image), five.insert(five.end(), 5, image);
  Corpus single = corpus_of(scores, once), repeated = corpus_of(scores.repeat_interleave(5, 1), five);
  single.set.bootstrap = repeated.set.bootstrap = true;
  const ProtocolResult a = protocol("image-retrieval")->evaluate(single.set),
                       b = protocol("image-retrieval")->evaluate(repeated.set);
  for (const char* name : {"t2i/R@10", "t2i/meanr", "t2i/medr"}) {
    EXPECT_NEAR(a.find(name)->low, b.find(name)->low, 1e-9) << name;
    EXPECT_NEAR(a.find(name)->high, b.find(name)->high, 1e-9) << name;
  }
}

// ---- text

ProtocolResult printed_result() {
  ProtocolResult result;
  result.protocol = "flickr8k-1k", result.description = "test split, 1,000 images x 5,000 captions",
  result.split = "test";
  result.metrics = {{"i2t/R@1", {24.74, 24.74, 22.1, 27.4}},
                    {"i2t/R@10", {61.7, 61.7, 58.8, 64.6}},
                    {"i2t/medr", {6, 6, 5, 6}},
                    {"i2t/meanr", {38.25, 38.25, 30, 45}},
                    {"t2i/R@1", {9.0, 9.2, 8.0, 9.9}},
                    {"t2i/R@10", {54.5, 54.5, 53, 56}},
                    {"t2i/medr", {12, 12, 11, 13}},
                    {"t2i/meanr", {101.5, 101.5, 90, 110}},
                    {"rsum", {248.4, 248.6, 240, 256.04}}};
  return result;
}

TEST(TableText, AlignsTheMetricsOfBothDirections) {
  EXPECT_EQ(table_text(printed_result()),
            "flickr8k-1k: test split, 1,000 images x 5,000 captions\n"
            "                     R@1               R@10  medr  meanr\n"
            "  i2t  24.7 [22.1, 27.4]  61.7 [58.8, 64.6]     6   38.2\n"
            "  t2i     9.0 [8.0, 9.9]  54.5 [53.0, 56.0]    12  101.5\n"
            "  rsum 248.4 [240.0, 256.0]\n"
            "  [ ]: 95 % bootstrap intervals over images\n"
            "  with equal scores in the order of the gallery instead: t2i/R@1 9.2, rsum 248.6\n");
}

TEST(TableText, PrintsNoIntervalsThatWereNotComputed) {
  ProtocolResult result = printed_result();
  for (auto& [name, metric] : result.metrics) metric.low = 1, metric.high = 0;
  EXPECT_THAT(table_text(result), AllOf(Not(HasSubstr("[")), HasSubstr("24.7  61.7     6   38.2")));
}

TEST(LineText, IsTheFormPrintedWhileTraining) {
  EXPECT_EQ(line_text(printed_result()),
            "test flickr8k-1k i2t R@1 24.7 R@10 61.7 | t2i R@1 9.0 R@10 54.5 | rsum 248.4");
}

TEST(Protocols, RanksCarryTheIdsOfTheirQueriesAndAllPositives) {
  Corpus corpus = corpus_of(torch::tensor({{0.9, 0.1, 0.8}, {0.2, 0.7, 0.95}}), {0, 1, 0});
  corpus.set.x_id = {"a.jpg", "b.jpg"}, corpus.set.y_id = {"a#0", "b#0", "a#1"};
  const ProtocolResult result = protocol("image-retrieval")->evaluate(corpus.set);
  EXPECT_EQ(result.ranks[0].name, "i2t");
  EXPECT_THAT(result.ranks[0].query_id, ElementsAre("a.jpg", "b.jpg"));
  EXPECT_THAT(result.ranks[0].positives, ElementsAre(1, 2, 2));
  EXPECT_THAT(result.ranks[0].offsets, ElementsAre(0, 2, 3));
  EXPECT_THAT(result.ranks[1].query_id, ElementsAre("a#0", "b#0", "a#1"));
  EXPECT_THAT(result.ranks[1].positives, ElementsAre(1, 1, 2));
}

}  // namespace
}  // namespace diptych::testing
