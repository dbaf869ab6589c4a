#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "diptych/core/tensor/feature_file.h"

namespace diptych {

/// What a format's reader finds: an array of numbers whose rows can be fetched, and the ids beside it.
struct FeatureArray {
  std::string name;            // of the array, for messages
  std::vector<int64_t> shape;  // [N, F] or [N, R, F]; not yet checked
  std::string dtype;
  std::vector<std::string> ids;  // empty: the file has none, ids_file has
  /// Fills a contiguous tensor of the array's own float type with rows; its first dimension is which.size().
  std::function<at::Tensor(const std::vector<int64_t>& which)> fetch;
  std::vector<FeatureClass> classes = {};  // of a folder whose ids are no more than numbers
};

namespace features {

/// throws DataError: where = the file.
[[noreturn]] void fail(const std::filesystem::path& path, const std::string& message, const std::string& hint = "");

FeatureArray open_npy(const std::filesystem::path& path);
FeatureArray open_npz(const std::filesystem::path& path, const FeatureFileOptions& options);
FeatureArray open_safetensors(const std::filesystem::path& path, const FeatureFileOptions& options);
/// throws DataError in a build without the library.
FeatureArray open_hdf5(const std::filesystem::path& path, const FeatureFileOptions& options);
/// A folder of CLASS.t7.
FeatureArray open_class_folder(const std::filesystem::path& folder, const FeatureFileOptions& options);
std::vector<std::string> read_ids_file(const std::filesystem::path& path);

/// Name and number of dimensions of an array of floats.
struct Candidate {
  std::string name;
  size_t dimensions;
};
/// The array that the options name, or the one that needs no name. throws DataError with the names there are.
std::string choose_array(const std::filesystem::path& path, const FeatureFileOptions& options,
                         const std::vector<Candidate>& floats, const std::vector<std::string>& all);
[[noreturn]] void fail_without_ids(const std::filesystem::path& path, const FeatureFileOptions& options,
                                   const std::vector<std::string>& all);

constexpr uint64_t kMaxIdBytes = 1 << 14, kMaxIdsBytes = uint64_t{1} << 30;
constexpr int64_t kMaxRowBytes = int64_t{256} << 20;

}  // namespace features
}  // namespace diptych
