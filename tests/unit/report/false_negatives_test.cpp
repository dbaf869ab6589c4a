#include "diptych/report/false_negatives.h"

#include <gmock/gmock.h>

#include "unit/report/record_fixture.h"

namespace diptych::testing {
namespace {

using ::testing::ElementsAre;

TEST(WordsOf, AreLowerCaseRunsOfLettersAndDigits) {
  EXPECT_THAT(words_of("A dog's 2 B\xc3\xa4lle, <b>!"), ElementsAre("a", "dog", "s", "2", "b\xc3\xa4lle", "b"));
  EXPECT_TRUE(words_of(" .,-").empty());
  EXPECT_TRUE(words_of("").empty());
}

/// Captions 0 and 1 find each other's image, caption 2 finds image 0, caption 3 is right.
EvaluationRecord record() {
  EvaluationRecord out = record_of_scores(torch::tensor({{0.5, 0.8, 0.9, 0.0},  //
                                                         {0.6, 0.5, 0.0, 0.0},
                                                         {0.0, 0.0, 0.1, 0.0},
                                                         {0.0, 0.0, 0.0, 0.5}}),
                                          {0, 1, 2, 3});
  out.captions[0].text = "a red ball on the beach", out.captions[1].text = "a red ball on a beach";
  out.captions[2].text = "two dogs", out.captions[3].text = "a ship";
  return out;
}

TEST(LikelyFalseNegatives, ComeByTheWordsTheyShareThenByTheMargin) {
  const EvaluationRecord r = record();
  const auto found = likely_false_negatives(r, direction_of(r, "t2i"));
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].query, 1);  // the same words as caption 0, margin 0.3; caption 0 has margin 0.1
  EXPECT_EQ(found[0].found, 0);
  EXPECT_EQ(found[0].expected, 1);
  EXPECT_EQ(found[0].rank, 2);
  EXPECT_FLOAT_EQ(found[0].found_score, 0.8f);
  EXPECT_FLOAT_EQ(found[0].expected_score, 0.5f);
  EXPECT_EQ(found[1].query, 0);
  EXPECT_EQ(found[1].overlap, found[0].overlap);
  EXPECT_EQ(found[2].query, 2);  // the widest margin, but no word in common
  EXPECT_EQ(found[2].overlap, 0);
  // Words: red, ball, on, beach stand in 2 of 4 captions, a in 3, the in 1; weight log(5 / count).
  const double twice = std::log(5.0 / 2), thrice = std::log(5.0 / 3), once = std::log(5.0);
  EXPECT_NEAR(found[0].overlap, (4 * twice + thrice) / (4 * twice + thrice + once), 1e-12);
}

TEST(LikelyFalseNegatives, TheOtherDirectionComparesWithTheQuerysCaptions) {
  const EvaluationRecord r = record();
  const auto found = likely_false_negatives(r, direction_of(r, "i2t"), 1);
  // Image 0 finds caption 2 (0.9), image 1 caption 0 (0.6).
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].query, 1);
  EXPECT_EQ(found[0].found, 0);
}

TEST(LikelyFalseNegatives, ATieIsNone) {
  const EvaluationRecord r = record_of_scores(torch::tensor({{0.5, 0.5}, {0.5, 0.5}}), {0, 1});
  EXPECT_TRUE(likely_false_negatives(r, 0).empty());
}

TEST(LikelyFalseNegatives, ARightAnswerIsNoneThoughItsTwoScoresDifferInTheLastDigit) {
  EvaluationRecord r = record_of_scores(torch::tensor({{0.5, 0.2}, {0.1, 0.5}}), {0, 1});
  for (auto& list : r.top[0]) list.front().score += 1e-6f;  // the lists and the ranks come from different products
  EXPECT_TRUE(likely_false_negatives(r, 0).empty());
  r = record_of_scores(torch::tensor({{0.5, 0.7}, {0.1, 0.8}}), {0, 1});  // image 0 finds caption 1 before its own
  r.result.ranks[0].first[1] = 2, r.top[0][1].front().score += 1e-6f;     // image 1: its own, at a rank it ties for
  const auto found = likely_false_negatives(r, 0);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].query, 0);
  EXPECT_EQ(found[0].found, 1);
}

TEST(LikelyFalseNegatives, AreWrittenForAPersonToGoThrough) {
  const EvaluationRecord r = record();
  const size_t t2i = direction_of(r, "t2i");
  const Json json = to_json(likely_false_negatives(r, t2i, 1), r, t2i);
  ASSERT_EQ(json.size(), 1u);
  EXPECT_EQ(json[0]["direction"], "t2i");
  EXPECT_EQ(json[0]["query"]["caption"], "img1#0");
  EXPECT_EQ(json[0]["query"]["text"], "a red ball on a beach");
  EXPECT_EQ(json[0]["found"]["image"], "img0");
  EXPECT_EQ(json[0]["expected"]["image"], "img1");
  EXPECT_EQ(json[0]["rank"], 2);
}

TEST(LikelyFalseNegatives, OfComposedQueriesCompareTheLabelsOfTheAnswers) {
  // Query 0 asks for label 1 and finds an image of label 2 first, its own image being left out.
  EvaluationRecord r = composed_record_of_scores(torch::tensor({{9.f}, {.5f}, {.8f}}), {0, 1, 2}, {0}, {1});
  r.images[0].identity = "a hat", r.images[1].identity = "a red dress", r.images[2].identity = "a long red dress";
  const auto found = likely_false_negatives(r, 0);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].found, 2);
  EXPECT_EQ(found[0].expected, 1);
  const double all = std::log(4.0 / 3), two = std::log(4.0 / 2), one = std::log(4.0);  // a; red, dress; long
  EXPECT_NEAR(found[0].overlap, (all + 2 * two) / (all + 2 * two + one), 1e-12);
  EXPECT_EQ(to_json(found, r, 0)[0]["query"]["image"], "img0");
}

}  // namespace
}  // namespace diptych::testing
