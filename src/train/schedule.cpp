#include "diptych/train/schedule.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace diptych {
namespace {

struct ConstantOptions {
  static void visit(auto&, auto&) {}
};
class ConstantSchedule final : public Schedule {
 public:
  using Options = ConstantOptions;
  explicit ConstantSchedule(const Options&) {}
  double factor(const StageTime&) const override { return 1; }
};

struct StepOptions {
  std::vector<double> milestones = {15};
  double gamma = 0.1;
  static void visit(auto& self, auto& field) {
    field("milestones", self.milestones, "epochs of the stage after which the rate is multiplied",
          Field{.lo = 0, .hi = 1e9, .resume = Resume::warn});
    field("gamma", self.gamma, "the factor", Field{.lo = 0, .hi = 10, .resume = Resume::warn});
  }
};
class StepSchedule final : public Schedule {
 public:
  using Options = StepOptions;
  explicit StepSchedule(const Options& options) : options_(options) {}
  double factor(const StageTime& time) const override {
    const auto passed = std::ranges::count_if(options_.milestones, [&](double epoch) { return time.epoch() >= epoch; });
    return std::pow(options_.gamma, static_cast<double>(passed));
  }

 private:
  Options options_;
};

struct ExponentialOptions {
  double gamma = 0.794;
  static void visit(auto& self, auto& field) {
    field("gamma", self.gamma, "factor per epoch, applied continuously",
          Field{.lo = 1e-6, .hi = 1, .resume = Resume::warn});
  }
};
class ExponentialSchedule final : public Schedule {
 public:
  using Options = ExponentialOptions;
  explicit ExponentialSchedule(const Options& options) : options_(options) {}
  double factor(const StageTime& time) const override { return std::pow(options_.gamma, time.epoch()); }

 private:
  Options options_;
};

struct CosineOptions {
  double floor = 0;
  static void visit(auto& self, auto& field) {
    field("floor", self.floor, "factor at the end of the stage", Field{.lo = 0, .hi = 1, .resume = Resume::warn});
  }
};
class CosineSchedule final : public Schedule {
 public:
  using Options = CosineOptions;
  explicit CosineSchedule(const Options& options) : options_(options) {}
  double factor(const StageTime& time) const override {
    const double share = std::min(1.0, static_cast<double>(time.step) / static_cast<double>(time.total_steps));
    return options_.floor + (1 - options_.floor) * 0.5 * (1 + std::cos(std::numbers::pi * share));
  }

 private:
  Options options_;
};

struct PlateauOptions {
  double gamma = 0.1;
  int64_t patience = 2;
  double min_gain = 0.0;
  static void visit(auto& self, auto& field) {
    field("gamma", self.gamma, "factor after each plateau", Field{.lo = 0, .hi = 1, .resume = Resume::warn});
    field("patience", self.patience, "evaluations without a better value that make a plateau",
          Field{.lo = 1, .hi = 1e6, .resume = Resume::warn});
    field("min_gain", self.min_gain, "a value counts as better when it exceeds the best by this",
          Field{.lo = 0, .hi = 1e6, .resume = Resume::warn});
  }
};
class PlateauSchedule final : public Schedule {
 public:
  using Options = PlateauOptions;
  explicit PlateauSchedule(const Options& options) : options_(options) {}
  double factor(const StageTime&) const override { return std::pow(options_.gamma, static_cast<double>(drops_)); }
  void observe(double metric) override {
    if (!best_ || metric > *best_ + options_.min_gain) {
      best_ = metric, waited_ = 0;
    } else if (++waited_ >= options_.patience) {
      ++drops_, waited_ = 0;
    }
  }
  Json state() const override {
    Json out{{"waited", waited_}, {"drops", drops_}};
    if (best_) out["best"] = *best_;
    return out;
  }
  void restore(const Json& state) override {
    waited_ = state.value("waited", int64_t{0});
    drops_ = state.value("drops", int64_t{0});
    if (state.contains("best")) best_ = state.at("best").get<double>();
  }

 private:
  Options options_;
  std::optional<double> best_;
  int64_t waited_ = 0, drops_ = 0;
};

}  // namespace

void register_schedules(ScheduleRegistry& schedules) {
  schedules.add<ConstantSchedule>("constant", "the same learning rate throughout");
  schedules.add<StepSchedule>("step", "multiplied by gamma at each milestone");
  schedules.add<ExponentialSchedule>("exponential", "gamma to the power of the epoch");
  schedules.add<CosineSchedule>("cosine", "half a cosine from 1 to the floor over the stage",
                                "Loshchilov and Hutter, ICLR 2017");
  schedules.add<PlateauSchedule>("plateau", "multiplied by gamma when the selection metric stops rising");
}

double warmup_factor(int64_t step, int64_t warmup_steps) {
  if (step >= warmup_steps) return 1;
  return static_cast<double>(step + 1) / static_cast<double>(warmup_steps);
}

}  // namespace diptych
