#include "train/run_log.h"

#include <sstream>

#include "diptych/core/log.h"
#include "diptych/core/text.h"

namespace diptych {
namespace {

constexpr const char* kBadSamples = "bad_samples.jsonl";
constexpr uint64_t kMaxBadSamples = 64 << 20;

}  // namespace

RunLog::RunLog(const std::filesystem::path& run, int64_t metrics_bytes, TensorboardLog* tensorboard)
    : run_(run),
      metrics_(run / "metrics.jsonl", metrics_bytes),
      timing_(run / "timing.jsonl"),
      tensorboard_(tensorboard) {
  std::error_code ignored;
  if (!std::filesystem::exists(run / kBadSamples, ignored)) return;
  std::istringstream lines(read_file(run / kBadSamples, kMaxBadSamples, ErrorClass::out));
  for (std::string line; std::getline(lines, line);)
    if (const Json row = Json::parse(line, nullptr, /*allow_exceptions=*/false); row.is_object())
      bad_.insert(row.value("sample", std::string()));
}

void RunLog::step(const Step& step, const Times& times) {
  Json row{{"v", 1}, {"kind", "train"}, {"step", step.step}, {"epoch", step.epoch}, {"lr", step.lr}};
  row.update(step.means);
  write(row, Json{{"step", step.step},
                  {"pairs_per_s", times.pairs_per_s},
                  {"wait_s", times.wait_s},
                  {"memory_mb", times.memory_mb}});
}

void RunLog::evaluation(int64_t step, int64_t epoch, const ProtocolResult& result, const EncodedSplit& encoded,
                        double seconds) {
  Json row{{"v", 1},         {"kind", "eval"},        {"step", step},
           {"epoch", epoch}, {"split", result.split}, {"protocol", result.protocol}};
  for (const auto& [name, value] : result.metrics)
    if (value.available) row[name] = value.value;
  write(row, Json{{"step", step}, {"evaluation_s", seconds}});
  if (tensorboard_) tensorboard_->evaluation(step, result, encoded);
}

void RunLog::write(const Json& metrics, const Json& times) {
  metrics_.write(dump_line(metrics));
  timing_.write(dump_line(times));
  if (!tensorboard_) return;
  tensorboard_->metrics(metrics);
  tensorboard_->times(times);
}

void RunLog::bad_samples(int64_t epoch, const std::vector<std::string>& skipped) {
  for (const std::string& sample : skipped) {
    if (!bad_.insert(sample).second) continue;
    log::warn("skipped " + sample);
    LineWriter(run_ / kBadSamples).write(dump_line(Json{{"v", 1}, {"epoch", epoch}, {"sample", sample}}));
  }
}

void RunLog::nonfinite(int64_t step, const Json& report) const {
  write_file_atomically(run_ / concat("nonfinite-step-", step, ".json"), report.dump(1) + "\n");
}

}  // namespace diptych
