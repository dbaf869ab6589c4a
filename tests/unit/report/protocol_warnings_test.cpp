#include "diptych/report/protocol_warnings.h"

#include <gmock/gmock.h>

#include "unit/report/record_fixture.h"

namespace diptych::testing {
namespace {

using ::testing::HasSubstr;

const ProtocolWarning* find(const std::vector<ProtocolWarning>& list, const std::string& what) {
  const auto found = std::ranges::find(list, what, &ProtocolWarning::what);
  return found == list.end() ? nullptr : &*found;
}

TEST(ProtocolWarnings, OfAnOrdinaryEvaluationAreNone) {
  const EvaluationRecord record = record_of_scores(at::eye(3) + 0.1 * torch::rand({3, 3}), {0, 1, 2});
  EXPECT_TRUE(protocol_warnings(record).empty());
}

TEST(ProtocolWarnings, CountTiedHits) {
  // Caption 0: images 0 and 1 at 0.5 - tied. Caption 1: image 2 scores like image 0, but the right one is above both.
  const EvaluationRecord record =
      record_of_scores(torch::tensor({{0.5, 0.2, 0.1}, {0.5, 0.9, 0.3}, {0.1, 0.2, 0.8}}), {0, 1, 2});
  const auto list = protocol_warnings(record);
  const ProtocolWarning* ties = find(list, "ties");
  ASSERT_NE(ties, nullptr);
  EXPECT_NEAR(ties->percent, 100.0 / 3, 1e-9);
  EXPECT_THAT(ties->message, HasSubstr("1 of 3 t2i queries"));
  EXPECT_THAT(ties->message, HasSubstr("(33.3\u00a0%)"));
}

TEST(ProtocolWarnings, NameWordsCutsAndRepeatedCaptions) {
  EvaluationRecord record = record_of_scores(at::eye(4) + 0.1 * torch::rand({4, 4}), {0, 1, 2, 3});
  record.captions[0].text = record.captions[2].text = "a dog";
  record.captions[1].unknown = 1, record.captions[3].cut = true;
  const auto list = protocol_warnings(record);
  ASSERT_EQ(list.size(), 3u);
  EXPECT_THAT(find(list, "repeated captions")->message, HasSubstr("2 of 4 captions"));
  EXPECT_THAT(find(list, "unknown words")->message, HasSubstr("1 of 8 words"));
  EXPECT_EQ(find(list, "unknown words")->percent, 12.5);
  EXPECT_EQ(find(list, "cut captions")->percent, 25);
  record.captions[2].fold = -1;  // took no part: nothing is repeated any more
  EXPECT_EQ(find(protocol_warnings(record), "repeated captions"), nullptr);
}

TEST(ProtocolWarnings, TheSameWordsForOneIdentityAreNoTrouble) {
  EvaluationRecord record = record_of_scores(at::eye(3) + 0.1 * torch::rand({3, 3}), {0, 1, 2}, {5, 5, 6});
  record.captions[0].text = record.captions[1].text = "a man in red";
  EXPECT_EQ(find(protocol_warnings(record), "repeated captions"), nullptr);
  record.captions[2].text = "a man in red";
  EXPECT_NE(find(protocol_warnings(record), "repeated captions"), nullptr);
}

TEST(ProtocolWarnings, ACollapsedModelComesFirst) {
  const EvaluationRecord record = record_of_scores(at::full({3, 3}, 0.5), {0, 1, 2});
  const auto list = protocol_warnings(record);
  ASSERT_FALSE(list.empty());
  EXPECT_EQ(list.front().what, "collapse");
  EXPECT_NE(find(list, "ties"), nullptr);
}

TEST(ProtocolWarnings, OneChangeAskedOfManyImagesIsNoTrouble) {
  const at::Tensor scores = torch::tensor({{9.f, .1f}, {.5f, 9.f}, {.8f, .4f}, {.7f, .3f}});
  EvaluationRecord record = composed_record_of_scores(scores, {0, 1, 1, 2}, {0, 1}, {1, 1});
  record.captions[0].text = record.captions[1].text = "make it blue";
  EXPECT_TRUE(protocol_warnings(record).empty());
  record.captions[0].cut = true;
  EXPECT_THAT(find(protocol_warnings(record), "cut changes")->message, HasSubstr("1 of 2 changes"));
}

}  // namespace
}  // namespace diptych::testing
