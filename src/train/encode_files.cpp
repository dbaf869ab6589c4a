#include "diptych/train/encode_files.h"

#include <torch/torch.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <set>

#include "diptych/core/io/hash.h"
#include "diptych/core/io/json.h"
#include "diptych/core/log.h"
#include "diptych/core/signals.h"
#include "diptych/core/tensor/safetensors.h"
#include "diptych/core/text.h"
#include "diptych/data/image/readable.h"
#include "diptych/train/system.h"
#include "train/count_progress.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kBatchesOfPart = 16;
constexpr size_t kExamples = 10;

std::string path_text(const fs::path& path) { return escape_for_log(path.native(), 400); }

/// Who encodes: a trained model, or an image encoder alone.
struct Encoder {
  const Experiment& experiment;
  at::Device device;
  GalleryHeader header;                                // without source and skipped
  std::vector<int64_t> row;                            // shape of what one item becomes
  ImageOptions image;                                  // how pictures are prepared
  std::function<at::Tensor(const at::Tensor&)> embed;  // pictures, or rows of a feature file
  const TrainedModel* trained = nullptr;               // for captions
};

/// What an encoding is: parts and outputs of equal jobs are equal. features: what stands for pictures, or null.
Json job_of(const Encoder& encoder, const EncodeItems& items, const FeatureFile* features, const EncodeRequest& request,
            int64_t part_size) {
  Json job{{"model", encoder.header.model},
           {"view", enum_text(items.view)},
           {"items", items.fingerprint()},
           {"count", items.size()},
           {"batch_size", encoder.experiment.evaluate.batch_size},
           {"part_size", part_size},
           {"precision", enum_text(encoder.experiment.precision)},
           {"device", encoder.device.str()},
           {"skip_bad", request.skip_bad}};
  if (encoder.header.features) job["views"] = encoder.header.views;
  if (features) job["features"] = features->fingerprint();
  return job;
}

/// What was left out, by its place in the list.
using Skipped = std::vector<std::pair<int64_t, std::string>>;

/// A piece of the result: the rows of items [first, last) that could be encoded.
struct Part {
  at::Tensor embeddings;  // [n, row...]
  std::vector<int64_t> places;
  Skipped skipped;
};

/// The folder of finished parts.
class PartFolder {
 public:
  /// Makes or opens it. throws UsageError when it belongs to another job.
  PartFolder(fs::path folder, const Json& job) : folder_(std::move(folder)), job_(job) {
    make_directories(folder_);
    lock_ = std::make_unique<RunLock>(folder_);
    remove_stale_staging(folder_);
    const fs::path manifest = folder_ / "manifest.json";
    if (!fs::exists(manifest) || !holds_parts()) {  // without parts it does not matter whose it was
      write_file_atomically(manifest, job_.dump(1) + "\n");
      return;
    }
    const Json found = load_json(manifest, 1 << 20);
    if (found == job_) return;
    std::vector<std::string> differing;
    for (const auto& [key, value] : job_.items())
      if (!found.is_object() || !found.contains(key) || found[key] != value) differing.push_back(key);
    throw UsageError::command_line(
        concat("'", path_text(folder_), "' holds parts of another encoding, which differs in ", join(differing, ", ")),
        "finish that one with its own command, or remove the folder");
  }

  /// Nothing if the part is not there or is damaged.
  std::optional<Part> read(int64_t number, at::IntArrayRef row) const {
    const fs::path file = name(number);
    if (!fs::exists(file)) return {};
    try {
      TensorFile stored = read_safetensors(file, ErrorClass::dat);
      Part part{stored.tensors.at("embeddings"), {}, {}};
      const at::Tensor places = stored.tensors.at("places");
      if (part.embeddings.dim() < 2 || part.embeddings.sizes().slice(1) != row ||
          places.sizes() != at::IntArrayRef{part.embeddings.size(0)} || places.scalar_type() != at::kLong)
        throw DataError(path_text(file), "its shapes are wrong");
      const auto* data = places.const_data_ptr<int64_t>();
      part.places.assign(data, data + places.numel());
      for (const Json& each : parse_json(stored.metadata.at("skipped"), file.string()))
        part.skipped.emplace_back(each.at(0).get<int64_t>(), each.at(1).get<std::string>());
      return part;
    } catch (const std::exception& damaged) {
      log::warn(concat("a part is damaged and is made again: ", escape_for_log(damaged.what(), 400)));
      return {};
    }
  }

  void write(int64_t number, const Part& part) const {
    TensorFile file;
    file.tensors["embeddings"] = part.embeddings;
    file.tensors["places"] = torch::tensor(part.places, at::kLong);
    Json skipped = Json::array();
    for (const auto& [place, reason] : part.skipped) skipped.push_back(Json::array({place, reason}));
    file.metadata["skipped"] = dump_line(skipped);
    write_safetensors(file, name(number));
  }

  void remove() {
    lock_.reset();
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

 private:
  bool holds_parts() const {
    return std::ranges::any_of(fs::directory_iterator(folder_), [](const fs::directory_entry& entry) {
      return entry.path().filename().native().starts_with("part-");
    });
  }
  fs::path name(int64_t number) const {
    const std::string digits = std::to_string(number);
    return folder_ / concat("part-", std::string(8 - std::min<size_t>(8, digits.size()), '0'), digits, ".safetensors");
  }
  fs::path folder_;
  Json job_;
  std::unique_ptr<RunLock> lock_;
};

/// Collects rows in the order of the list and writes every part once it is full.
class PartWriter {
 public:
  PartWriter(const PartFolder& folder, int64_t part_size, int64_t first_part, const std::vector<int64_t>& row)
      : folder_(folder), part_size_(part_size), number_(first_part), none_(row) {
    none_.insert(none_.begin(), 0);
  }
  void add(const at::Tensor& embeddings, const std::vector<int64_t>& places) {
    turn_to(places.front());
    rows_.push_back(embeddings);
    part_.places.insert(part_.places.end(), places.begin(), places.end());
  }
  void skip(int64_t place, const std::string& reason) {
    turn_to(place);
    part_.skipped.emplace_back(place, reason);
  }
  void finish(int64_t count) { turn_to((count + part_size_ - 1) / part_size_ * part_size_); }

 private:
  void turn_to(int64_t place) {
    for (; place >= (number_ + 1) * part_size_; ++number_) {
      part_.embeddings = rows_.empty() ? at::empty(none_, at::kFloat) : at::cat(rows_);
      folder_.write(number_, part_);
      part_ = {}, rows_.clear();
    }
  }
  const PartFolder& folder_;
  int64_t part_size_, number_;
  std::vector<int64_t> none_;  // shape of a part without rows
  std::vector<at::Tensor> rows_;
  Part part_;
};

void require_finite_embeddings(const at::Tensor& embeddings, const std::vector<int64_t>& places,
                               const EncodeItems& items) {
  const at::Tensor bad = at::isfinite(embeddings).flatten(1).all(1).logical_not().nonzero();
  if (bad.size(0) == 0) return;
  const auto place = static_cast<size_t>(places[static_cast<size_t>(bad[0].item<int64_t>())]);
  throw NumericError(escape_for_log(items.ids[place]), "the embedding is not finite",
                     "use a checkpoint from before the training diverged: --checkpoint NAME");
}

/// The pictures as a corpus without annotation, which the loader reads.
Corpus corpus_of(const EncodeItems& items) {
  Corpus corpus;
  corpus.name = "the pictures";
  corpus.image_root = "/";
  for (int64_t i = 0; i < items.size(); ++i) {
    const auto row = static_cast<size_t>(i);
    corpus.images.push_back({items.content[row].substr(1), items.ids[row], Split::test, i});
  }
  return corpus;
}

std::string reason_of(const Error& error) {
  return error.issues().empty() ? "unreadable" : error.issues().front().message;
}

void encode_pictures(const Encoder& encoder, const EncodeItems& items, std::shared_ptr<const FeatureFile> features,
                     int64_t first, bool skip_bad, PartWriter& writer) {
  const Experiment& experiment = encoder.experiment;
  const Corpus corpus = corpus_of(items);
  const std::vector<std::vector<int64_t>> no_tokens;
  LoaderSource source{corpus, no_tokens, encoder.image, experiment.data.loader, 0};
  source.features = match_features(std::move(features), corpus);
  std::vector<int64_t> rows;
  for (int64_t row = first; row < items.size(); ++row) rows.push_back(row);
  const CountProgress progress("encode pictures", items.size(), first);
  for_each_readable_image_batch(
      source, rows, experiment.evaluate.batch_size,
      [&](const at::Tensor& images, std::vector<int64_t> places) {
        signals::throw_if_pending();
        for (int64_t& place : places) place += first;
        const at::Tensor embeddings = encoder.embed(images);
        require_finite_embeddings(embeddings, places, items);
        writer.add(embeddings, places);
        progress.at(places.back() + 1);
      },
      [&](int64_t place, const Error& error) {
        if (!skip_bad) {
          std::vector<Issue> issues = error.issues();
          issues.front().hint = "mend or remove the picture, or leave unreadable ones out: --skip-bad";
          throw DataError(std::move(issues));
        }
        log::debug(
            concat("skipped: ", path_text(items.content[static_cast<size_t>(place + first)]), ": ", reason_of(error)));
        writer.skip(place + first, reason_of(error));
      });
}

void encode_captions(const TrainedModel& trained, const EncodeItems& items, int64_t first, int64_t part_size,
                     bool skip_bad, PartWriter& writer, EncodeOutcome& outcome) {
  const CountProgress progress("encode captions", items.size(), first);
  std::set<std::string> unknown;
  const bool own_tokens = !items.tokens.empty() && trained.experiment->data.text.unit == TextUnit::word;
  for (; first < items.size(); first += part_size) {
    signals::throw_if_pending();
    const int64_t last = std::min(first + part_size, items.size());
    std::vector<std::vector<int64_t>> ids;
    std::vector<int64_t> places;
    for (int64_t place = first; place < last; ++place) {
      const auto row = static_cast<size_t>(place);
      try {
        TrainedModel::Words words = own_tokens ? trained.read_tokens(items.tokens[row])
                                               : trained.read_text(items.content[row], items.places[row]);
        outcome.words += words.count, outcome.unknown += words.unknown_count;
        for (const std::string& word : words.unknown)
          if (unknown.size() < kExamples) unknown.insert(word);
        ids.push_back(std::move(words.ids)), places.push_back(place);
      } catch (const DataError& error) {
        if (!skip_bad) throw;
        writer.skip(place, reason_of(error));
      }
    }
    if (places.empty()) continue;
    const at::Tensor embeddings = trained.embed_texts(ids);
    require_finite_embeddings(embeddings, places, items);
    writer.add(embeddings, places);
    progress.at(last);
  }
  outcome.unknown_examples.assign(unknown.begin(), unknown.end());
}

/// What all parts together hold, without their embeddings.
Gallery gallery_of(const Encoder& encoder, const EncodeItems& items, const PartFolder& folder, int64_t parts,
                   const Json& job, EncodeOutcome& outcome) {
  Gallery gallery;
  GalleryHeader& header = gallery.header = encoder.header;
  header.source = xxh128(job.dump());
  for (int64_t number = 0; number < parts; ++number) {
    const auto part = folder.read(number, encoder.row);
    if (!part) throw OutputError("", concat("part ", number, " has disappeared"), "run the same command again");
    for (const int64_t place : part->places) {
      gallery.ids.push_back(items.ids[static_cast<size_t>(place)]);
      gallery.content.push_back(items.content[static_cast<size_t>(place)]);
    }
    for (const auto& [place, reason] : part->skipped) {
      const auto row = static_cast<size_t>(place);
      outcome.skipped.push_back(
          concat(items.view == View::image ? path_text(items.content[row]) : items.places[row], ": ", reason));
    }
  }
  header.skipped = static_cast<int64_t>(outcome.skipped.size());
  return gallery;
}

void write_result(const fs::path& out, Gallery& gallery, const PartFolder& folder, int64_t parts, at::IntArrayRef row) {
  const auto for_each_part = [&](const auto& visit) {
    for (int64_t number = 0; number < parts; ++number) visit(folder.read(number, row).value().embeddings);
  };
  if (out.extension() == ".npz") {
    std::vector<at::Tensor> rows;
    for_each_part([&](const at::Tensor& part) { rows.push_back(part); });
    gallery.embeddings = at::cat(rows);
    return write_gallery_npz(out, gallery);
  }
  write_gallery(out, gallery, row, [&](const ByteSink& sink) {
    for_each_part([&](const at::Tensor& part) {
      if (part.numel() > 0) sink(part.const_data_ptr(), static_cast<size_t>(part.numel()) * sizeof(float));
    });
  });
}

/// True if `out` holds exactly this encoding. throws UsageError when it holds something else that must stay.
bool is_complete(const fs::path& out, const std::string& source, bool overwrite) {
  std::error_code error;
  if (!fs::exists(fs::symlink_status(out, error))) return false;
  if (fs::is_directory(out, error))
    throw UsageError::command_line(concat("'", path_text(out), "' is a folder"), "name a file");
  if (overwrite) return false;
  try {
    if (out.extension() == ".safetensors" && read_gallery_header(out).source == source) return true;
  } catch (const DataError&) {  // something else: it stays
  }
  throw UsageError::command_line(concat("'", path_text(out), "' exists and is not this encoding"),
                                 "name another file, or pass --overwrite");
}

EncodeOutcome encode(const Encoder& encoder, const EncodeItems& items, const EncodeRequest& request) {
  if (request.out.extension() != ".safetensors" && request.out.extension() != ".npz")
    throw UsageError::command_line(
        concat("-o ", path_text(request.out), ": expected a name ending in .safetensors or .npz"));
  const int64_t batch = encoder.experiment.evaluate.batch_size;
  const int64_t wanted = request.part_size > 0 ? request.part_size : kBatchesOfPart * batch;
  const int64_t part_size = (wanted + batch - 1) / batch * batch;
  const bool pictures = items.view == View::image;
  const auto features = pictures ? open_feature_file(encoder.experiment) : nullptr;
  const Json job = job_of(encoder, items, features.get(), request, part_size);
  const fs::path parts_path = request.out.native() + ".parts";
  EncodeOutcome outcome;
  outcome.dimension = encoder.row.back(), outcome.regions = encoder.row.size() == 2 ? encoder.row[0] : 0;
  if (is_complete(request.out, xxh128(job.dump()), request.overwrite)) {
    const TensorFileInfo info = read_safetensors_header(request.out, ErrorClass::dat);
    outcome.already_complete = true;
    outcome.items = info.tensors.at(array_name(encoder.header)).shape.at(0);
    return outcome;
  }
  PartFolder folder(parts_path, job);
  const int64_t parts = (items.size() + part_size - 1) / part_size;
  int64_t first_part = 0;
  while (first_part < parts && folder.read(first_part, encoder.row)) ++first_part;
  const int64_t first = std::min(first_part * part_size, items.size());
  outcome.resumed = first;
  if (first > 0) log::info(concat(first, " of ", items.size(), " items were encoded before the interruption"));

  PartWriter writer(folder, part_size, first_part, encoder.row);
  if (pictures)
    encode_pictures(encoder, items, features, first, request.skip_bad, writer);
  else
    encode_captions(*encoder.trained, items, first, part_size, request.skip_bad, writer, outcome);
  writer.finish(items.size());

  Gallery gallery = gallery_of(encoder, items, folder, parts, job, outcome);
  outcome.items = static_cast<int64_t>(gallery.ids.size());
  if (outcome.items == 0)
    throw DataError(outcome.skipped.front(), concat("none of the ", items.size(), " items could be encoded"));
  write_result(request.out, gallery, folder, parts, encoder.row);
  folder.remove();
  return outcome;
}

}  // namespace

EncodeOutcome encode_items(const TrainedModel& trained, const EncodeItems& items, const EncodeRequest& request) {
  if (trained.model->pair_scorer())
    throw UsageError::command_line(concat("the scorer '", trained.model->scorer().describe(),
                                          "' compares pairs: there are no embeddings to write"),
                                   "diptych evaluate RUN, or another model");
  const Experiment& experiment = *trained.experiment;
  GalleryHeader header{items.view, experiment.name, trained.run.string(), trained.checkpoint, trained.fingerprint};
  header.scorer = trained.model->scorer().describe();
  header.mirrored = items.view == View::image && experiment.evaluate.flip_sum;
  const auto embed = [&](const at::Tensor& images) { return trained.embed_images(images); };
  return encode(
      {experiment, trained.device, header, {trained.model->dimension()}, experiment.data.image, embed, &trained}, items,
      request);
}

EncodeOutcome encode_features(const FeatureModel& model, const FeatureViews& views, const EncodeItems& items,
                              const EncodeRequest& request) {
  views.validate();
  if (items.view != View::image) throw UsageError::command_line("only pictures have image features");
  const Experiment& experiment = *model.experiment;
  GalleryHeader header{View::image, experiment.name, model.run.string(), model.checkpoint, model.fingerprint};
  header.features = true, header.views = views.describe();
  header.mirrored = views.flip || views.crops == 10;
  const auto embed = [&](const at::Tensor& images) { return image_features(model, views, images); };
  return encode(
      {experiment, model.device, header, feature_row(model, views), options_for(views, experiment.data.image), embed},
      items, request);
}

}  // namespace diptych
