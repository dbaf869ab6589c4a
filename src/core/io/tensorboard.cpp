#include "diptych/core/io/tensorboard.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <ctime>
#include <numeric>

#include "core/io/durable.h"
#include "core/io/posix.h"
#include "core/io/protobuf.h"
#include "diptych/core/io/fs.h"
#include "diptych/core/text.h"

// Field numbers: tensorflow's event.proto, summary.proto, tensor.proto; tensorboard's plugins/hparams/plugin_data.proto
// and api.proto.

namespace diptych {

namespace tensorboard {

using protobuf::Message;

constexpr auto kCrcTable = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = value >> 1 ^ (value & 1 ? 0x82F63B78u : 0u);
    table[i] = value;
  }
  return table;
}();

double now() {
  timespec time{};
  clock_gettime(CLOCK_REALTIME, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

Message event_at(int64_t step) {
  Message event;
  event.number(1, now());
  if (step != 0) event.integer(2, step);
  return event;
}

/// Summary.value of an event: one tagged value.
std::string summary_event(int64_t step, const Message& value) {
  return event_at(step).message(5, Message().message(1, value)).bytes();
}

/// SummaryMetadata that hands a value to one of TensorBoard's plugins.
Message metadata(std::string_view plugin, std::string_view content = {}) {
  Message data;
  data.text(1, plugin);
  if (!content.empty()) data.text(2, content);
  return Message().message(1, data);
}

constexpr int64_t kFloat = 1, kString = 7;     // tensorflow.DataType
constexpr int64_t kSuccess = 1, kFailure = 2;  // hparams.Status

/// The shape [1].
Message one_element() { return Message().message(2, Message().integer(1, 1)); }

/// What the hparams plugin reads: its data in the metadata, and a value without meaning.
Message hparams_value(const std::string& tag, uint32_t kind, const Message& data) {
  const Message content = Message().message(kind, data);
  const Message nothing = Message().integer(1, kFloat).message(2, one_element()).single(5, 0);
  return Message().text(1, tag).message(9, metadata("hparams", content.bytes())).message(8, nothing);
}

Message value_of(const HyperParameter& setting) {
  Message value;
  if (const bool* flag = std::get_if<bool>(&setting)) return value.integer(4, *flag);
  if (const double* number = std::get_if<double>(&setting)) return value.number(2, *number);
  return value.text(3, std::get<std::string>(setting));
}

/// HistogramProto of finite values.
Message histogram_of(const std::vector<double>& values, int64_t buckets) {
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  const double low = *least, high = *most;
  if (low == high) buckets = 1;
  std::vector<double> limits, counts(static_cast<size_t>(buckets));
  const double width = (high - low) / static_cast<double>(buckets);
  for (int64_t i = 1; i < buckets; ++i) limits.push_back(low + width * static_cast<double>(i));
  limits.push_back(high);
  for (const double value : values)
    ++counts[static_cast<size_t>(std::lower_bound(limits.begin(), limits.end() - 1, value) - limits.begin())];
  Message out;
  out.number(1, low).number(2, high).number(3, static_cast<double>(values.size()));
  out.number(4, std::accumulate(values.begin(), values.end(), 0.0));
  out.number(5, std::inner_product(values.begin(), values.end(), values.begin(), 0.0));
  return out.numbers(6, limits).numbers(7, counts);
}

/// Time and number of a file name, if it is one of ours.
std::pair<int64_t, int64_t> order_of(const std::string& name) {
  const auto parts = split(name, '.');
  if (parts.size() < 5 || parts[2] != "tfevents") return {0, -1};
  return {parse_integer(parts[3]).value_or(0), parse_integer(parts[4]).value_or(-1)};
}

/// A name that sorts after all event files of the folder: readers take them in the order of their names.
std::string next_name(const std::filesystem::path& directory) {
  int64_t time = static_cast<int64_t>(now()), number = 0;
  std::error_code error;
  for (const auto& each : std::filesystem::directory_iterator(directory, error)) {
    const auto [other_time, other_number] = order_of(each.path().filename().string());
    time = std::max(time, other_time), number = std::max(number, other_number + 1);
  }
  const std::string padded = concat(number);
  return concat("events.out.tfevents.", time, ".", std::string(5 - std::min<size_t>(5, padded.size()), '0'), padded,
                ".", posix::host_name());
}

}  // namespace tensorboard

uint32_t crc32c(std::string_view bytes) {
  uint32_t crc = ~0u;
  for (const char each : bytes) crc = tensorboard::kCrcTable[(crc ^ static_cast<uint8_t>(each)) & 255] ^ crc >> 8;
  return ~crc;
}

uint32_t masked_crc32c(std::string_view bytes) {
  const uint32_t crc = crc32c(bytes);
  return (crc >> 15 | crc << 17) + 0xA282EAD8u;
}

std::string tensorboard_record(std::string_view event) {
  std::string out;
  protobuf::append_little_endian(out, static_cast<uint64_t>(event.size()));
  protobuf::append_little_endian(out, masked_crc32c(out));
  out += event;
  protobuf::append_little_endian(out, masked_crc32c(event));
  return out;
}

TensorboardWriter::TensorboardWriter(const std::filesystem::path& directory, std::optional<int64_t> first_step)
    : first_step_(first_step) {
  make_directories(directory);
  path_ = directory / tensorboard::next_name(directory);
  fd_ = file_system().create(path_);
  if (fd_ < 0) durable::fail(path_, "create", errno);
  try {
    write(tensorboard::event_at(0).text(3, "brain.Event:2").bytes());
    constexpr int64_t kStart = 1;  // SessionLog.status
    if (first_step)
      write(tensorboard::event_at(*first_step).message(7, protobuf::Message().integer(1, kStart)).bytes());
  } catch (...) {
    ::close(fd_);
    throw;
  }
}
TensorboardWriter::~TensorboardWriter() { ::close(fd_); }

void TensorboardWriter::write(std::string_view event) {
  const std::string record = tensorboard_record(event);
  for (size_t done = 0; done < record.size();) {
    const int64_t count =
        posix::retry([&] { return file_system().write(fd_, record.data() + done, record.size() - done); });
    if (count <= 0) {
      const int error = count < 0 ? errno : EIO;
      // Readers stop at half a record. Should this fail too, they still have all records before it.
      if (::ftruncate(fd_, bytes_) == 0) ::lseek(fd_, bytes_, SEEK_SET);
      durable::fail(path_, "write", error);
    }
    done += static_cast<size_t>(count);
  }
  bytes_ += static_cast<int64_t>(record.size());
}

void TensorboardWriter::scalar(const std::string& tag, int64_t step, double value) {
  write(tensorboard::summary_event(step, protobuf::Message().text(1, tag).single(2, static_cast<float>(value))));
}

void TensorboardWriter::text(const std::string& tag, int64_t step, const std::string& markdown) {
  const auto tensor =
      protobuf::Message().integer(1, tensorboard::kString).message(2, tensorboard::one_element()).text(8, markdown);
  const auto value = protobuf::Message().text(1, tag).message(9, tensorboard::metadata("text")).message(8, tensor);
  write(tensorboard::summary_event(step, value));
}

void TensorboardWriter::image(const std::string& tag, int64_t step, int64_t height, int64_t width,
                              std::string_view encoded, const std::string& description) {
  constexpr int64_t kRgb = 3;
  const auto image = protobuf::Message().integer(1, height).integer(2, width).integer(3, kRgb).text(4, encoded);
  const auto about = protobuf::Message().text(3, description);  // SummaryMetadata.summary_description
  write(tensorboard::summary_event(step, protobuf::Message().text(1, tag).message(9, about).message(4, image)));
}

void TensorboardWriter::histogram(const std::string& tag, int64_t step, const std::vector<double>& values,
                                  int64_t buckets) {
  std::vector<double> finite;
  std::copy_if(values.begin(), values.end(), std::back_inserter(finite), [](double v) { return std::isfinite(v); });
  if (finite.empty()) return;
  const auto histogram = tensorboard::histogram_of(finite, std::max<int64_t>(1, buckets));
  write(tensorboard::summary_event(step, protobuf::Message().text(1, tag).message(5, histogram)));
}

void TensorboardWriter::start_session(const std::map<std::string, HyperParameter>& settings) {
  using protobuf::Message;
  Message start;
  for (const auto& [name, setting] : settings)
    start.message(1, Message().text(1, name).message(2, tensorboard::value_of(setting)));
  start.number(5, tensorboard::now());
  write(tensorboard::summary_event(0, tensorboard::hparams_value("_hparams_/session_start_info", 3, start)));
}

void TensorboardWriter::end_session(bool succeeded) {
  const auto end = protobuf::Message()
                       .integer(1, succeeded ? tensorboard::kSuccess : tensorboard::kFailure)
                       .number(2, tensorboard::now());
  write(tensorboard::summary_event(0, tensorboard::hparams_value("_hparams_/session_end_info", 4, end)));
}

}  // namespace diptych
