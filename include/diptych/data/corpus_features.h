#pragma once
#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "diptych/core/tensor/feature_file.h"
#include "diptych/data/corpus.h"

namespace diptych {

/// Rows of a feature file in the place of a corpus's pictures, which need not exist then.
///
/// The file's ids are compared with one of the names that an image has in the corpus: its id, its path, its path
/// without the ending, its file name, its file name without the ending. The first kind of name that finds most images
/// counts, for all of them. A folder of CLASS.t7 has no names: the n-th row of a class belongs to the n-th image of
/// that class in order of id, CLASS/IMAGE, whatever the splits are. The release does not state this order; that the
/// counts agree is all that can be checked. Thread-safe.
class CorpusFeatures {
 public:
  /// throws DataError when an image of train, val or test is not in the file (how many, the first ten, what the ids of
  /// the file look like), or when two images would share a row; of a folder, when a class is missing or has another
  /// number of images than the corpus, or an id names no class.
  CorpusFeatures(std::shared_ptr<const FeatureFile> file, const Corpus& corpus);

  /// [n, F] or [n, R, F] float32, in the order of image_rows. throws DataError for an image of split restval that the
  /// file lacks, and as FeatureFile::rows does.
  at::Tensor rows(const std::vector<int64_t>& image_rows) const;
  const FeatureFile& file() const { return *file_; }
  /// "id", "path", "file name", ...: what the file's ids are.
  const std::string& matched_by() const { return matched_by_; }

 private:
  std::shared_ptr<const FeatureFile> file_;
  std::vector<int64_t> row_of_image_;  // -1: not in the file
  std::string matched_by_;
};

}  // namespace diptych
