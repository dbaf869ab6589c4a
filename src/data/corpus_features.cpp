#include "diptych/data/corpus_features.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <string_view>
#include <unordered_map>

#include "diptych/core/error.h"
#include "diptych/core/text.h"

namespace diptych {
namespace {

constexpr int64_t kListed = 10;
using RowOfId = std::unordered_map<std::string_view, int64_t>;

struct NameKind {
  const char* text;
  std::string (*of)(const CorpusImage&);
};
constexpr std::array<NameKind, 5> kNameKinds = {{
    {"id", [](const CorpusImage& image) { return image.id; }},
    {"path", [](const CorpusImage& image) { return image.path; }},
    {"path without its ending",
     [](const CorpusImage& image) { return std::filesystem::path(image.path).replace_extension().string(); }},
    {"file name", [](const CorpusImage& image) { return std::filesystem::path(image.path).filename().string(); }},
    {"file name without its ending",
     [](const CorpusImage& image) { return std::filesystem::path(image.path).stem().string(); }},
}};

/// Row of every image in the file, -1 where there is none.
std::vector<int64_t> rows_by(const NameKind& kind, const RowOfId& row_of_id, const Corpus& corpus) {
  std::vector<int64_t> out;
  for (const CorpusImage& image : corpus.images) {
    const auto found = row_of_id.find(kind.of(image));
    out.push_back(found == row_of_id.end() ? -1 : found->second);
  }
  return out;
}

void require_all(const FeatureFile& file, const Corpus& corpus, const std::vector<int64_t>& rows) {
  std::vector<Issue> issues;
  int64_t missing = 0, needed = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    const CorpusImage& image = corpus.images[i];
    if (image.split == Split::rest) continue;
    ++needed;
    if (rows[i] < 0 && ++missing <= kListed)
      issues.push_back({ErrorClass::dat, place_of(corpus, image), "has no row in the feature file", ""});
  }
  if (missing == 0) return;
  issues.insert(issues.begin(), {ErrorClass::dat, file.path(),
                                 concat("lacks the features of ", missing, " of ", needed, " images",
                                        missing > kListed ? concat("; the first ", kListed, " follow") : ""),
                                 concat("its ids look like '", escape_for_log(file.ids().front()),
                                        "'; needed is the id, path or file name "
                                        "of each image, such as '",
                                        escape_for_log(corpus.images.front().id), "' or '",
                                        escape_for_log(corpus.images.front().path), "'")});
  throw DataError(std::move(issues));
}

void require_distinct(const FeatureFile& file, const Corpus& corpus, const std::vector<int64_t>& rows,
                      const std::string& kind) {
  std::unordered_map<int64_t, size_t> first;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] < 0) continue;
    const auto [known, is_new] = first.emplace(rows[i], i);
    if (!is_new)
      throw DataError(place_of(corpus, corpus.images[i]),
                      concat("has the same ", kind, " as ", place_of(corpus, corpus.images[known->second]),
                             ", so that both would get one row of ", file.path()),
                      "give the ids of the annotation in the feature file");
  }
}

}  // namespace

CorpusFeatures::CorpusFeatures(std::shared_ptr<const FeatureFile> file, const Corpus& corpus) : file_(std::move(file)) {
  RowOfId row_of_id;
  row_of_id.reserve(file_->ids().size());
  for (size_t row = 0; row < file_->ids().size(); ++row)
    row_of_id.emplace(file_->ids()[row], static_cast<int64_t>(row));
  int64_t most = -1;
  for (const NameKind& kind : kNameKinds) {
    std::vector<int64_t> rows = rows_by(kind, row_of_id, corpus);
    const int64_t found = std::ranges::count_if(rows, [](int64_t row) { return row >= 0; });
    if (found <= most) continue;
    most = found, row_of_image_ = std::move(rows), matched_by_ = kind.text;
  }
  require_all(*file_, corpus, row_of_image_);
  require_distinct(*file_, corpus, row_of_image_, matched_by_);
}

at::Tensor CorpusFeatures::rows(const std::vector<int64_t>& image_rows) const {
  std::vector<int64_t> rows;
  rows.reserve(image_rows.size());
  for (const int64_t image : image_rows) {
    rows.push_back(row_of_image_.at(static_cast<size_t>(image)));
    if (rows.back() < 0)
      throw DataError(file_->path(), concat("has no features of image row ", image, " (of split restval)"));
  }
  return file_->rows(rows);
}

}  // namespace diptych
