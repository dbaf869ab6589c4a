#include "report/published.h"

#include <gmock/gmock.h>

namespace diptych::report {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;

using Numbers = std::map<std::string, std::string>;

TEST(ParsePublished, ReadsBothDirectionsAtTheUsualPlaces) {
  const Numbers expected{{"i2t/R@1", "49.6"}, {"i2t/R@5", "76.8"}, {"i2t/R@10", "86.1"},
                         {"t2i/R@1", "37.3"}, {"t2i/R@5", "65.7"}, {"t2i/R@10", "75.5"}};
  EXPECT_EQ(parse_published("i2t 49.6/76.8/86.1, t2i 37.3/65.7/75.5 (R@1/5/10)"), expected);
  EXPECT_EQ(parse_published("i2t 49.6/76.8/86.1, t2i 37.3/65.7/75.5"), expected);
}

TEST(ParsePublished, ReadsOtherPlacesBeforeOrAfterTheNumbers) {
  const Numbers expected{{"t2i/R@1", "44.02"}, {"t2i/R@10", "77.00"}};
  EXPECT_EQ(parse_published("t2i 44.02/77.00 (R@1/10)"), expected);
  EXPECT_EQ(parse_published("t2i Rank-1/10 44.02/77.00"), expected);
}

TEST(ParsePublished, ReadsMetricsByName) {
  EXPECT_EQ(parse_published("t2i 38.4/61.0/70.4, mAP 35.4"),
            (Numbers{{"t2i/R@1", "38.4"}, {"t2i/R@5", "61.0"}, {"t2i/R@10", "70.4"}, {"t2i/mAP", "35.4"}}));
  EXPECT_EQ(parse_published("t2i mAP-trapezoid 33.2"), (Numbers{{"t2i/mAP-trapezoid", "33.2"}}));
  EXPECT_EQ(parse_published("i2t class-r@1 62.1, t2i class-ap@50 64.6"),
            (Numbers{{"i2t/class-r@1", "62.1"}, {"t2i/class-ap@50", "64.6"}}));
  EXPECT_EQ(parse_published("rsum 433.5, mean-recall 74.8"), (Numbers{{"rsum", "433.5"}, {"mean-recall", "74.8"}}));
  EXPECT_EQ(parse_published("t2i 25.9/51.2 (R@10/50), dress/R@10 22.5, average-recall 38.6, t2i r_sub@1 53.8"),
            (Numbers{{"t2i/R@10", "25.9"},
                     {"t2i/R@50", "51.2"},
                     {"dress/R@10", "22.5"},
                     {"average-recall", "38.6"},
                     {"t2i/r_sub@1", "53.8"}}));
  EXPECT_EQ(parse_published("i2t R@1 62.1; t2i R@1: 40"), (Numbers{{"i2t/R@1", "62.1"}, {"t2i/R@1", "40"}}));
}

TEST(ParsePublished, ReadsMetricsOfParts) {
  EXPECT_EQ(parse_published("t2i 21.44/46.80 (R@10/50), dress/R@10 21.81, adjective/R@1 7, average-recall 34.12"),
            (Numbers{{"t2i/R@10", "21.44"},
                     {"t2i/R@50", "46.80"},
                     {"dress/R@10", "21.81"},
                     {"adjective/R@1", "7"},
                     {"average-recall", "34.12"}}));
  EXPECT_EQ(parse_published("t2i r_sub@1 35, i2t/pair-top1 15.2"),
            (Numbers{{"t2i/r_sub@1", "35"}, {"i2t/pair-top1", "15.2"}}));
  EXPECT_THAT(parse_published("R@1/5/10 20 queries"), IsEmpty());
}

TEST(ParsePublished, PassesOverOtherWordsAndGivesNothingForOtherForms) {
  EXPECT_EQ(parse_published("two-branch (Wang et al., CVPR 2016), VGG-19 + HGLMM: i2t 30.1/60.4/73.7, rsum 303.3"),
            (Numbers{{"i2t/R@1", "30.1"}, {"i2t/R@5", "60.4"}, {"i2t/R@10", "73.7"}, {"rsum", "303.3"}}));
  EXPECT_THAT(parse_published("about 50 in 2018"), IsEmpty());
  EXPECT_THAT(parse_published("i2t 1/2/3/4"), IsEmpty());
  EXPECT_THAT(parse_published("mAP 35.4"), IsEmpty());  // of which direction?
  EXPECT_THAT(parse_published(""), IsEmpty());
}

Published published_of_flickr() {
  return read_published({{"flickr30k-1k", "i2t 49.6/76.8/86.1 (R@1/5/10), i2t medr 2"},
                         {"coco-5k", "text only"},
                         {"source", "Zhang and Lu"},
                         {"provenance", "listed"},
                         {"tolerance", "2"},
                         {"note", "words"}});
}

TEST(ReadPublished, TellsProtocolsFromWhatIsSaidOfThem) {
  const Published out = published_of_flickr();
  EXPECT_THAT(out.results, ElementsAre(Pair("flickr30k-1k", Not(IsEmpty()))));
  EXPECT_THAT(out.texts, ElementsAre(Pair("coco-5k", "text only"), Pair("flickr30k-1k", HasSubstr("49.6"))));
  EXPECT_EQ(out.source, "Zhang and Lu");
  EXPECT_EQ(out.provenance, "listed");
  EXPECT_EQ(out.note, "words");
  EXPECT_EQ(out.tolerance, 2);
  EXPECT_FALSE(read_published({{"tolerance", "some"}}).tolerance);
}

ProtocolResult result_of(double r1, double r5, double r10, double medr) {
  ProtocolResult out;
  out.protocol = "flickr30k-1k", out.split = "test";
  for (const auto& [name, value] : {std::pair{"i2t/R@1", r1}, {"i2t/R@5", r5}, {"i2t/R@10", r10}, {"i2t/medr", medr}}) {
    Metric metric;
    metric.value = value;
    out.metrics.emplace_back(name, metric);
  }
  return out;
}

TEST(ReproductionOf, CallsARunWithinTheToleranceReproduced) {
  const auto found = reproduction_of(result_of(47.7, 90, 86.1, 1), published_of_flickr());
  ASSERT_TRUE(found);
  EXPECT_TRUE(found->holds);
  EXPECT_EQ(found->text, "reproduced: no published number is missed by more than 2 points");
}

TEST(ReproductionOf, NamesWhatIsMissed) {
  const auto found = reproduction_of(result_of(47.5, 76.8, 80, 5), published_of_flickr());
  ASSERT_TRUE(found);
  EXPECT_FALSE(found->holds);
  EXPECT_EQ(found->text,
            "not reproduced within 2 points: i2t/R@1 47.5 for 49.6, i2t/R@10 80.0 for 86.1, i2t/medr 5.0 for 2");
}

// One block may hold the numbers of both.
TEST(ReproductionOf, ComparesSingleRunsAndEnsemblesWithTheirOwnNumbers) {
  const Published published =
      read_published({{"flickr30k-1k", "i2t R@1 42.4"}, {"flickr30k-1k-ensemble-2", "i2t R@1 50"}, {"tolerance", "2"}});
  ProtocolResult result = result_of(45, 45, 45, 1);
  EXPECT_TRUE(reproduction_of(result, published)->holds);
  result.protocol = "flickr30k-1k-ensemble-2";
  EXPECT_EQ(reproduction_of(result, published)->text, "not reproduced within 2 points: i2t/R@1 45.0 for 50");
  result.protocol = "flickr30k-1k-ensemble-3";
  EXPECT_FALSE(reproduction_of(result, published)) << "nothing is known of three";
}

TEST(ReproductionOf, SaysNothingWithoutNumbersToleranceOrOnVal) {
  ProtocolResult val = result_of(1, 1, 1, 1);
  val.split = "val";
  EXPECT_FALSE(reproduction_of(val, published_of_flickr()));
  Published loose = published_of_flickr();
  loose.tolerance.reset();
  EXPECT_FALSE(reproduction_of(result_of(1, 1, 1, 1), loose));
  EXPECT_FALSE(reproduction_of(result_of(1, 1, 1, 1), read_published({{"note", "x"}, {"tolerance", "2"}})));
}

}  // namespace
}  // namespace diptych::report
