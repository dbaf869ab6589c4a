#include "report/published.h"

#include <gmock/gmock.h>

namespace diptych::report {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(ParsePublished, FindsRecallsOfBothDirections) {
  EXPECT_THAT(parse_published("i2t 49.6/76.8/86.1, t2i 37.3/65.7/75.5 (R@1/5/10)"),
              ElementsAre(Pair("i2t/R@1", "49.6"), Pair("i2t/R@10", "86.1"), Pair("i2t/R@5", "76.8"),
                          Pair("t2i/R@1", "37.3"), Pair("t2i/R@10", "75.5"), Pair("t2i/R@5", "65.7")));
  EXPECT_THAT(parse_published("t2i Rank-1/10 44.02/77.00"),
              ElementsAre(Pair("t2i/R@1", "44.02"), Pair("t2i/R@10", "77.00")));
}

TEST(ParsePublished, FindsClassMetrics) {
  EXPECT_THAT(parse_published("i2t class-r@1 62.1, t2i class-ap@50 64.6"),
              ElementsAre(Pair("i2t/class-r@1", "62.1"), Pair("t2i/class-ap@50", "64.6")));
}

TEST(ParsePublished, MakesNothingOfOtherTexts) {
  for (const char* text : {"", "about 40", "class-r@1 62.1", "i2t class-r@1 high", "i2t 1/2 (R@1/5/10)"})
    EXPECT_THAT(parse_published(text), IsEmpty()) << text;
}

}  // namespace
}  // namespace diptych::report
