#include "train/meter.h"

#include <gtest/gtest.h>

#include <limits>

namespace diptych {
namespace {

Meter meter_of(const std::vector<std::pair<std::string, double>>& values) {
  Meter meter;
  for (const auto& [name, value] : values) meter.add(name, value);
  return meter;
}

TEST(Meter, EveryTermHasItsOwnMean) {
  const Meter meter = meter_of({{"loss", 2}, {"cmpm", 1}, {"cmpc", 2}, {"loss", 4}, {"cmpm", 2}, {"cmpc", 4}});
  EXPECT_EQ(meter.means(), (Json{{"cmpc", 3.0}, {"cmpm", 1.5}, {"loss", 3.0}}));
}

TEST(Meter, TheLineShowsTheTotalAndItsTerms) {
  const auto line = [](const std::vector<std::pair<std::string, double>>& values) { return meter_of(values).text(); };
  EXPECT_EQ(line({{"grad_norm", 7}, {"loss", 1.832}, {"cmpm", 1.2}, {"cmpc", 0.632}}),
            "loss 1.83 (cmpc 0.632 cmpm 1.2)");
  EXPECT_EQ(line({{"loss", 0.6}, {"infonce", 1.2}}), "loss 0.6 (infonce 1.2)") << "a weight of 0.5 shows";
  EXPECT_EQ(line({{"loss", 1.2}, {"infonce", 1.2}}), "loss 1.2") << "said once";
  EXPECT_EQ(line({{"loss", 1.2}, {"infonce", 11.2}}), "loss 1.2 (infonce 11.2)") << "equal digits are not enough";
}

TEST(Meter, AMeanThatIsNotFiniteIsNamed) {
  const Json means = meter_of({{"loss", std::numeric_limits<double>::quiet_NaN()}, {"cmpm", 1}}).means();
  EXPECT_TRUE(means["loss"].is_null());
  EXPECT_EQ(means["nonfinite"], Json::array({"loss"}));
}

TEST(Meter, GoesOnWhereItWasSaved) {
  Meter whole = meter_of({{"loss", 0.1}, {"loss", 0.2}, {"loss", 0.7}});
  Meter resumed = Meter::from_json(Json::parse(meter_of({{"loss", 0.1}, {"loss", 0.2}}).to_json().dump()));
  resumed.add("loss", 0.7);
  EXPECT_EQ(resumed.means(), whole.means());
}

}  // namespace
}  // namespace diptych
