#include "diptych/core/io/tensorboard.h"

#include <gmock/gmock.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <map>

#include "diptych/core/error.h"
#include "support/file_system_double.h"
#include "support/protobuf_reader.h"
#include "support/python.h"
#include "support/temp_dir.h"

namespace diptych::testing {
namespace {

using ::testing::ElementsAre;

std::string written(const std::filesystem::path& folder, const std::function<void(TensorboardWriter&)>& write,
                    std::optional<int64_t> first_step = {}) {
  TensorboardWriter writer(folder, first_step);
  write(writer);
  return slurp(writer.path());
}

/// The Summary.Value of an event.
std::string value_of(const std::string& event) { return field_of(field_of(event, 5).bytes, 1).bytes; }

/// The doubles of a packed field.
std::vector<double> doubles(const std::string& bytes) {
  std::vector<double> out(bytes.size() / 8);
  std::memcpy(out.data(), bytes.data(), out.size() * 8);
  return out;
}

TEST(Crc32c, KnownVectors) {  // RFC 3720, appendix B.4, and the usual check value
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62A8AB43u);
  std::string ascending, descending;
  for (char i = 0; i < 32; ++i) ascending += i, descending += static_cast<char>(31 - i);
  EXPECT_EQ(crc32c(ascending), 0x46DD794Eu);
  EXPECT_EQ(crc32c(descending), 0x113FDB5Cu);
}

TEST(Crc32c, MaskRotatesAndAdds) {
  // 0xE3069283 rotated right by 15: 0x2507C60D; plus 0xA282EAD8 = 0xC78AB0E5.
  EXPECT_EQ(masked_crc32c("123456789"), 0xC78AB0E5u);
}

TEST(TensorboardRecord, HasLengthAndBothChecksums) {
  const std::string record = tensorboard_record("abc");
  ASSERT_EQ(record.size(), 8u + 4 + 3 + 4);
  EXPECT_EQ(record.substr(0, 8), std::string("\x03\0\0\0\0\0\0\0", 8));
  uint32_t head = 0, body = 0;
  std::memcpy(&head, record.data() + 8, 4), std::memcpy(&body, record.data() + 15, 4);
  EXPECT_EQ(head, masked_crc32c(record.substr(0, 8)));
  EXPECT_EQ(body, masked_crc32c("abc"));
}

TEST(TensorboardWriter, BeginsWithTheVersion) {
  const TempDir dir;
  const auto events = events_of(written(dir / "tb", [](TensorboardWriter&) {}));
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(field_of(events[0], 3).bytes, "brain.Event:2");
  EXPECT_GT(field_of(events[0], 1).number64(), 1.6e9);  // wall time
}

TEST(TensorboardWriter, ScalarsCarryTagStepAndValue) {
  const TempDir dir;
  const auto events =
      events_of(written(dir.path(), [](TensorboardWriter& writer) { writer.scalar("train/loss", 300, -1.5); }));
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(field_of(events[1], 2).integer, 300u);
  const std::string value = value_of(events[1]);
  EXPECT_EQ(field_of(value, 1).bytes, "train/loss");
  EXPECT_EQ(field_of(value, 2).number32(), -1.5f);
  EXPECT_EQ(value.substr(0, 12), "\x0a\x0atrain/loss");                 // key 1 << 3 | 2, length 10, the tag
  EXPECT_EQ(value.substr(12), std::string("\x15\x00\x00\xc0\xbf", 5));  // key 2 << 3 | 5, -1.5f
}

TEST(TensorboardWriter, TextIsAStringTensorOfTheTextPlugin) {
  const TempDir dir;
  const auto events =
      events_of(written(dir.path(), [](TensorboardWriter& writer) { writer.text("config", 0, "seed: 1"); }));
  const std::string value = value_of(events.at(1));
  EXPECT_EQ(field_of(field_of(field_of(value, 9).bytes, 1).bytes, 1).bytes, "text");
  const std::string tensor = field_of(value, 8).bytes;
  EXPECT_EQ(field_of(tensor, 1).integer, 7u);  // DT_STRING
  EXPECT_EQ(field_of(tensor, 8).bytes, "seed: 1");
}

TEST(TensorboardWriter, ImagesKeepSizeAndBytes) {
  const TempDir dir;
  const std::string bytes("\x89PNG\0\xff", 6);
  const auto events = events_of(written(
      dir.path(), [&](TensorboardWriter& writer) { writer.image("val/examples", 7, 20, 10, bytes, "two dogs"); }));
  const std::string image = field_of(value_of(events.at(1)), 4).bytes;
  EXPECT_EQ(field_of(image, 1).integer, 20u);
  EXPECT_EQ(field_of(image, 2).integer, 10u);
  EXPECT_EQ(field_of(image, 4).bytes, bytes);
  EXPECT_EQ(field_of(field_of(value_of(events.at(1)), 9).bytes, 3).bytes, "two dogs");
}

TEST(TensorboardWriter, HistogramCountsEveryFiniteValueOnce) {
  const TempDir dir;
  const double nan = std::nan(""), inf = std::numeric_limits<double>::infinity();
  const auto events = events_of(written(dir.path(), [&](TensorboardWriter& writer) {
    writer.histogram("norms", 1, {0, 1, 2, 3, 4, nan, inf}, 4);
    writer.histogram("equal", 1, {2, 2}, 4);
    writer.histogram("none", 1, {nan}, 4);
  }));
  ASSERT_EQ(events.size(), 3u);
  const std::string histogram = field_of(value_of(events[1]), 5).bytes;
  EXPECT_EQ(field_of(histogram, 1).number64(), 0);
  EXPECT_EQ(field_of(histogram, 2).number64(), 4);
  EXPECT_EQ(field_of(histogram, 3).number64(), 5);
  EXPECT_EQ(field_of(histogram, 4).number64(), 10);
  EXPECT_EQ(field_of(histogram, 5).number64(), 30);
  EXPECT_THAT(doubles(field_of(histogram, 6).bytes), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(doubles(field_of(histogram, 7).bytes), ElementsAre(2, 1, 1, 1));
  EXPECT_THAT(doubles(field_of(field_of(value_of(events[2]), 5).bytes, 7).bytes), ElementsAre(2));
}

TEST(TensorboardWriter, AResumedSessionSaysWhereItStarts) {
  const TempDir dir;
  const auto events = events_of(written(
      dir.path(), [](TensorboardWriter&) {}, 121));
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(field_of(events[1], 2).integer, 121u);
  EXPECT_EQ(field_of(field_of(events[1], 7).bytes, 1).integer, 1u);  // START
}

TEST(TensorboardWriter, NamesSortInTheOrderOfTheSessions) {
  const TempDir dir;
  dir.write("events.out.tfevents.9999999999.00004.elsewhere", "");  // a clock that ran ahead
  std::vector<std::string> names;
  for (int i = 0; i < 3; ++i) names.push_back(TensorboardWriter(dir.path()).path().filename());
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  EXPECT_GT(names.front(), "events.out.tfevents.9999999999.00004.elsewhere");
}

TEST(TensorboardWriter, HparamsNameSettings) {
  const TempDir dir;
  const auto events = events_of(written(dir.path(), [](TensorboardWriter& writer) {
    writer.start_session({{"lr", 0.5}, {"flip", true}, {"loss", std::string("cmpm")}});
    writer.end_session(true);
  }));
  ASSERT_EQ(events.size(), 3u);
  const auto content = [&](size_t i) {
    const std::string data = field_of(field_of(value_of(events[i]), 9).bytes, 1).bytes;
    EXPECT_EQ(field_of(data, 1).bytes, "hparams");
    return field_of(data, 2).bytes;
  };
  std::map<std::string, std::string> settings;  // google.protobuf.Value: 2 number, 3 text, 4 bool
  for (const Field& each : fields_of(field_of(content(1), 3).bytes))
    if (each.number == 1) settings[field_of(each.bytes, 1).bytes] = field_of(each.bytes, 2).bytes;
  ASSERT_EQ(settings.size(), 3u);
  EXPECT_EQ(field_of(settings["flip"], 4).integer, 1u);
  EXPECT_EQ(field_of(settings["loss"], 3).bytes, "cmpm");
  EXPECT_EQ(field_of(settings["lr"], 2).number64(), 0.5);
  EXPECT_EQ(field_of(field_of(content(2), 4).bytes, 1).integer, 1u);  // success
}

/// The reader that belongs to TensorBoard: values of all kinds, and of two sessions each step once.
TEST(TensorboardWriter, TensorBoardsOwnReaderReadsItBack) {
  const std::string python = python_with("tensorboard");
  if (python.empty()) GTEST_SKIP() << "no Python with tensorboard: scripts/setup --checks, or set DIPTYCH_PYTHON";
  const TempDir dir;
  const std::string png = "twenty bytes of file";
  written(dir / "tb", [&](TensorboardWriter& writer) {
    for (const int step : {10, 20, 30}) writer.scalar("train/loss", step, step);
    writer.text("config", 0, "seed: 1");
    writer.image("val/example", 10, 1, 1, png, "*a dog*");
    writer.histogram("norms", 10, {1, 2, 4});
    writer.start_session({{"lr", 0.5}, {"loss", std::string("cmpm")}});
  });
  written(
      dir / "tb",
      [](TensorboardWriter& writer) {
        for (const int step : {30, 40}) writer.scalar("train/loss", step, 2 * step);
        writer.end_session(true);
      },
      21);
  dir.write("read.py", R"(
import sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.util import tensor_util
events = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "histograms": 0, "images": 0, "tensors": 0})
events.Reload()
print("version", events.file_version)
print("loss", [(e.step, e.value) for e in events.Scalars("train/loss")])
print("text", tensor_util.make_ndarray(events.Tensors("config")[0].tensor_proto).tolist())
print("image", [(e.step, e.width, e.height, len(e.encoded_image_string)) for e in events.Images("val/example")])
print("about", events.SummaryMetadata("val/example").summary_description)
h = events.Histograms("norms")[0].histogram_value
print("histogram", h.min, h.max, h.num, h.sum, sum(h.bucket))
def plugin(tag):
    return plugin_data_pb2.HParamsPluginData.FromString(events.SummaryMetadata(tag).plugin_data.content)
start = plugin("_hparams_/session_start_info").session_start_info.hparams
print("hparams", start["lr"].number_value, start["loss"].string_value)
print("status", plugin("_hparams_/session_end_info").session_end_info.status)
)");
  EXPECT_EQ(python_answer(python, dir / "read.py", dir / "tb"),
            "version 2.0\n"
            "loss [(10, 10.0), (20, 20.0), (30, 60.0), (40, 80.0)]\n"
            "text [b'seed: 1']\n"
            "image [(10, 1, 1, 20)]\n"
            "about *a dog*\n"
            "histogram 1.0 4.0 3.0 7.0 3.0\n"
            "hparams 0.5 cmpm\n"
            "status 1\n");
}

TEST(TensorboardWriter, AFullDiskLeavesWholeRecords) {
  const TempDir dir;
  std::filesystem::create_directories(dir / "tb");
  for (const auto fault : {FileSystemDouble::Fault::fail_once, FileSystemDouble::Fault::half_write}) {
    FileSystemDouble disk(dir.path(), fault, 4, ENOSPC);
    const FileSystemScope scope(disk);
    TensorboardWriter writer(dir / "tb");  // operations 1 and 2
    writer.scalar("a", 1, 1);
    try {
      writer.scalar("b", 2, 2);
      EXPECT_EQ(fault, FileSystemDouble::Fault::half_write);  // a short write is finished by the next
    } catch (const OutputError& error) {
      EXPECT_NE(std::string(error.what()).find("tfevents"), std::string::npos) << error.what();
    }
    EXPECT_TRUE(disk.fired());
    writer.scalar("c", 3, 3);
    const auto events = events_of(slurp(writer.path()));
    EXPECT_EQ(field_of(value_of(events.back()), 1).bytes, "c");
  }
}

TEST(TensorboardWriter, AFolderThatCannotBeMadeIsAnOutputError) {
  const TempDir dir;
  dir.write("file", "x");
  EXPECT_THROW(TensorboardWriter(dir / "file" / "tb"), OutputError);
}

}  // namespace
}  // namespace diptych::testing
