#include "diptych/core/tensor/feature_file.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <unordered_map>

#include "core/io/posix.h"
#include "core/tensor/feature_array.h"
#include "diptych/core/error.h"
#include "diptych/core/io/hash.h"
#include "diptych/core/text.h"

namespace diptych {

namespace fs = std::filesystem;

namespace features {

void fail(const fs::path& path, const std::string& message, const std::string& hint) {
  throw DataError(posix::shown(path), message, hint);
}

std::string choose_array(const fs::path& path, const FeatureFileOptions& options, const std::vector<Candidate>& floats,
                         const std::vector<std::string>& all) {
  const auto is_there = [&](const std::string& name) { return std::ranges::find(all, name) != all.end(); };
  const auto is_float = [&](const std::string& name) {
    return std::ranges::any_of(floats, [&](const Candidate& each) { return each.name == name; });
  };
  if (!options.array.empty()) {
    if (!is_there(options.array))
      fail(path, concat("has no array '", escape_for_log(options.array), "'"), did_you_mean(options.array, all));
    if (!is_float(options.array))
      fail(path, concat("the array '", escape_for_log(options.array),
                        "' is of no type that features have: float32, float16, bfloat16 or float64"));
    return options.array;
  }
  for (const char* usual : {"features", "embeddings"})
    if (is_float(usual)) return usual;
  std::vector<std::string> fitting;
  for (const Candidate& each : floats)
    if (each.dimensions == 2 || each.dimensions == 3) fitting.push_back(each.name);
  if (fitting.size() == 1) return fitting.front();
  const std::string known = "arrays: " + escape_for_log(all.empty() ? "none" : join(all, ", "), 400);
  if (fitting.empty()) fail(path, "holds no array of floats with two or three dimensions", known);
  fail(path, concat("holds ", fitting.size(), " arrays that could be the features: name one with `array`"), known);
}

void fail_without_ids(const fs::path& path, const FeatureFileOptions& options, const std::vector<std::string>& all) {
  fail(path, concat("has no ids: no array '", escape_for_log(options.ids), "'"),
       concat("name it with `ids` (arrays: ", escape_for_log(join(all, ", "), 400),
              "), or give `ids_file`, a text file with a line for each row"));
}

}  // namespace features

namespace {

FeatureArray open_array(const fs::path& path, const FeatureFileOptions& options) {
  std::error_code unreadable;
  if (fs::is_directory(path, unreadable)) return features::open_class_folder(path, options);
  if (options.views != StoredViews::first)
    features::fail(path, concat("views = ", enum_text(options.views), " is for a folder of CLASS.t7"),
                   "leave `views` out: a row of this file is all that an image has");
  const std::string ending = lower_ascii(path.extension().string());
  if (ending == ".npy") return features::open_npy(path);
  if (ending == ".npz") return features::open_npz(path, options);
  if (ending == ".safetensors") return features::open_safetensors(path, options);
  if (ending == ".h5" || ending == ".hdf5") return features::open_hdf5(path, options);
  features::fail(path, concat("the ending '", escape_for_log(ending), "' is of no known format of features"),
                 "known: .npy, .npz, .safetensors, .h5, .hdf5, and a folder of CLASS.t7");
}

void check_shape(const FeatureArray& array, const fs::path& path) {
  const auto shown = [&] {
    return concat("the array '", escape_for_log(array.name), "' has the shape ", at::IntArrayRef(array.shape));
  };
  if (array.shape.size() != 2 && array.shape.size() != 3)
    features::fail(path, shown() + ", needed is [N, F], or [N, R, F] for regions");
  int64_t bytes = 8;
  for (size_t i = 0; i < array.shape.size(); ++i) {
    if (array.shape[i] < 1) features::fail(path, shown() + ": it is empty");
    if (i > 0 && (__builtin_mul_overflow(bytes, array.shape[i], &bytes) || bytes > features::kMaxRowBytes))
      features::fail(path, concat(shown(), ": a row may have at most ", features::kMaxRowBytes / 8, " numbers"));
  }
}

void check_ids(const FeatureArray& array, const fs::path& path, const std::string& where) {
  const auto rows = static_cast<size_t>(array.shape[0]);
  if (array.ids.size() != rows)
    features::fail(path, concat("has ", rows, " rows, but ", where, " has ", array.ids.size(), " ids"),
                   "there must be one id for each row, in the same order");
  std::unordered_map<std::string_view, size_t> first;
  first.reserve(rows);
  for (size_t row = 0; row < rows; ++row) {
    const std::string& id = array.ids[row];
    if (id.empty()) features::fail(path, concat(where, ": the id of row ", row, " is empty"));
    if (id.size() > features::kMaxIdBytes) features::fail(path, concat(where, ": the id of row ", row, " is too long"));
    if (find_invalid_utf8(id))
      features::fail(path, concat(where, ": the id of row ", row, " is no UTF-8: ", escape_for_log(id)));
    if (const auto [known, is_new] = first.emplace(id, row); !is_new)
      features::fail(
          path, concat(where, ": rows ", known->second, " and ", row, " have the same id '", escape_for_log(id), "'"),
          "keep one row for each id");
  }
}

}  // namespace

FeatureFile::FeatureFile(const FeatureFileOptions& options) {
  if (options.file.empty())
    throw UsageError("", "no feature file is given", "file: FEATURES.safetensors, with one row for each image");
  const fs::path path = options.file;
  path_ = posix::shown(path);
  array_ = std::make_unique<FeatureArray>(open_array(path, options));
  check_shape(*array_, path);
  if (!options.ids_file.empty())
    array_->ids = features::read_ids_file(options.ids_file);
  else if (array_->ids.empty())
    features::fail(path, "has no ids: an .npy holds one array",
                   "give `ids_file`, a text file with a line for each row");
  check_ids(*array_, path,
            options.ids_file.empty() ? concat("'", escape_for_log(options.ids), "'") : posix::shown(options.ids_file));
}

FeatureFile::~FeatureFile() = default;
const std::vector<std::string>& FeatureFile::ids() const { return array_->ids; }
const std::vector<FeatureClass>& FeatureFile::classes() const { return array_->classes; }
int64_t FeatureFile::features() const { return array_->shape.back(); }
int64_t FeatureFile::regions() const { return array_->shape.size() == 3 ? array_->shape[1] : 0; }

at::Tensor FeatureFile::rows(const std::vector<int64_t>& which) const {
  for (const int64_t row : which)
    if (row < 0 || row >= size()) throw ShapeError(concat(path_, ": row ", row, " of ", size()));
  const at::Tensor out = array_->fetch(which).to(at::kFloat);
  const at::Tensor finite = at::isfinite(out).flatten(1).all(1);
  if (!finite.all().item<bool>()) {
    const auto bad = finite.logical_not().nonzero()[0].item<int64_t>();
    const int64_t row = which[static_cast<size_t>(bad)];
    features::fail(path_,
                   concat("the features of '", escape_for_log(array_->ids[static_cast<size_t>(row)]), "' (row ", row,
                          ") are not finite"),
                   "compute them again, or remove the image from the corpus");
  }
  return out;
}

std::string FeatureFile::fingerprint() const {
  std::string all = concat("diptych features 1 ", at::IntArrayRef(array_->shape), " ", array_->dtype, "\n");
  const auto add = [&](std::string_view bytes) {
    all += concat(static_cast<int64_t>(bytes.size()), ":");
    all += bytes;
    if (all.size() > (1 << 20)) all = xxh128(all);
  };
  for (const std::string& id : ids()) add(id);
  const int64_t step = std::max<int64_t>(1, size() / 64);
  for (int64_t row = 0; row < size(); row += step) {
    const at::Tensor one = array_->fetch({row});
    add({static_cast<const char*>(one.const_data_ptr()), static_cast<size_t>(one.nbytes())});
  }
  return xxh128(all);
}

}  // namespace diptych
