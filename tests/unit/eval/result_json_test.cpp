#include "diptych/eval/result_json.h"

#include <gmock/gmock.h>

namespace diptych {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ProtocolResult result() {
  ProtocolResult out;
  out.protocol = "flickr8k-1k", out.description = "test split", out.split = "test";
  out.images = 3, out.captions = 15, out.skipped_queries = 1, out.spread = 0.25;
  out.metrics.emplace_back("i2t/R@1", Metric{100.0 / 3, 200.0 / 3, 0, 100, true, 15});
  out.metrics.emplace_back("t2i/R@5", Metric{0, 0, 1, 0, false, 3});
  out.metrics.emplace_back("rsum", Metric{12.5, 12.5, 1, 0, true, 3});
  return out;
}

TEST(ResultJson, HoldsBothTieRulesAndIntervalsInFullPrecision) {
  const Json json = to_json(result());
  EXPECT_EQ(json["protocol"], "flickr8k-1k");
  EXPECT_EQ(json["images"], 3);
  EXPECT_EQ(json["skipped_queries"], 1);
  EXPECT_EQ(json["metrics"]["i2t/R@1"]["value"].get<double>(), 100.0 / 3);
  EXPECT_EQ(json["metrics"]["i2t/R@1"]["stable"].get<double>(), 200.0 / 3);
  EXPECT_EQ(json["metrics"]["i2t/R@1"]["high"].get<double>(), 100);
}

TEST(ResultJson, WritesNullForWhatIsNotAvailableAndNoIntervalThatWasNotComputed) {
  const Json json = to_json(result());
  EXPECT_TRUE(json["metrics"]["t2i/R@5"]["value"].is_null());
  EXPECT_EQ(json["metrics"]["t2i/R@5"]["gallery"], 3);
  EXPECT_FALSE(json["metrics"]["rsum"].contains("low"));
  EXPECT_THAT(json.dump(), Not(HasSubstr("NaN")));
}

TEST(ResultJson, KeepsTheOrderOfTheMetrics) {
  const Json json = to_json(result());
  std::vector<std::string> names;
  for (const auto& [name, value] : json["metrics"].items()) names.push_back(name);
  EXPECT_THAT(names, ::testing::ElementsAre("i2t/R@1", "t2i/R@5", "rsum"));
}

TEST(ResultJson, ReadsBackToItself) {
  ProtocolResult before = result();
  before.by_identity = true;
  const Json json = to_json(before);
  EXPECT_EQ(to_json(result_from_json(json, "metrics.json", ErrorClass::ckp)), json);
  EXPECT_TRUE(result_from_json(json, "metrics.json", ErrorClass::ckp).by_identity);
}

TEST(ResultJson, NamesWhatIsMissingOrOfAnotherKind) {
  const auto complaint = [](const Json& json) -> std::string {
    try {
      result_from_json(json, "eval/metrics.json", ErrorClass::ckp);
      return "";
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), 4);
      return error.what();
    }
  };
  Json json = to_json(result());
  json.erase("split");
  EXPECT_THAT(complaint(json), ::testing::AllOf(HasSubstr("eval/metrics.json"), HasSubstr("'split' is missing")));
  json = to_json(result()), json["v"] = 2;
  EXPECT_THAT(complaint(json), HasSubstr("format version 2"));
  json = to_json(result()), json["metrics"]["rsum"]["value"] = "high";
  EXPECT_THAT(complaint(json), ::testing::AllOf(HasSubstr("rsum"), HasSubstr("needed is a number")));
  json = to_json(result()), json["metrics"] = 3;
  EXPECT_THAT(complaint(json), HasSubstr("'metrics'"));
  EXPECT_THAT(complaint(Json::array()), HasSubstr("object"));
}

}  // namespace
}  // namespace diptych
