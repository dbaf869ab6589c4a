#include <ATen/ATen.h>

#include <algorithm>

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

/// [n, F, V] -> [n, F], with memory of its own: the other views are freed.
at::Tensor chosen_view(const at::Tensor& stored, StoredViews views) {
  return views == StoredViews::mean ? stored.mean(2) : stored.select(2, 0).clone(at::MemoryFormat::Contiguous);
}

}  // namespace

FeatureArray open_class_folder(const fs::path& folder, const FeatureFileOptions& options) {
  if (!options.array.empty())
    fail(folder, concat("array = '", escape_for_log(options.array), "': a folder of CLASS.t7 has no named arrays"),
         "leave `array` out");
  std::vector<at::Tensor> rows;
  FeatureArray out;
  int64_t count = 0, width = kAnyWidth;
  for (const fs::path& file : class_files(folder)) {
    rows.push_back(chosen_view(read_class_features(file, width), options.views));
    const int64_t images = rows.back().size(0);
    width = rows.back().size(1);  // the first class says how wide all are
    out.classes.push_back({file.stem().string(), count, images});
    for (int64_t i = 1; i <= images; ++i) out.ids.push_back(concat(out.classes.back().name, "/", i));
    count += images;
  }
  const at::Tensor all = at::cat(rows);
  if (!options.ids_file.empty()) out.classes.clear();  // the ids are names then
  out.name = folder.filename().string();
  out.shape = all.sizes().vec();
  out.dtype = concat("t7 ", enum_text(options.views));
  out.fetch = [all](const std::vector<int64_t>& which) {
    return all.index_select(0, at::tensor(which, at::TensorOptions(at::kLong)));
  };
  return out;
}

}  // namespace diptych::features
