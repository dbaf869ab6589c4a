#pragma once
#include <ATen/core/Tensor.h>

#include <array>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "diptych/core/options.h"

namespace diptych {

struct FeatureArray;  // src/core/tensor/feature_array.h

/// Which row an image gets where several views of it are stored.
enum class StoredViews { first, mean };
constexpr auto enum_names(StoredViews) {
  return std::array{std::pair{StoredViews::first, "first"}, std::pair{StoredViews::mean, "mean"}};
}

/// Which array of which file holds the features, and where its ids are.
struct FeatureFileOptions {
  std::string file = {}, array = {}, ids = "ids", ids_file = {};
  StoredViews views = StoredViews::first;
  static void visit(auto& self, auto& field) {
    field("file", self.file,
          "features of all images, a row (or R rows, regions) each: .npy, .npz, .safetensors (what `diptych encode` "
          "writes), .h5 or .hdf5; or a folder of CLASS.t7, [images, F, views] in the order of the class's image names, "
          "as the GoogLeNet features of Reed et al. for CUB and Flowers",
          Field{.path = true});
    field("array", self.array,
          "name of the array in the file; empty: features, embeddings, or the only array of numbers with two or three "
          "dimensions");
    field("ids", self.ids, "name of the array of ids in the same file, a text or an integer a row");
    field("ids_file", self.ids_file,
          "ids in a file of their own instead: a line a row, a JSON list of texts (.json), or an .npy of texts or "
          "integers; an .npy of features needs one",
          Field{.path = true});
    field(
        "views", self.views,
        "of a folder of CLASS.t7, the row of an image: its first view, as Reed et al. test, or the mean of its views");
  }
};

/// The rows of one class of a folder: first, first + 1, ..., first + count - 1.
struct FeatureClass {
  std::string name;
  int64_t first, count;
};

/// Features with ids that somebody computed before: N rows of F numbers, or of R regions with F numbers each.
///
///   .npy          one array; the ids stand in `ids_file`
///   .npz          as numpy.savez writes it (not savez_compressed)
///   .safetensors  ids as in gallery.h: a byte tensor with a JSON list of texts; or integers
///   folder        of CLASS.t7 (class_features.h), in order of name; the ids are CLASS/1, CLASS/2, ..., or stand in
///                 `ids_file`. Which image of the class is the n-th, CorpusFeatures knows. Read whole when rows
///                 are first asked for, one class at a time; of each image one row stays in memory
///   .h5, .hdf5    datasets at the top or below groups ("train/features"); only in a build that found the HDF5 library
///
/// Numbers are float32, float16, bfloat16 or float64 and are given as float32; ids are texts (integers as decimals),
/// unique, in UTF-8. Opening reads the header and the ids; rows are read when they are asked for, so that a file larger
/// than memory works and nothing is allocated because a header says so. Reading is thread-safe. The file must stay as
/// it is while it is open.
class FeatureFile {
 public:
  /// throws DataError: no such file, another format, no such array, wrong dtype or shape, ids missing, empty, twice,
  /// not UTF-8, or of another number than the rows; UsageError without a file name.
  explicit FeatureFile(const FeatureFileOptions& options);
  ~FeatureFile();

  const std::string& path() const { return path_; }  // for messages
  const std::vector<std::string>& ids() const;       // [N]
  int64_t size() const { return static_cast<int64_t>(ids().size()); }
  int64_t features() const;  // F
  int64_t regions() const;   // R; 0 if a row is one vector
  /// The classes of a folder, in order of name, where ids only number the images of each; otherwise empty.
  const std::vector<FeatureClass>& classes() const;
  /// [n, F] or [n, R, F] float32, contiguous. throws DataError for a value that is not finite, naming its id, and when
  /// the file can no longer be read; ShapeError for a row that is not there.
  at::Tensor rows(const std::vector<int64_t>& which) const;
  /// Hash over shape, type, ids, and up to 64 rows spread over the file. 32 hex digits.
  std::string fingerprint() const;
  /// Whether this build reads HDF5.
  static bool reads_hdf5();

 private:
  std::string path_;
  std::unique_ptr<FeatureArray> array_;
};

}  // namespace diptych
