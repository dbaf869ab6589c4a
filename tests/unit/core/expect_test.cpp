#include "diptych/core/expect.h"

#include <gmock/gmock.h>

#include <cmath>

#include "diptych/core/error.h"

namespace diptych {
namespace {

using ::testing::HasSubstr;

TEST(ParseExpectation, ReadsProtocolMetricOperatorValue) {
  const Expectation full = parse_expectation("flickr8k-1k:rsum >= 230");
  EXPECT_EQ(full.protocol, "flickr8k-1k");
  EXPECT_EQ(full.metric, "rsum");
  EXPECT_EQ(full.op, ">=");
  EXPECT_EQ(full.value, 230);
  const Expectation brief = parse_expectation("i2t/R@1<-2.5e1");
  EXPECT_EQ(brief.protocol, "");
  EXPECT_EQ(brief.metric, "i2t/R@1");
  EXPECT_EQ(brief.op, "<");
  EXPECT_EQ(brief.value, -25);
}

TEST(ParseExpectation, N19_RefusesWhatIsMalformed) {
  for (const char* text :
       {"", "rsum", "rsum 230", ">= 230", "rsum >=", "rsum >= many", "rsum == 230", "rsum => 230", "rsum >=> 2",
        "rsum >= 230 240", "a:b:c > 1", ":rsum > 1", "two words > 1", "rsum >= nan", "rsum != 1", "rsum >= 1e999"}) {
    try {
      parse_expectation(text);
      ADD_FAILURE() << "accepted: " << text;
    } catch (const UsageError& error) {
      EXPECT_EQ(error.exit_code(), 2);
      EXPECT_THAT(error.what(), HasSubstr("[PROTOCOL:]METRIC OP VALUE")) << text;
      EXPECT_THAT(error.what(), HasSubstr("error[CLI] command line: --expect '")) << text;
    }
  }
}

TEST(Expectation, ComparesAtTheBound) {
  const auto holds = [](const char* text, double measured) { return parse_expectation(text).holds(measured); };
  EXPECT_TRUE(holds("m>=5", 5));
  EXPECT_TRUE(holds("m<=5", 5));
  EXPECT_FALSE(holds("m>5", 5));
  EXPECT_FALSE(holds("m<5", 5));
  EXPECT_FALSE(holds("m>=5", std::nextafter(5, 0)));
  EXPECT_TRUE(holds("m<5", std::nextafter(5, 0)));
  EXPECT_TRUE(holds("m>5", 6));
}

TEST(Expectation, NothingHoldsForNaN) {
  for (const char* text : {"m>=0", "m<=0", "m>0", "m<0"}) EXPECT_FALSE(parse_expectation(text).holds(NAN)) << text;
}

TEST(Describe, IsTheDocumentedLine) {
  EXPECT_EQ(describe(parse_expectation("flickr8k-1k:rsum>=230"), 233.5), "expect flickr8k-1k:rsum >= 230: 233.5 ok");
  EXPECT_EQ(describe(parse_expectation("rsum>=230"), 229.123456789), "expect rsum >= 230: 229.123 failed");
  EXPECT_EQ(describe(parse_expectation("rsum>=230"), NAN), "expect rsum >= 230: nan failed");
}

TEST(Describe, RoundingNeverContradictsTheVerdict) {
  EXPECT_EQ(describe(parse_expectation("rsum>=230"), 229.9999999), "expect rsum >= 230: 229.9999999 failed");
}

}  // namespace
}  // namespace diptych
