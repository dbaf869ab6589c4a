#include "diptych/report/aggregate.h"

#include <gmock/gmock.h>

#include <cmath>

namespace diptych {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

SweepJob job(size_t setting, int64_t seed, double selection, double rsum, double medr = 3) {
  SweepJob out;
  out.name = "00" + std::to_string(3 * setting + static_cast<size_t>(seed)) + "-abcdef01";
  out.setting = setting, out.seed = seed, out.state = "finished", out.selection = selection;
  ProtocolResult result;
  result.protocol = "p", result.description = "in words", result.split = "test";
  result.metrics.emplace_back("i2t/R@1", Metric{rsum / 6, rsum / 6, 1, 0, true, 9});
  result.metrics.emplace_back("i2t/medr", Metric{medr, medr, 1, 0, true, 9});
  result.metrics.emplace_back("t2i/R@50", Metric{0, 0, 1, 0, false, 9});
  result.metrics.emplace_back("rsum", Metric{rsum, rsum, 1, 0, true, 9});
  out.evaluated.push_back(result);
  return out;
}

SweepJob failed(size_t setting, int64_t seed, int code) {
  SweepJob out = job(setting, seed, 0, 0);
  out.state = "failed", out.exit_code = code, out.selection.reset(), out.evaluated.clear();
  return out;
}

/// a: rsum 60, 62, 64 (62 ± 2); b: 50, 52 and a failure (51 ± 1.41).
SweepResults results() {
  SweepResults out;
  out.name = "s", out.keys = {"loss"}, out.settings = {{"a"}, {"b"}}, out.selection = "val/rsum", out.protocols = {"p"};
  out.jobs = {job(0, 1, 30, 60), job(0, 2, 32, 62), job(0, 3, 34, 64),
              job(1, 1, 41, 50), failed(1, 2, 6),   job(1, 3, 43, 52)};
  return out;
}

TEST(MeanStd, DividesTheSquaresByNMinusOne) {
  const double values[] = {60, 62, 64};  // squares 4 + 0 + 4, over 2
  const MeanStd three = mean_std(values);
  EXPECT_DOUBLE_EQ(three.mean, 62);
  EXPECT_DOUBLE_EQ(three.std, 2);
  EXPECT_EQ(three.n, 3);
  EXPECT_EQ(to_text(three), "62.0 ± 2.0");
}

TEST(MeanStd, OneValueHasNoSpreadAndNoneHasNoText) {
  const double value[] = {27.84};
  EXPECT_EQ(mean_std(value).std, 0);
  EXPECT_EQ(to_text(mean_std(value)), "27.8");
  EXPECT_EQ(mean_std({}).n, 0);
  EXPECT_EQ(to_text(mean_std({})), "");
}

TEST(PooledStd, WeighsByDegreesOfFreedom) {
  // sqrt((2 * 4 + 1 * 2) / 3)
  EXPECT_DOUBLE_EQ(pooled_std({0, 2, 3}, {0, std::sqrt(2.0), 2}), std::sqrt(10.0 / 3));
}

TEST(ClearlyBetter, NeedsALeadBeyondThePooledSpreadAndTwoValuesEach) {
  const MeanStd best{10, 1, 3};
  EXPECT_TRUE(clearly_better(best, {8.9, 1, 3}));   // lead 1.1 > 1
  EXPECT_FALSE(clearly_better(best, {9.1, 1, 3}));  // lead 0.9
  EXPECT_FALSE(clearly_better(best, {9, 1, 3}));    // exactly the spread is not more
  EXPECT_FALSE(clearly_better(best, {1, 0, 1}));
  EXPECT_FALSE(clearly_better({10, 0, 1}, {1, 1, 3}));
  EXPECT_TRUE(clearly_better({8.9, 1, 3}, best, true)) << "ranks: lower is better";
}

TEST(Aggregate, FailedJobsDoNotCount) {
  EXPECT_DOUBLE_EQ(setting_value(results(), 1, "p", "rsum").mean, 51);
  EXPECT_DOUBLE_EQ(setting_value(results(), 1, "p", "rsum").std, std::sqrt(2.0));
  EXPECT_EQ(setting_value(results(), 1, "p", "rsum").n, 2);
  EXPECT_EQ(setting_value(results(), 1, "p", "t2i/R@50").n, 0) << "not available";
}

TEST(Aggregate, TheWinnerIsChosenOnValidationAlone) {
  EXPECT_EQ(winner(results()), 1u) << "b has the lower test numbers and the higher validation mean";
  SweepResults none = results();
  for (SweepJob& each : none.jobs) each.selection.reset();
  EXPECT_FALSE(winner(none).has_value());
  SweepResults ranks = results();
  ranks.selection = "val/i2t/medr";
  EXPECT_EQ(winner(ranks), 0u);
  SweepResults tied = results();
  for (SweepJob& each : tied.jobs) each.selection = 7;
  EXPECT_EQ(winner(tied), 0u) << "the first of equal ones";
}

TEST(Aggregate, TheTableHoldsMeansCountsAndTheWinner) {
  const auto tables = sweep_tables(results());
  ASSERT_EQ(tables.size(), 1u);
  const std::string text = to_markdown(tables[0]);
  EXPECT_THAT(text, HasSubstr("s: p: in words"));
  EXPECT_THAT(text, HasSubstr("| loss | n | val/rsum | i2t/R@1 | rsum |"));
  EXPECT_THAT(text, HasSubstr("| a | 3 | 32.0 ± 2.0 |"));
  EXPECT_THAT(text, HasSubstr("| **62.0 ± 2.0** |")) << "62 beats 51 by more than sqrt(10/3)";
  EXPECT_THAT(text, HasSubstr("| b | 2/3 | **42.0 ± 1.4** |"));
  EXPECT_THAT(text, HasSubstr("| 51.0 ± 1.4 |"));
  EXPECT_THAT(text, HasSubstr("Chosen on val/rsum (mean over seeds): loss=b, 42.0 ± 1.4."));
  EXPECT_THAT(text, HasSubstr("seeds 1, 2, 3"));
  EXPECT_THAT(text, HasSubstr("Incomplete: 5 of 6 jobs finished, 1 failed."));
}

TEST(Aggregate, NothingIsBoldWithinTheSpreadOrWithOneSeed) {
  SweepResults close = results();
  close.jobs[3] = job(1, 1, 41, 59), close.jobs[5] = job(1, 3, 43, 63);  // 61 ± 2.8 against 62 ± 2
  EXPECT_THAT(to_markdown(sweep_tables(close)[0]), Not(HasSubstr("**62.0")));
  SweepResults single = results();
  single.jobs = {job(0, 1, 30, 60), job(1, 1, 41, 50)};
  const std::string text = to_markdown(sweep_tables(single)[0]);
  EXPECT_THAT(text, Not(HasSubstr("**")));
  EXPECT_THAT(text, HasSubstr("| a | 1 | 30.0 |")) << "no ± for n = 1";
}

TEST(Aggregate, ARecipeIsReproducedByTheMeanWithinItsTolerance) {
  NamedTexts published{{"p", "rsum 64, i2t/R@1 10"}, {"tolerance", "2"}, {"source", "x"}};
  SweepReproduction found = check_reproduction(results(), published);  // means 62 and 10.33; 51 and 8.5
  EXPECT_FALSE(found.holds);
  EXPECT_THAT(found.lines, ElementsAre(StartsWith("a: p, mean of 3 runs: reproduced"),
                                       StartsWith("b: p, mean of 2 runs: not reproduced within 2 points: ")));
  EXPECT_THAT(found.lines[1], HasSubstr("rsum 51.0 for 64"));
  published[1].second = "13.1";
  EXPECT_TRUE(check_reproduction(results(), published).holds);
  published[0].first = "another-protocol";
  EXPECT_TRUE(check_reproduction(results(), published).lines.empty());
  published = {{"p", "rsum 64"}};
  EXPECT_TRUE(check_reproduction(results(), published).lines.empty()) << "no tolerance, no verdict";
  published = {{"p", "rsum 64"}, {"tolerance", "2"}};
  SweepResults val = results();
  for (SweepJob& each : val.jobs)
    for (ProtocolResult& result : each.evaluated) result.split = "val";
  EXPECT_TRUE(check_reproduction(val, published).lines.empty()) << "published numbers are of the test split";
}

TEST(Aggregate, CsvHasARowASettingWithEverySeedInFullPrecision) {
  const std::string csv = sweep_csv(results());
  const auto line = [&](int n) {
    size_t from = 0;
    while (n-- > 0) from = csv.find('\n', from) + 1;
    return csv.substr(from, csv.find('\n', from) - from);
  };
  EXPECT_THAT(line(0), StartsWith(R"("loss","n","failed","val/rsum mean","val/rsum std","val/rsum seed 1",)"
                                  R"("val/rsum seed 2","val/rsum seed 3","p:i2t/R@1)"));
  EXPECT_EQ(line(1).substr(0, 24), "\"a\",3,0,32,2,30,32,34,10");
  EXPECT_EQ(line(2).substr(0, 42), "\"b\",2,1,42,1.4142135623730951,41,,43,8.5,0");
  EXPECT_EQ(line(3), "");
}

TEST(Aggregate, JsonReadsBack) {
  const Json json = sweep_json(results());
  EXPECT_EQ(json["winner"], 1);
  EXPECT_EQ(json["settings"][0]["protocols"]["p"]["rsum"]["mean"].get<double>(), 62);
  EXPECT_EQ(json["jobs"][4]["exit"], 6);
  const SweepResults back = sweep_from_json(json, "sweep.json");
  EXPECT_EQ(sweep_json(back), json);
  EXPECT_EQ(sweep_csv(back), sweep_csv(results()));
}

TEST(Aggregate, JsonOfAnotherVersionOrDamagedIsRefused) {
  Json json = sweep_json(results());
  json["v"] = 9;
  EXPECT_THROW(sweep_from_json(json, "sweep.json"), CheckpointError);
  json = sweep_json(results());
  json["jobs"][0]["setting"] = 7;
  EXPECT_THROW(sweep_from_json(json, "sweep.json"), CheckpointError);
  json = sweep_json(results());
  json.erase("keys");
  EXPECT_THROW(sweep_from_json(json, "sweep.json"), CheckpointError);
}

TEST(Aggregate, WithoutAFinalEvaluationTheTableHoldsValidation) {
  SweepResults results_on_val = results();
  results_on_val.protocols.clear();
  const auto tables = sweep_tables(results_on_val);
  ASSERT_EQ(tables.size(), 1u);
  EXPECT_THAT(to_markdown(tables[0]), HasSubstr("| loss | n | val/rsum |\n"));
}

TEST(Aggregate, HostileNamesStayText) {
  SweepResults hostile = results();
  hostile.settings[0][0] = "=cmd|'/c calc'!A1\n<script>\\input{x}";
  EXPECT_THAT(sweep_csv(hostile), HasSubstr("\"'=cmd"));
  const Table table = sweep_tables(hostile)[0];
  EXPECT_THAT(to_markdown(table), Not(HasSubstr("<script>")));
  EXPECT_THAT(to_latex(table), Not(HasSubstr("\\input{x}")));
}

}  // namespace
}  // namespace diptych
