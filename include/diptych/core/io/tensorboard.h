#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

// TensorBoard's event files: what `tensorboard --logdir RUN/tb` reads.
//
// A file is a sequence of records
//   length   8 bytes, little-endian
//   crc      4 bytes, masked CRC-32C of the 8 bytes before
//   event    `length` bytes: one protocol buffer message tensorflow.Event
//   crc      4 bytes, masked CRC-32C of the event
// the first of which holds the event's file_version = "brain.Event:2".

namespace diptych {

/// CRC-32C (Castagnoli; polynomial 0x1EDC6F41, reflected), as in RFC 3720: crc32c("123456789") = 0xE3069283.
uint32_t crc32c(std::string_view bytes);
/// The form that record files store: rotated right by 15 bits, plus 0xA282EAD8.
uint32_t masked_crc32c(std::string_view bytes);
/// The four parts above.
std::string tensorboard_record(std::string_view event);

/// A value of a run's setting, as the hparams tab compares them.
using HyperParameter = std::variant<bool, double, std::string>;

/// Writes one event file. Scalars, texts, images and histograms belong to a tag and a step. Every call appends whole
/// records, or none when the disk is full. throws OutputError.
class TensorboardWriter {
 public:
  /// Makes `directory`/events.out.tfevents.<time>.<n>.<host>, a name that sorts after those that are there. A session
  /// that goes on writes a session start at `first_step`: TensorBoard then drops what earlier files of the folder say
  /// of that and later steps, so that nothing appears twice.
  explicit TensorboardWriter(const std::filesystem::path& directory, std::optional<int64_t> first_step = {});
  ~TensorboardWriter();
  TensorboardWriter(const TensorboardWriter&) = delete;
  TensorboardWriter& operator=(const TensorboardWriter&) = delete;

  void scalar(const std::string& tag, int64_t step, double value);
  /// Shown as Markdown.
  void text(const std::string& tag, int64_t step, const std::string& markdown);
  /// An encoded picture (PNG or JPEG) of height x width pixels, with a description in Markdown.
  void image(const std::string& tag, int64_t step, int64_t height, int64_t width, std::string_view encoded,
             const std::string& description = "");
  /// Buckets of equal width between the smallest and the largest value; values that are not finite are left out, and
  /// nothing is written when none is left.
  void histogram(const std::string& tag, int64_t step, const std::vector<double>& values, int64_t buckets = 30);

  /// The hparams tab: the settings of this run. Which columns there are is left to TensorBoard, which takes the
  /// settings of all runs it is shown, those that differ first, and all scalars; a run that lists columns decides for
  /// the others.
  void start_session(const std::map<std::string, HyperParameter>& settings);
  /// How the run ended, for the hparams tab.
  void end_session(bool succeeded);

  const std::filesystem::path& path() const { return path_; }
  std::optional<int64_t> first_step() const { return first_step_; }

 private:
  void write(std::string_view event);
  std::filesystem::path path_;
  std::optional<int64_t> first_step_;
  int fd_ = -1;
  int64_t bytes_ = 0;
};

}  // namespace diptych
