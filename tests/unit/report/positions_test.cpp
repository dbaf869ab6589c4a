#include "diptych/report/positions.h"

#include <gmock/gmock.h>

#include "diptych/core/error.h"
#include "diptych/eval/protocol.h"
#include "support/temp_dir.h"

namespace diptych::report {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

OppositeRecord scored(const std::string& relation, double aa, double ab, double ba, double bb) {
  return {relation, {"a", "b"}, {"x left of y", "y left of x"}, {{aa, ab}, {ba, bb}}};
}

TEST(OppositeRecord, CountsRightChoices) {
  EXPECT_EQ(scored("r", 2, 1, 1, 2).right(), 4);
  EXPECT_EQ(scored("r", 1, 2, 2, 1).right(), 0);
  EXPECT_EQ(scored("r", 1, 1, 1, 1).right(), 0);    // ties are wrong
  EXPECT_EQ(scored("r", 3, 2, 1, 1.5).right(), 3);  // caption b prefers image a
}

TEST(ExampleOpposites, TakesTheClearestOfEachKind) {
  const auto examples = example_opposites({scored("s", 2, 1, 1, 2), scored("s", 5, 1, 1, 5), scored("s", 1, 2, 2, 1),
                                           scored("r", 2, 1, 1, 2), scored("r", 3, 2, 1, 1.5)});
  ASSERT_THAT(examples, SizeIs(4));
  EXPECT_EQ(examples[0].relation, "r");
  EXPECT_EQ(examples[2].score[0][0], 5);
}

TEST(Positions, ShowsSharesAndExamples) {
  const testing::TempDir folder;
  const ShowImage show = [](const std::string& id, const std::string&) {
    return text_element("b", "picture of " + id);
  };
  EXPECT_TRUE(positions(folder.path(), show).empty());
  const auto line = [](const char* relation, const char* scores) {
    return std::string(R"({"relation": ")") + relation +
           R"(", "images": ["i<1>", "i2"], "captions": ["x", "y"], "scores": )" + scores + "}\n";
  };
  folder.write("pairs.jsonl", line("left_right", "[[2, 1], [1, 2]]") + line("left_right", "[[3, 2], [1, 1.5]]") +
                                  line("above_below", "[[1, 2], [2, 1]]"));
  const std::string html = positions(folder.path(), show).markup();
  // left_right: images 4 of 4, captions 3 of 4, groups 1 of 2
  EXPECT_THAT(html, AllOf(HasSubstr("100.0"), HasSubstr("75.0"), HasSubstr("50.0"), HasSubstr("0.0")));
  EXPECT_THAT(html, AllOf(HasSubstr("picture of i&lt;1&gt;"), HasSubstr("left/right: 4 of 4 right"),
                          HasSubstr("above/below: 0 of 4 right")));
}

TEST(PositionsStudy, AveragesDirectionsAndSeeds) {
  const auto result = [](double i2t, double t2i, double group) {
    ProtocolResult out;
    for (const auto& [name, value] :
         {std::pair{"i2t/left_right", i2t}, std::pair{"i2t/all", i2t}, std::pair{"t2i/left_right", t2i},
          std::pair{"t2i/all", t2i}, std::pair{"group/all", group}})
      out.metrics.emplace_back(name, Metric{value, value, 1, 0, true, 2});
    return out;
  };
  const ProtocolResult a = result(90, 80, 61), b = result(92, 82, 63), c = result(50, 51, 12);
  EXPECT_TRUE(positions_study({}, "study").empty());
  // seeds of "grid": (90 + 80) / 2 = 85 and 87, mean 86, spread sqrt(2)
  const std::string html = positions_study({{"<grid>", {&a, &b}}, {"pooled", {&c}}, {"none", {}}}, "study").markup();
  EXPECT_THAT(html, AllOf(HasSubstr("&lt;grid&gt;"), HasSubstr("left/right"), HasSubstr("86.0 \u00b1 1.4"),
                          HasSubstr("62.0 \u00b1 1.4"), HasSubstr("50.5"), HasSubstr("12.0"), HasSubstr("\u2013")));
  EXPECT_EQ(html.find("above/below"), std::string::npos);
}

TEST(Positions, DamagedFilesAreNamedByLine) {
  const testing::TempDir folder;
  folder.write("pairs.jsonl", "{\"relation\": \"r\"}\n");
  try {
    read_opposites(folder / "pairs.jsonl");
    ADD_FAILURE();
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("pairs.jsonl:1"), HasSubstr("images")));
  }
}

}  // namespace
}  // namespace diptych::report
