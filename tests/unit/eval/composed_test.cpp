#include "eval/composed.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <algorithm>
#include <numeric>

#include "diptych/core/error.h"
#include "diptych/core/options.h"
#include "diptych/eval/left_out.h"
#include "unit/eval/composed_set.h"

namespace diptych::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::shared_ptr<Protocol> composed_protocol(const std::string& name, const std::string& yaml = "{}") {
  ProtocolRegistry registry("protocol");
  register_protocols(registry);
  const auto* entry = registry.find(name);
  std::any options = entry->defaults();
  Complaints complaints;
  entry->read(parse_config(yaml, "test.yaml"), "evaluate.protocol", options, complaints);
  complaints.throw_if_any();
  return entry->make(options);
}
ProtocolResult measured(const ComposedSet& composed, const std::string& name, const std::string& yaml = "{}") {
  return composed_protocol(name, yaml)->evaluate(composed.set);
}
template <class E>
std::string complaint_of(const ComposedSet& composed, const std::string& name) {
  try {
    measured(composed, name);
  } catch (const E& error) {
    return to_text(error.issues().front());
  }
  return "nothing was thrown";
}

void expect_metric_of(const ProtocolResult& result, const std::string& name, double value, double stable) {
  const Metric* metric = result.find(name);
  ASSERT_NE(metric, nullptr) << name;
  EXPECT_TRUE(metric->available) << name;
  EXPECT_NEAR(metric->value, value, 1e-9) << name;
  EXPECT_NEAR(metric->stable, stable, 1e-9) << name << ", stable";
}

/// Share of the queries with an answer that have it among the first k.
double recall_of(const std::vector<int32_t>& ranks, int64_t k) {
  const auto answered = ranks.size() - static_cast<size_t>(std::ranges::count(ranks, 0));
  const auto hits = std::ranges::count_if(ranks, [&](int32_t rank) { return rank > 0 && rank <= k; });
  return 100.0 * static_cast<double>(hits) / static_cast<double>(answered);
}
/// Ranks of the queries for which `wanted` holds, 0 for the others.
std::vector<int32_t> where_wanted(std::vector<int32_t> ranks, const std::function<bool(size_t)>& wanted) {
  for (size_t q = 0; q < ranks.size(); ++q)
    if (!wanted(q)) ranks[q] = 0;
  return ranks;
}

/// Four images of labels 0, 1, 1, 2. Query 0 changes image 0 and asks for label 1, query 1 changes image 1 and asks for
/// label 1, query 2 asks for a label that nothing has.
ComposedSet four_images() {
  return {torch::tensor({{9.f, .1f, 1.f}, {.5f, .9f, 1.f}, {.7f, .4f, 1.f}, {.7f, .3f, 1.f}}),
          {0, 1, 1, 2},
          {0, 1, 3},
          {1, 1, 9}};
}

TEST(ComposedRetrieval, NeverRanksTheImageThatIsChanged) {
  const ProtocolResult result = measured(four_images(), "composed-retrieval", "{recall: [3, 1, 2]}");
  // Query 0: image 2 is level with image 3 (rank 2, or 1 by order); its own score of 9 counts for nothing. Query 1: its
  // own image has the label and the best score, image 2 answers at rank 1.
  expect_metric_of(result, "t2i/R@1", 50, 100);
  expect_metric_of(result, "t2i/R@2", 100, 100);
  expect_metric_of(result, "t2i/meanr", 1.5, 1);
  EXPECT_EQ(result.find("t2i/R@1")->gallery, 3);
  ASSERT_EQ(result.ranks.size(), 1u);
  const DirectionRanks& ranks = result.ranks[0];
  EXPECT_EQ(ranks.name, "t2i");
  EXPECT_THAT(ranks.query, ElementsAre(0, 1));
  EXPECT_THAT(ranks.query_id, ElementsAre("img0#0", "img1#1"));
  EXPECT_THAT(ranks.offsets, ElementsAre(0, 2, 3));
  EXPECT_THAT(ranks.positives, ElementsAre(2, 3, 1));
  EXPECT_THAT(ranks.positives_stable, ElementsAre(1, 3, 1));
  EXPECT_THAT(ranks.positive_items, ElementsAre(2, 1, 2));
  EXPECT_THAT(ranks.first_tied, ElementsAre(1, 0));
  EXPECT_EQ(result.skipped_queries, 1);
  EXPECT_EQ(result.images, 4);
  EXPECT_EQ(result.captions, 3);
  EXPECT_TRUE(result.composed && result.by_identity && !result.collapsed);
}

TEST(ComposedRetrieval, EqualsSortingOnManyTiedScores) {
  const ComposedSet composed = random_composed_set(300, 1100, 20, 1);
  const ProtocolResult result = measured(composed, "composed-retrieval");
  const RetrievalSet& set = composed.set;
  const PairRule ranked = [&](size_t q, size_t row) { return static_cast<int64_t>(row) != set.y_image[q]; };
  const PairRule relevant = [&](size_t q, size_t row) { return set.x_label[row] == set.y_label[q]; };
  const auto pessimistic = sorted_first_ranks(composed, ranked, relevant, false),
             stable = sorted_first_ranks(composed, ranked, relevant, true);
  for (const int64_t k : {1, 5, 10, 50})
    expect_metric_of(result, concat("t2i/R@", k), recall_of(pessimistic, k), recall_of(stable, k));
  std::vector<int32_t> answered;
  std::ranges::copy_if(pessimistic, std::back_inserter(answered), [](int32_t rank) { return rank > 0; });
  EXPECT_EQ(result.ranks[0].first, answered);
}

TEST(ComposedRetrieval, OtherDrawingsAskAndAreNotRankedNorIsWhatTheyShow) {
  ComposedSet composed = random_composed_set(300, 200, 20, 2);
  RetrievalSet& set = composed.set;
  set.x_gallery.resize(300);
  for (size_t row = 0; row < 300; ++row) set.x_gallery[row] = row % 3 != 0;
  for (int64_t& source : set.y_image) source = source / 3 * 3;
  const ProtocolResult result = measured(composed, "css-2d3d");
  const PairRule ranked = [&](size_t q, size_t row) {
    return set.x_gallery[row] && set.x_label[row] != set.x_label[static_cast<size_t>(set.y_image[q])];
  };
  const PairRule relevant = [&](size_t q, size_t row) { return set.x_label[row] == set.y_label[q]; };
  for (const int64_t k : {1, 5, 10, 50})
    expect_metric_of(result, concat("t2i/R@", k), recall_of(sorted_first_ranks(composed, ranked, relevant, false), k),
                     recall_of(sorted_first_ranks(composed, ranked, relevant, true), k));
  EXPECT_EQ(result.images, 200);
  EXPECT_EQ(result.x_fold[0], -1);
  EXPECT_EQ(result.x_fold[1], 0);
  EXPECT_GT(result.skipped_queries, 0) << "of queries that ask for what their source shows";
}

TEST(ComposedRetrieval, EachCategoryHasItsGallery) {
  ComposedSet composed = random_composed_set(300, 200, 120, 3);
  RetrievalSet& set = composed.set;
  const std::vector<std::string> categories{"dress", "shirt", "toptee"};
  for (size_t row = 0; row < 300; ++row) set.x_id[row] = concat(categories[row % 3], "/B", row);
  const auto used = [&](size_t row) {
    return std::ranges::count(set.y_image, static_cast<int64_t>(row)) > 0 ||
           std::ranges::count(set.y_label, set.x_label[row]) > 0;
  };
  const PairRule relevant = [&](size_t q, size_t row) { return set.x_label[row] == set.y_label[q]; };
  for (const bool only_used : {false, true}) {
    const ProtocolResult result =
        measured(composed, only_used ? "fashioniq-val" : "fashioniq-full", "{recall: [5, 2]}");
    const PairRule ranked = [&](size_t q, size_t row) {
      const auto source = static_cast<size_t>(set.y_image[q]);
      return row != source && row % 3 == source % 3 && (!only_used || used(row));
    };
    const auto pessimistic = sorted_first_ranks(composed, ranked, relevant, false),
               stable = sorted_first_ranks(composed, ranked, relevant, true);
    double average[2] = {0, 0};
    for (const int64_t k : {2, 5}) {
      double mean[2] = {0, 0};
      for (size_t c = 0; c < 3; ++c) {
        const auto of_category = [&](size_t q) { return static_cast<size_t>(set.y_image[q]) % 3 == c; };
        const double values[] = {recall_of(where_wanted(pessimistic, of_category), k),
                                 recall_of(where_wanted(stable, of_category), k)};
        expect_metric_of(result, concat(categories[c], "/R@", k), values[0], values[1]);
        for (size_t rule = 0; rule < 2; ++rule) mean[rule] += values[rule] / 3;
      }
      expect_metric_of(result, concat("t2i/R@", k), mean[0], mean[1]);
      for (size_t rule = 0; rule < 2; ++rule) average[rule] += mean[rule] / 2;
    }
    expect_metric_of(result, "average-recall", average[0], average[1]);
    int64_t images = 0;
    for (size_t row = 0; row < 300; ++row) images += !only_used || used(row);
    EXPECT_EQ(result.images, images);
    EXPECT_EQ(only_used, images < 300);
  }
  EXPECT_EQ(composed_protocol("fashioniq-val")->main_metric(), "average-recall");
}

TEST(ComposedRetrieval, CategoriesWithoutQueriesAreLeftOutOfTheMean) {
  ComposedSet composed = four_images();
  composed.set.x_id = {"dress/a", "dress/b", "dress/c", "dress/d"};
  const ProtocolResult result = measured(composed, "fashioniq-full", "{recall: [1, 2]}");
  expect_metric_of(result, "t2i/R@1", 50, 100);
  expect_metric_of(result, "dress/R@1", 50, 100);
  expect_metric_of(result, "average-recall", 75, 100);
  EXPECT_EQ(result.find("shirt/R@1"), nullptr);
  EXPECT_FALSE(measured(composed, "fashioniq-full").find("average-recall")->available);  // R@50 of three images
}

TEST(ComposedRetrieval, RanksWithinTheSubsetOfEachQuery) {
  ComposedSet composed = random_composed_set(300, 200, 150, 4);
  RetrievalSet& set = composed.set;
  Random random(5, {24});
  for (size_t q = 0; q < 200; ++q) {
    if (q % 10 == 9) continue;  // no subset
    auto& subset = set.y_query[q].subset;
    for (int i = 0; i < 5; ++i) subset.push_back(static_cast<int64_t>(random.below(300)));
    subset.push_back(set.y_image[q]);
    const auto answer = std::ranges::find(set.x_label, set.y_label[q]);
    if (answer != set.x_label.end()) subset.push_back(answer - set.x_label.begin());
  }
  const ProtocolResult result = measured(composed, "cirr");
  const PairRule ranked = [&](size_t q, size_t row) {
    const auto r = static_cast<int64_t>(row);
    return r != set.y_image[q] && std::ranges::count(set.y_query[q].subset, r) > 0;
  };
  const PairRule relevant = [&](size_t q, size_t row) { return set.x_label[row] == set.y_label[q]; };
  for (const int64_t k : {1, 2, 3})
    expect_metric_of(result, concat("t2i/r_sub@", k),
                     recall_of(sorted_first_ranks(composed, ranked, relevant, false), k),
                     recall_of(sorted_first_ranks(composed, ranked, relevant, true), k));
  EXPECT_TRUE(result.find("t2i/R@50"));
  EXPECT_GE(result.find("t2i/r_sub@1")->gallery, 3);
  EXPECT_LE(result.find("t2i/r_sub@1")->gallery, 6);
}

TEST(ComposedRetrieval, SubsetByHand) {
  ComposedSet composed = four_images();
  composed.set.y_query[0].subset = {3, 2, 0};  // image 2 is level with 3
  composed.set.y_query[1].subset = {0, 3, 1};  // no answer but the own image: not counted
  const ProtocolResult result = measured(composed, "cirr", "{subset_recall: [1, 2]}");
  expect_metric_of(result, "t2i/r_sub@1", 0, 100);
  expect_metric_of(result, "t2i/r_sub@2", 100, 100);
  EXPECT_THAT(result.description, HasSubstr("within the subset of 1 queries"));
  composed.set.y_query[0].subset = {4};
  EXPECT_THROW(measured(composed, "cirr"), ShapeError);
  composed.set.y_query[0].subset = {3};
  EXPECT_THAT(complaint_of<DataError>(composed, "cirr"), HasSubstr("no query has a subset"));
}

TEST(ComposedRetrieval, RecallsOfTheAdjectiveAloneAndOfTheNounAlone) {
  ComposedSet composed = random_composed_set(300, 200, 20, 6);
  RetrievalSet& set = composed.set;
  for (const char* adjective : {"ancient", "old", "wet", "new"})
    for (const char* noun : {"city", "old", "dog", "road", "sea"})
      set.label_names.push_back(concat(adjective, " ", noun));
  const ProtocolResult result = measured(composed, "mit-states", "{word_recall: [1, 2, 5]}");
  const PairRule ranked = [&](size_t q, size_t row) { return static_cast<int64_t>(row) != set.y_image[q]; };
  const PairRule same_adjective = [&](size_t q, size_t row) { return set.x_label[row] / 5 == set.y_label[q] / 5; };
  const PairRule same_noun = [&](size_t q, size_t row) { return set.x_label[row] % 5 == set.y_label[q] % 5; };
  for (const int64_t k : {1, 2, 5}) {
    expect_metric_of(result, concat("adjective/R@", k),
                     recall_of(sorted_first_ranks(composed, ranked, same_adjective, false), k),
                     recall_of(sorted_first_ranks(composed, ranked, same_adjective, true), k));
    expect_metric_of(result, concat("noun/R@", k), recall_of(sorted_first_ranks(composed, ranked, same_noun, false), k),
                     recall_of(sorted_first_ranks(composed, ranked, same_noun, true), k));
  }
  set.label_names[3] = "ancient old road";
  EXPECT_THAT(complaint_of<DataError>(composed, "mit-states"),
              AllOf(HasSubstr("ancient old road"), HasSubstr("mit-states")));
  set.label_names.resize(2);
  EXPECT_THROW(measured(composed, "mit-states"), ShapeError);
}

TEST(ComposedRetrieval, AModelThatTellsNothingApartHasCollapsed) {
  ComposedSet flat(at::full({4, 3}, 0.5), {0, 1, 1, 2}, {0, 1, 3}, {1, 1, 1});
  EXPECT_TRUE(measured(flat, "composed-retrieval").collapsed);
  expect_metric_of(measured(flat, "composed-retrieval"), "t2i/R@1", 0, 100.0 / 3);  // image 1 comes before 2 and 3
  at::Tensor scores = at::full({4, 3}, 0.5);
  scores[3][0] = 0.25;
  EXPECT_FALSE(measured({scores, {0, 1, 1, 2}, {0, 1, 3}, {1, 1, 1}}, "composed-retrieval").collapsed);
  flat.set.spread = 0;
  EXPECT_TRUE(measured(flat, "composed-retrieval").collapsed);
}

TEST(ComposedRetrieval, EqualQueriesOfOneSourceDoNotNarrowTheInterval) {
  ComposedSet once = random_composed_set(60, 60, 8, 7);
  std::iota(once.set.y_image.begin(), once.set.y_image.end(), 0);
  const auto five_times = [](const std::vector<int64_t>& list) {
    std::vector<int64_t> out;
    for (const int64_t each : list) out.insert(out.end(), 5, each);
    return out;
  };
  ComposedSet five(once.tiles.scores().repeat_interleave(5, 1), once.set.x_label, five_times(once.set.y_image),
                   five_times(once.set.y_label));
  once.set.bootstrap = five.set.bootstrap = true;
  const ProtocolResult a = measured(once, "composed-retrieval"), b = measured(five, "composed-retrieval");
  EXPECT_EQ(a.clusters, "source images");
  for (const char* name : {"t2i/R@5", "t2i/R@10", "t2i/meanr"}) {
    EXPECT_LT(a.find(name)->low, a.find(name)->value) << name;
    EXPECT_GT(a.find(name)->high, a.find(name)->value) << name;
    EXPECT_NEAR(a.find(name)->low, b.find(name)->low, 1e-9) << name;
    EXPECT_NEAR(a.find(name)->high, b.find(name)->high, 1e-9) << name;
  }
}

TEST(ComposedRetrieval, SaysWhatWasMeasured) {
  const ComposedSet composed = four_images();
  const ProtocolResult result = measured(composed, "fashion200k", "{recall: [1, 2]}");
  EXPECT_THAT(result.description, AllOf(HasSubstr("test split, 3 composed queries"), HasSubstr("gallery of 4 images"),
                                        HasSubstr("own image left out"), HasSubstr("scores: cosine"),
                                        HasSubstr("same caption"), HasSubstr("pessimistic")));
  EXPECT_THAT(table_text(result), AllOf(HasSubstr("t2i"), HasSubstr("1 queries without a relevant item")));
  EXPECT_EQ(line_text(result), "test fashion200k t2i R@1 50.0 R@2 100.0");
}

TEST(ComposedRetrieval, CaptionsInPlaceOfQueriesAreRefusedAndTheOtherWayRound) {
  ComposedSet composed = four_images();
  for (const char* name : {"image-retrieval", "class-zeroshot", "positions", "mit-states-unseen", "cuhk-pedes"})
    EXPECT_THAT(complaint_of<UsageError>(composed, name),
                AllOf(HasSubstr(name), HasSubstr("composed queries"), HasSubstr("composed-retrieval")));
  composed.set.rescore.method = Rescore::csls;
  EXPECT_THAT(complaint_of<UsageError>(composed, "cirr"), HasSubstr("evaluate.rescore.method=none"));
  composed.set.y_query.clear();
  EXPECT_THAT(complaint_of<UsageError>(composed, "fashion200k"),
              AllOf(HasSubstr("fashion200k"), HasSubstr("captions only"), HasSubstr("image-retrieval")));
}

TEST(ComposedRetrieval, ListsThatDoNotFitAreRefused) {
  ComposedSet composed = four_images();
  composed.set.y_query.pop_back();
  EXPECT_THROW(measured(composed, "composed-retrieval"), ShapeError);
  composed.set.y_query.emplace_back(), composed.set.y_image[0] = 4;
  EXPECT_THROW(measured(composed, "composed-retrieval"), ShapeError);
  composed.set.y_image[0] = 0, composed.set.x_gallery = {true};
  EXPECT_THROW(measured(composed, "composed-retrieval"), ShapeError);
  composed.set.x_gallery.clear(), composed.set.x_label.pop_back();
  EXPECT_THROW(measured(composed, "composed-retrieval"), ShapeError);
}

TEST(ComposedRetrieval, SetsOfAnotherKindAreRefusedWithWhatToSet) {
  ComposedSet composed = four_images();
  EXPECT_THAT(complaint_of<DataError>(composed, "fashioniq-val"), AllOf(HasSubstr("img0"), HasSubstr("dress, shirt")));
  EXPECT_THAT(complaint_of<DataError>(composed, "css-2d3d"), AllOf(HasSubstr("img0"), HasSubstr("gallery_images=3d")));
  EXPECT_EQ(complaint_of<DataError>(composed, "css-3d"), "nothing was thrown");
  composed.set.x_gallery = {false, true, true, true};
  EXPECT_THAT(complaint_of<DataError>(composed, "css-3d"), AllOf(HasSubstr("img0"), HasSubstr("query_images=3d")));
  composed.set.y_label = {7, 8, 9};
  EXPECT_THAT(complaint_of<DataError>(composed, "composed-retrieval"),
              AllOf(HasSubstr("3 queries were skipped"), HasSubstr("none is left")));
}

TEST(ComposedRetrieval, NamesItsMetrics) {
  EXPECT_THAT(composed_protocol("fashion200k")->metric_names(),
              ElementsAre("t2i/R@1", "t2i/R@10", "t2i/R@50", "t2i/medr", "t2i/meanr"));
  EXPECT_THAT(composed_protocol("fashioniq-full")->metric_names(),
              ElementsAre("t2i/R@10", "t2i/R@50", "t2i/medr", "t2i/meanr", "dress/R@10", "dress/R@50", "shirt/R@10",
                          "shirt/R@50", "toptee/R@10", "toptee/R@50", "average-recall"));
  EXPECT_THAT(composed_protocol("cirr")->metric_names(),
              ElementsAre("t2i/R@1", "t2i/R@5", "t2i/R@10", "t2i/R@50", "t2i/medr", "t2i/meanr", "t2i/r_sub@1",
                          "t2i/r_sub@2", "t2i/r_sub@3"));
  EXPECT_THAT(composed_protocol("mit-states", "{recall: [1], word_recall: [100]}")->metric_names(),
              ElementsAre("t2i/R@1", "t2i/medr", "t2i/meanr", "adjective/R@100", "noun/R@100"));
  EXPECT_EQ(composed_protocol("cirr")->main_metric(), "t2i/R@1");
  EXPECT_THROW(composed_protocol("cirr", "{subset_recall: []}"), UsageError);
  EXPECT_THROW(composed_protocol("mit-states", "{word_recall: [1, 1]}"), UsageError);
}

}  // namespace
}  // namespace diptych::testing
