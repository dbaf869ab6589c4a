#include "train/feature_store.h"

#include <torch/version.h>

#include "diptych/core/io/hash.h"
#include "diptych/core/log.h"
#include "diptych/core/tensor/safetensors.h"
#include "diptych/core/text.h"
#include "diptych/train/checkpoint.h"
#include "diptych/train/encode.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTensor = "features";

/// Hash over everything that decides the features. Pictures count by name, size and time of change, not by what
/// is in them. Threads and the number of pictures at once are among it, since they move the last bits.
std::string key_of(System& system, const DataBundle& data, const Experiment& experiment,
                   const std::vector<int64_t>& image_rows, bool mirror) {
  std::string all = concat("diptych frozen features 1\n", image_encoder_fingerprint(system.model->image(), experiment),
                           "\n", enum_text(experiment.precision), " ", system.device.str(), " torch ", TORCH_VERSION,
                           mirror ? " mirrored" : "", system.model->compares_places() ? " lines of places" : "", " ",
                           at::get_num_threads(), " threads, ", experiment.evaluate.batch_size, " at once\n",
                           fs::absolute(data.corpus.image_root).lexically_normal().string(), "\n");
  for (const int64_t row : image_rows) {
    const fs::path& picture = data.corpus.images[static_cast<size_t>(row)].path;
    std::error_code error;
    const fs::path file = data.corpus.image_root / picture;
    const auto bytes = fs::file_size(file, error);
    const auto changed = fs::last_write_time(file, error).time_since_epoch().count();
    all += concat(picture.string(), " ", bytes, " ", changed, "\n");
  }
  return xxh128(all);
}

/// The features in `file`, or undefined if it is not there or not what it should be.
at::Tensor read_features(const fs::path& file, size_t rows) {
  std::error_code error;
  if (!fs::exists(file, error)) return {};
  try {
    const at::Tensor features = read_safetensors(file).tensors.at(kTensor);
    if (features.size(0) == static_cast<int64_t>(rows) && features.scalar_type() == at::kFloat) return features;
    log::warn(concat(file.string(), ": other sizes than its name says; the features are computed again"));
  } catch (const std::exception& problem) {
    log::warn(concat(problem.what(), "; the features are computed again"));
  }
  return {};
}

}  // namespace

std::string image_encoder_fingerprint(const ImageEncoder& image, const Experiment& experiment) {
  const ImageOptions& options = experiment.data.image;
  std::string all =
      concat("diptych image encoder 1\n", options.height, " ", options.width, " ", enum_text(options.resize), " ",
             options.short_side, " ", enum_text(options.normalise), " ", enum_text(options.exif), "\n");
  Lister lister;
  experiment.model.image.list(lister);
  for (const Row& row : lister.rows)
    if (!row.field.path) all += concat(row.path, "=", row.value, "\n");
  for (const auto& [name, tensor] : module_state(image)) {
    const at::Tensor plain = tensor.cpu().contiguous();
    all += concat(name, " ", plain.sizes(), " ",
                  xxh128({static_cast<const char*>(plain.const_data_ptr()),
                          static_cast<size_t>(plain.numel()) * plain.element_size()}),
                  "\n");
  }
  return xxh128(all);
}

at::Tensor stored_image_features(System& system, const DataBundle& data, const Experiment& experiment,
                                 const std::vector<int64_t>& image_rows, bool mirror, const std::string& what) {
  const std::string& folder = experiment.train.feature_cache_dir;
  if (folder.empty()) return encode_image_features(system, data, experiment, image_rows, mirror, what);
  const fs::path file = fs::path(folder) / (key_of(system, data, experiment, image_rows, mirror) + ".safetensors");
  if (const at::Tensor stored = read_features(file, image_rows.size()); stored.defined()) {
    log::info(concat("image features of ", image_rows.size(), " pictures from ", file.string()));
    return stored;
  }
  const at::Tensor features = encode_image_features(system, data, experiment, image_rows, mirror, what);
  try {
    fs::create_directories(folder);
    const std::map<std::string, std::string> metadata{{"what", "image features of a frozen encoder, for other runs"},
                                                      {"corpus", data.corpus.name},
                                                      {"view", mirror ? "mirrored" : "plain"}};
    write_safetensors({.tensors = {{kTensor, features}}, .metadata = metadata}, file);
    log::info(concat("image features of ", image_rows.size(), " pictures left for other runs in ", file.string()));
  } catch (const std::exception& problem) {
    log::warn(concat(problem.what(), "; other runs will compute these features again"));
  }
  return features;
}

}  // namespace diptych
