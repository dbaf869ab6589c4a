#include "train/tensorboard_log.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "diptych/core/io/fs.h"
#include "diptych/core/log.h"
#include "diptych/core/text.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kPictures = 8;
constexpr size_t kCaptionInTag = 60;  // bytes

bool has_event_files(const fs::path& folder) {
  std::error_code none;
  for (const auto& each : fs::directory_iterator(folder, none))
    if (each.path().filename().string().starts_with("events.out.tfevents.")) return true;
  return false;
}

/// The first step that is still to come, for a folder that holds earlier sessions.
std::optional<int64_t> first_step(const fs::path& folder, const TrainState& at, bool redo) {
  if (!has_event_files(folder)) return {};
  return at.step == 0 || redo ? at.step : at.step + 1;
}

/// As a Markdown code block; content that has back-quotes stays inside.
std::string code_block(const std::string& text) {
  std::string out;
  for (const std::string& line : split(text, '\n')) out += "    " + line + "\n";
  return out;
}

std::string tag_of(const std::string& name) {
  std::string out = name;
  std::ranges::replace(out, '/', '_');
  return out;
}

std::vector<double> numbers_of(const at::Tensor& values) {
  const at::Tensor flat = values.to(at::kDouble).contiguous();
  return {flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel()};
}

HyperParameter setting(const std::string& value) {
  if (value == "true" || value == "false") return value == "true";
  if (const auto number = parse_number(value)) return *number;
  return value;
}

/// Every setting but those that say where files lie, what is written down, and notes.
std::map<std::string, HyperParameter> settings_of(const Experiment& experiment) {
  const std::vector<std::string> besides = {"log", "published", "notes"};
  std::map<std::string, HyperParameter> out;
  for (const Row& row : rows_of(experiment))
    if (!row.is_section && !row.field.path && !std::ranges::count(besides, row.path.substr(0, row.path.find('.'))))
      out[row.path] = setting(row.value);
  return out;
}

}  // namespace

TensorboardLog::TensorboardLog(const fs::path& run, const Experiment& experiment, const DataBundle& data,
                               const TrainState& at, bool redo)
    : writer_(run / "tb", first_step(run / "tb", at, redo)) {
  const int64_t from = writer_.first_step().value_or(0);
  texts(run, from);
  if (from == 0) {
    pictures(experiment, data);
    writer_.start_session(settings_of(experiment));
  }
  replay(run, at.metrics_bytes, from);
}

void TensorboardLog::numbers(const std::string& prefix, const Json& row) {
  for (const auto& [name, value] : row.items())
    if (value.is_number() && name != "v" && name != "step")
      writer_.scalar(prefix + tag_of(name), row.at("step").get<int64_t>(), value.get<double>());
}

void TensorboardLog::metrics(const Json& row) {
  if (row.value("kind", std::string()) == "eval")
    numbers(concat(row.value("split", std::string()), "/", row.value("protocol", std::string()), "/"), row);
  else
    numbers("train/", row);
}

void TensorboardLog::times(const Json& row) { numbers("time/", row); }

void TensorboardLog::evaluation(int64_t step, const ProtocolResult& result, const EncodedSplit& encoded) {
  const std::string place = result.split + "/";
  for (const auto& [side, embeddings] : {std::pair{"image", encoded.x}, std::pair{"text", encoded.y}})
    writer_.histogram(place + "norm/" + side, step, numbers_of(embeddings.norm(2, {1})));
  for (const DirectionRanks& direction : result.ranks) {
    std::vector<double> ranks;
    for (const int32_t rank : direction.first) ranks.push_back(std::log10(static_cast<double>(rank)));
    writer_.histogram(place + "score/" + direction.name, step,
                      {direction.positive_scores.begin(), direction.positive_scores.end()});
    writer_.histogram(place + "log10_rank/" + direction.name, step, ranks);
  }
}

void TensorboardLog::finish(int64_t step, const std::optional<ProtocolResult>& result) {
  if (result)
    for (const auto& [name, metric] : result->metrics)
      if (metric.available)
        writer_.scalar(concat("final/", result->split, "/", result->protocol, "/", tag_of(name)), step, metric.value);
  writer_.end_session(/*succeeded=*/true);
}

void TensorboardLog::texts(const fs::path& run, int64_t step) {
  constexpr uint64_t kMaxText = 4 << 20;
  for (const auto& [tag, file] : {std::pair{"config", "config.resolved.yaml"}, std::pair{"environment", "env.json"}})
    writer_.text(tag, step, code_block(read_file(run / file, kMaxText, ErrorClass::out)));
}

void TensorboardLog::pictures(const Experiment& experiment, const DataBundle& data) {
  const std::vector<int64_t> rows = data.training_images(experiment.train.limit_images);
  const auto captions = data.corpus.captions_of_images();
  const auto count = std::min<int64_t>(kPictures, static_cast<int64_t>(rows.size()));
  for (int64_t i = 0; i < count; ++i) {
    const int64_t row = rows[static_cast<size_t>(i) * rows.size() / static_cast<size_t>(count)];
    std::string description;
    for (const int64_t caption : captions[static_cast<size_t>(row)])
      description +=
          concat("    ", escape_for_log(data.corpus.captions[static_cast<size_t>(caption)].text, 1000), "\n");
    const std::string first = std::string(trim(description.substr(0, description.find('\n'))));
    try {
      const at::Tensor picture =
          transform_image(decode_image(data.corpus.image_root / data.corpus.images[static_cast<size_t>(row)].path,
                                       experiment.data.image),
                          experiment.data.image, nullptr);
      writer_.image(concat("pictures/", i + 1, " ", tag_of(escape_for_log(first, kCaptionInTag))), 0, picture.size(0),
                    picture.size(1), encode_jpeg(picture), description);
    } catch (const DataError& error) {  // data.loader.on_bad_sample decides about it when its turn comes
      log::warn(concat("TensorBoard: left out ", error.what()));
    }
  }
}

void TensorboardLog::replay(const fs::path& run, int64_t bytes, int64_t from) {
  std::ifstream in(run / "metrics.jsonl", std::ios::binary);
  std::string line;
  for (int64_t at = 0; at < bytes && std::getline(in, line); at += static_cast<int64_t>(line.size()) + 1) {
    const Json row = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (row.is_object() && row.value("step", int64_t{-1}) >= from) metrics(row);
  }
}

}  // namespace diptych
