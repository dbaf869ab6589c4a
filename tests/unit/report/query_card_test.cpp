#include "report/query_card.h"

#include <gmock/gmock.h>

#include <stdexcept>

#include "report/parts.h"
#include "unit/report/record_fixture.h"

namespace diptych::report {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

/// What the sections of one run write into. No picture can be read: tiles with their alternative texts stand for them.
struct OneRun {
  std::vector<ReportRun> runs = std::vector<ReportRun>(1);
  std::vector<ReportSweep> sweeps;
  std::vector<RunComparison> comparisons;
  ReportOptions options;
  Thumbnails thumbnails{[](const std::filesystem::path&) -> at::Tensor { throw std::runtime_error("no file"); }};
  Page page{"test"};
  std::vector<std::pair<std::string, std::string>> unavailable;
  std::vector<Table> summary;
  Parts parts{runs, sweeps, comparisons, options, thumbnails, 4, page, unavailable, summary};
  explicit OneRun(EvaluationRecord record) { runs[0].name = "run", runs[0].evaluation = std::move(record); }
  OneRun(const OneRun&) = delete;
  OneRun& operator=(const OneRun&) = delete;
};

size_t count_of(const std::string& text, const std::string& word) {
  size_t out = 0;
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++out;
  return out;
}

/// Query 0 changes image 0 and asks for label 1: images 2, 3, 1 in this order. Query 1 changes image 1: image 2, 3, 0.
EvaluationRecord two_changes() {
  return testing::composed_record_of_scores(torch::tensor({{9.f, .1f}, {.5f, 9.f}, {.8f, .4f}, {.7f, .3f}}),
                                            {0, 1, 1, 2}, {0, 1}, {1, 1});
}

TEST(QueryCard, OfAComposedQueryShowsThePictureItsChangeAndTheRightAnswersFramed) {
  OneRun run(two_changes());
  const std::string card = query_card(run.parts, *run.runs[0].evaluation, 0, 0, 8).markup();
  EXPECT_THAT(card, AllOf(HasSubstr("query to-image"), HasSubstr("change 0"), HasSubstr("img0#0"),
                          HasSubstr("best right answer: rank 1, score 0.800 (best of 2)")));
  EXPECT_LT(card.find("label 0 (no picture"), card.find("change 0")) << "the source stands before its change";
  EXPECT_EQ(count_of(card, "<li"), 3u) << "its own image is none of the answers";
  EXPECT_EQ(count_of(card, "is-right"), 2u);
  EXPECT_EQ(count_of(card, "label 0 (no picture"), 1u);
  EXPECT_EQ(count_of(card, "label 1 (no picture"), 2u) << "answers are described by their labels";
}

TEST(QueryCard, AppendsTheBestRightAnswerWhereTheListEndsBeforeIt) {
  OneRun run(testing::composed_record_of_scores(torch::tensor({{9.f}, {.5f}, {.8f}, {.7f}}), {0, 1, 2, 2}, {0}, {1}));
  const std::string card = query_card(run.parts, *run.runs[0].evaluation, 0, 0, 2).markup();
  EXPECT_THAT(card, AllOf(HasSubstr("is-right appended"), HasSubstr("#3")));
  EXPECT_EQ(count_of(card, "<li"), 2u);
}

TEST(QueryCard, OfACaptionShowsItsTextAlone) {
  OneRun run(testing::record_of_scores(torch::tensor({{.9f, .1f}, {.2f, .8f}}), {0, 1}));
  const std::string card = query_card(run.parts, *run.runs[0].evaluation, 1, 0, 8).markup();
  EXPECT_THAT(card, AllOf(HasSubstr("caption 0"), HasSubstr("true pair: rank 1")));
  EXPECT_EQ(count_of(card, "(no picture"), 2u);  // the two answers
}

TEST(Galleries, OfComposedQueriesHaveOneDirection) {
  OneRun run(two_changes());
  add_galleries(run.parts);
  EXPECT_THAT(run.page.html(), AllOf(HasSubstr("change 0"), HasSubstr("change 1"), Not(HasSubstr("Image to text"))));
}

TEST(Sections, OfComposedQueriesAloneAreAllThere) {
  OneRun run(two_changes());
  run.runs[0].evaluation->captions[1].unknown = 1;
  for (const auto add : {add_ranks, add_false_negatives, add_scores, add_hubness, add_breakdowns, add_warnings})
    add(run.parts);
  const std::string html = run.page.html();
  EXPECT_THAT(html, AllOf(HasSubstr("changed image to image"), HasSubstr("words of the changes"),
                          HasSubstr("Images found most often"), HasSubstr("t2i by unknown words")));
  EXPECT_THAT(html, Not(HasSubstr("i2t")));
  EXPECT_TRUE(run.unavailable.empty());
}

}  // namespace
}  // namespace diptych::report
