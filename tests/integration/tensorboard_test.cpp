// log.tensorboard: what RUN/tb holds after straight, killed and resumed trainings, read with a reader of our own and,
// where there is one, with TensorBoard's.

#include <gmock/gmock.h>

#include <algorithm>
#include <compare>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>

#include "diptych/core/io/json.h"
#include "support/process.h"
#include "support/protobuf_reader.h"
#include "support/python.h"
#include "support/temp_dir.h"
#include "support/tiny_corpus.h"

namespace diptych::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

/// One value of a tag; number: of a scalar.
struct Value {
  std::string tag;
  int64_t step;
  float number;
  auto operator<=>(const Value&) const = default;
};

const Field* find(const std::vector<Field>& fields, uint64_t number) {
  const auto at = std::ranges::find(fields, number, &Field::number);
  return at == fields.end() ? nullptr : &*at;
}

/// All values of a folder of event files as TensorBoard takes them: file after file in the order of their names, and a
/// session start drops what was said of its step and later ones.
std::vector<Value> values_of(const fs::path& folder) {
  std::set<fs::path> files;
  for (const auto& each : fs::directory_iterator(folder)) files.insert(each.path());
  std::vector<Value> out;
  for (const fs::path& file : files)
    for (const std::string& event : events_of(slurp(file))) {
      const std::vector<Field> fields = fields_of(event);
      const Field* step_field = find(fields, 2);
      const auto step = static_cast<int64_t>(step_field ? step_field->integer : 0);
      if (find(fields, 7)) std::erase_if(out, [&](const Value& each) { return each.step >= step; });
      if (!find(fields, 5)) continue;
      const std::vector<Field> value = fields_of(field_of(find(fields, 5)->bytes, 1).bytes);
      const Field* number = find(value, 2);
      out.push_back({find(value, 1)->bytes, step, number ? number->number32() : 0});
    }
  std::ranges::sort(out);
  return out;
}

/// Those whose tag begins so: "train/", "val/".
std::vector<Value> of(const std::vector<Value>& values, const std::string& prefix) {
  std::vector<Value> out;
  std::ranges::copy_if(values, std::back_inserter(out), [&](const Value& v) { return v.tag.starts_with(prefix); });
  return out;
}

/// The scalars that the rows of metrics.jsonl stand for.
std::vector<Value> expected_of(const fs::path& run) {
  std::vector<Value> out;
  std::ifstream in(run / "metrics.jsonl");
  for (std::string line; std::getline(in, line);) {
    const Json row = Json::parse(line);
    const std::string place = row["kind"] == "eval" ? "val/shapes/" : "train/";
    for (const auto& [name, value] : row.items()) {
      std::string tag = name;
      std::ranges::replace(tag, '/', '_');
      if (value.is_number() && name != "v" && name != "step")
        out.push_back({place + tag, row["step"].get<int64_t>(), value.get<float>()});
    }
  }
  std::ranges::sort(out);
  return out;
}

/// The scalars among values: those that metrics.jsonl has too.
std::vector<Value> metrics_among(const std::vector<Value>& values) {
  std::vector<Value> out = of(values, "train/"), evaluated = of(values, "val/shapes/");
  out.insert(out.end(), evaluated.begin(), evaluated.end());
  std::ranges::sort(out);
  return out;
}

void expect_every_step_once(const std::vector<Value>& values) {
  for (size_t i = 1; i < values.size(); ++i)
    EXPECT_TRUE(values[i - 1].tag != values[i].tag || values[i - 1].step != values[i].step ||
                values[i].tag.starts_with("_hparams_"))
        << values[i].tag << " at step " << values[i].step << " is there twice";
}

class Tensorboard : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = std::make_unique<TempDir>();
    write_tiny_config(shared_->path());
  }
  static void TearDownTestSuite() { shared_.reset(); }
  ProcessResult train(const std::string& run, bool on, const std::function<void(pid_t)>& during = {}) {
    return run_program({"train", "-c", "tiny.yaml", "--run-dir", run, "--resume", "auto",
                        on ? "log.tensorboard=true" : "log.tensorboard=false"},
                       dir.path(), during);
  }
  /// Sends `signal` when metrics.jsonl has `lines` lines.
  std::function<void(pid_t)> at_line(const std::string& run, int lines, int signal) {
    return [=, this, sent = false](pid_t pid) mutable {
      const std::string text = slurp(dir / run / "metrics.jsonl");
      if (!sent && std::count(text.begin(), text.end(), '\n') >= lines) kill(pid, signal), sent = true;
    };
  }
  /// A run with log.tensorboard, made by the first test that asks.
  std::string finished() {
    if (!fs::exists(dir / "on")) {
      EXPECT_EQ(train("on", true).exit_code, 0);
    }
    return "on";
  }
  /// The same, killed at a line of metrics.jsonl and resumed.
  std::string killed(int line) {
    const std::string run = "killed" + std::to_string(line);
    if (fs::exists(dir / run)) return run;
    EXPECT_EQ(train(run, true, at_line(run, line, SIGKILL)).signal, SIGKILL);
    EXPECT_FALSE(values_of(dir / run / "tb").empty()) << "a kill leaves whole records";
    const ProcessResult resumed = train(run, true);
    EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
    return run;
  }
  static std::unique_ptr<TempDir> shared_;
  const TempDir& dir = *shared_;
};
std::unique_ptr<TempDir> Tensorboard::shared_;

TEST_F(Tensorboard, HoldsTheRunAndChangesNothing) {
  ASSERT_EQ(train("off", false).exit_code, 0);
  finished();
  EXPECT_FALSE(fs::exists(dir / "off" / "tb"));
  EXPECT_EQ(slurp(dir / "off/metrics.jsonl"), slurp(dir / "on/metrics.jsonl"));
  const std::string last = slurp(dir / "on/checkpoints/latest");
  for (const char* file : {"model.safetensors", "optim.safetensors", "state.json"}) {
    const std::string path = "checkpoints/" + last.substr(0, last.find('\n')) + "/" + file;
    EXPECT_TRUE(slurp(dir / "off" / path) == slurp(dir / "on" / path) && !slurp(dir / "on" / path).empty()) << path;
  }

  const std::vector<Value> values = values_of(dir / "on/tb");
  EXPECT_EQ(metrics_among(values), expected_of(dir / "on"));
  EXPECT_GT(expected_of(dir / "on").size(), 50u);
  EXPECT_THAT(of(values, "pictures/"), SizeIs(8));
  for (const char* tag : {"val/norm/image", "val/norm/text", "val/score/i2t", "val/log10_rank/t2i"})
    EXPECT_THAT(of(values, tag), SizeIs(3)) << tag << ", an evaluation an epoch";
  EXPECT_THAT(of(values, "time/pairs_per_s"), SizeIs(of(values, "train/loss").size()));
  for (const char* tag : {"config", "environment", "_hparams_/session_start_info", "_hparams_/session_end_info"})
    EXPECT_THAT(of(values, tag), SizeIs(1)) << tag;
  const Json result = Json::parse(slurp(dir / "on/eval/shapes/metrics.json"));
  ASSERT_THAT(of(values, "final/test/shapes/rsum"), SizeIs(1));
  EXPECT_FLOAT_EQ(of(values, "final/test/shapes/rsum")[0].number, result["metrics"]["rsum"]["value"].get<float>());
  expect_every_step_once(values);
}

TEST_F(Tensorboard, KilledAndResumedHasEveryStepOnce) {
  for (const int line : {2, 8, 19}) {  // before the first checkpoint, in mid-epoch, in a later stage
    const std::string run = killed(line);
    const std::vector<Value> values = values_of(dir / run / "tb");
    expect_every_step_once(values);
    EXPECT_EQ(metrics_among(values), expected_of(dir / run));
    EXPECT_THAT(of(values, "pictures/"), SizeIs(8));
    EXPECT_THAT(of(values, "final/test/shapes/rsum"), SizeIs(1));
  }
}

TEST_F(Tensorboard, TurnedOnInTheMiddleHoldsTheStepsBefore) {
  ASSERT_EQ(train("later", false, at_line("later", 8, SIGTERM)).exit_code, 143);
  ASSERT_EQ(train("later", true).exit_code, 0);
  const std::vector<Value> values = values_of(dir / "later/tb");
  EXPECT_EQ(metrics_among(values), expected_of(dir / "later"));
  EXPECT_THAT(of(values, "pictures/"), SizeIs(8));
}

// Killed between the last step and the end, a run evaluates once more.
TEST_F(Tensorboard, AFinalEvaluationThatIsRepeatedIsThereOnce) {
  fs::copy(dir / finished(), dir / "again", fs::copy_options::recursive);
  std::ofstream(dir / "again/STATUS") << "running\n";
  const ProcessResult again = train("again", true);
  ASSERT_EQ(again.exit_code, 0) << again.err;
  const std::vector<Value> values = values_of(dir / "again/tb");
  expect_every_step_once(values);
  EXPECT_EQ(metrics_among(values), expected_of(dir / "again"));
  EXPECT_THAT(of(values, "final/test/shapes/rsum"), SizeIs(1));
}

TEST_F(Tensorboard, TensorBoardsOwnReaderSeesTheSame) {
  const std::string python = python_with("tensorboard");
  if (python.empty()) GTEST_SKIP() << "no Python with tensorboard: scripts/setup --checks, or set DIPTYCH_PYTHON";
  const fs::path tb = dir / killed(8) / "tb";
  const fs::path script = dir.write("read.py", R"(
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.util import tensor_util
events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "histograms": 0, "images": 0, "tensors": 0})
events.Reload()
tags = events.Tags()
for tag in tags["scalars"]:
    for each in events.Scalars(tag):
        print("%s\t%d\t%.9g" % (tag, each.step, each.value))
for tag in tags["images"]:
    for each in events.Images(tag):
        assert each.encoded_image_string[:3] == b"\xff\xd8\xff" and each.width == each.height == 32
        assert tag[11:41] in events.SummaryMetadata(tag).summary_description, tag
        print("image\t%d\t0" % each.step)
for tag in tags["histograms"]:
    for each in events.Histograms(tag):
        assert sum(each.histogram_value.bucket) == each.histogram_value.num > 0
        print("%s\t%d\t0" % (tag, each.step))
config = tensor_util.make_ndarray(events.Tensors("config")[0].tensor_proto)[0].decode()
assert "    experiment: tiny\n" in config, config
def plugin(tag):
    return plugin_data_pb2.HParamsPluginData.FromString(events.SummaryMetadata(tag).plugin_data.content)
settings = plugin("_hparams_/session_start_info").session_start_info.hparams
assert settings["train.batch_size"].number_value == 16 and settings["objective.0.type"].string_value == "cmpm"
assert plugin("_hparams_/session_end_info").session_end_info.status == 1
)");
  std::vector<Value> seen;
  const std::string answer = python_answer(python, script, tb);
  ASSERT_THAT(answer, Not(StartsWith("failed")));
  std::istringstream lines(answer);
  int images = 0;
  for (std::string line; std::getline(lines, line);) {
    const size_t first = line.find('\t'), second = line.find('\t', first + 1);
    Value value{line.substr(0, first), std::stoll(line.substr(first + 1)), std::stof(line.substr(second + 1))};
    if (value.tag == "image")
      ++images;
    else
      seen.push_back(value);
  }
  std::ranges::sort(seen);
  std::vector<Value> ours;
  for (const Value& each : values_of(tb))
    if (each.tag.find('/') != std::string::npos && !each.tag.starts_with("_") && !each.tag.starts_with("pictures/"))
      ours.push_back(each);
  EXPECT_EQ(seen, ours);
  EXPECT_EQ(images, 8);
}

}  // namespace
}  // namespace diptych::testing
