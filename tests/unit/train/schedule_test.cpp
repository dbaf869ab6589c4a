#include "diptych/train/schedule.h"

#include <gtest/gtest.h>

#include "diptych/train/catalog.h"

namespace diptych {
namespace {

std::shared_ptr<Schedule> make_schedule(const Catalog& catalog, const std::string& yaml) {
  Choice<ScheduleRegistry> choice(catalog.schedules, "constant");
  Complaints complaints;
  choice.read(parse_config(yaml, "test"), "schedule", complaints);
  complaints.throw_if_any();
  return choice.make();
}
StageTime at(int64_t step) { return {step, 100, 10}; }  // ten epochs of ten steps

TEST(Schedule, ConstantStaysAtOne) {
  const Catalog catalog;
  EXPECT_EQ(make_schedule(catalog, "{type: constant}")->factor(at(57)), 1);
}

TEST(Schedule, StepDropsAtEachMilestone) {
  const Catalog catalog;
  const auto schedule = make_schedule(catalog, "{type: step, milestones: [3, 6], gamma: 0.1}");
  EXPECT_EQ(schedule->factor(at(29)), 1);
  EXPECT_NEAR(schedule->factor(at(30)), 0.1, 1e-15);
  EXPECT_NEAR(schedule->factor(at(60)), 0.01, 1e-15);
}

TEST(Schedule, ExponentialIsGammaToTheEpoch) {
  const Catalog catalog;
  EXPECT_NEAR(make_schedule(catalog, "{type: exponential, gamma: 0.5}")->factor(at(20)), 0.25, 1e-15);
}

TEST(Schedule, CosineGoesFromOneToTheFloor) {
  const Catalog catalog;
  const auto schedule = make_schedule(catalog, "{type: cosine, floor: 0.2}");
  EXPECT_NEAR(schedule->factor(at(0)), 1, 1e-15);
  EXPECT_NEAR(schedule->factor(at(50)), 0.6, 1e-12);
  EXPECT_NEAR(schedule->factor(at(100)), 0.2, 1e-12);
}

TEST(Schedule, PlateauDropsWhenTheMetricStopsAndRemembersIt) {
  const Catalog catalog;
  const auto schedule = make_schedule(catalog, "{type: plateau, gamma: 0.5, patience: 2}");
  for (const double value : {1.0, 2.0, 1.5}) schedule->observe(value);
  EXPECT_EQ(schedule->factor(at(0)), 1);
  const auto resumed = make_schedule(catalog, "{type: plateau, gamma: 0.5, patience: 2}");
  resumed->restore(schedule->state());
  resumed->observe(2.0);  // the second evaluation without a better one
  EXPECT_EQ(resumed->factor(at(0)), 0.5);
}

TEST(Schedule, WarmupRisesLinearly) {
  EXPECT_EQ(warmup_factor(0, 4), 0.25);
  EXPECT_EQ(warmup_factor(3, 4), 1);
  EXPECT_EQ(warmup_factor(9, 4), 1);
  EXPECT_EQ(warmup_factor(0, 0), 1);
}

}  // namespace
}  // namespace diptych
