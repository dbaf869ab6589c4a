#include <ATen/ATen.h>

#include <algorithm>
#include <mutex>

#include "core/tensor/feature_array.h"
#include "diptych/core/tensor/class_features.h"
#include "diptych/core/text.h"

namespace diptych::features {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> class_files(const fs::path& folder) {
  std::vector<fs::path> out;
  std::error_code error;
  for (fs::directory_iterator each(folder, error), end; !error && each != end; each.increment(error))
    if (each->path().extension() == ".t7") out.push_back(each->path());
  if (error) fail(folder, concat("cannot be listed: ", error.message()));
  if (out.empty())
    fail(folder, "holds no CLASS.t7",
         "name the folder `images` of the release of Reed et al., or a file: .npy, .npz, .safetensors, .h5, .hdf5");
  std::ranges::sort(out, {}, [](const fs::path& file) { return file.stem().string(); });
  return out;
}

/// A row for each image of all classes. The files are read once, when the first row is asked for.
class ClassRows {
 public:
  ClassRows(std::vector<fs::path> files, std::vector<FeatureClass> classes, int64_t width, StoredViews views)
      : files_(std::move(files)), classes_(std::move(classes)), width_(width), views_(views) {}

  at::Tensor operator()(const std::vector<int64_t>& which) {
    return all().index_select(0, at::tensor(which, at::TensorOptions(at::kLong)));
  }

 private:
  at::Tensor all() {
    const std::lock_guard lock(reading_);
    if (!rows_.defined()) rows_ = read();
    return rows_;
  }
  at::Tensor read() const {
    at::Tensor out = at::empty({classes_.back().first + classes_.back().count, width_}, at::kFloat);
    for (size_t i = 0; i < files_.size(); ++i) {
      const at::Tensor stored = read_class_features(files_[i], width_);  // [n, F, V]
      const auto& [name, first, count] = classes_[i];
      if (stored.size(0) != count)
        fail(files_[i], concat("has features of ", stored.size(0), " images, and had ", count, " when it was opened"));
      out.narrow(0, first, count).copy_(views_ == StoredViews::mean ? stored.mean(2) : stored.select(2, 0));
    }
    return out;
  }

  const std::vector<fs::path> files_;
  const std::vector<FeatureClass> classes_;
  const int64_t width_;
  const StoredViews views_;
  std::mutex reading_;
  at::Tensor rows_;  // [N, width]
};

}  // namespace

FeatureArray open_class_folder(const fs::path& folder, const FeatureFileOptions& options) {
  if (!options.array.empty())
    fail(folder, concat("array = '", escape_for_log(options.array), "': a folder of CLASS.t7 has no named arrays"),
         "leave `array` out");
  const std::vector<fs::path> files = class_files(folder);
  FeatureArray out;
  int64_t count = 0, width = kAnyWidth;
  for (const fs::path& file : files) {
    const std::vector<int64_t> sizes = class_features_sizes(file, width);
    const int64_t images = sizes[0];
    width = sizes[1];  // the first class says how wide all are
    out.classes.push_back({file.stem().string(), count, images});
    for (int64_t i = 1; i <= images; ++i) out.ids.push_back(concat(out.classes.back().name, "/", i));
    count += images;
  }
  const auto rows = std::make_shared<ClassRows>(files, out.classes, width, options.views);
  if (!options.ids_file.empty()) out.classes.clear();  // the ids are names then
  out.name = folder.filename().string();
  out.shape = {count, width};
  out.dtype = concat("t7 ", enum_text(options.views));
  out.fetch = [rows](const std::vector<int64_t>& which) { return (*rows)(which); };
  return out;
}

}  // namespace diptych::features
