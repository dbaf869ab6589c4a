#include "diptych/data/corpus_features.h"

#include <ATen/core/Tensor.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <map>
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

/// Rows of the images of each class, in order of their ids CLASS/IMAGE.
std::map<std::string, std::vector<size_t>> images_by_class(const FeatureFile& file, const Corpus& corpus) {
  std::map<std::string, std::vector<size_t>> out;
  for (size_t i = 0; i < corpus.images.size(); ++i) {
    const std::string& id = corpus.images[i].id;
    const size_t slash = id.rfind('/');
    if (slash == std::string::npos || slash == 0)
      throw DataError(place_of(corpus, corpus.images[i]),
                      concat("has no class in its id; ", file.path(), " has one .t7 for each class"),
                      "ids CLASS/IMAGE are needed, as the corpus reed gives them; or name the images with ids_file");
    out[id.substr(0, slash)].push_back(i);
  }
  for (auto& [name, images] : out)
    std::ranges::sort(images, {}, [&](size_t i) -> const std::string& { return corpus.images[i].id; });
  return out;
}

/// Row of every image in a folder of CLASS.t7, which knows its images by class and number only.
std::vector<int64_t> rows_by_class(const FeatureFile& file, const Corpus& corpus) {
  std::unordered_map<std::string_view, const FeatureClass*> classes;
  for (const FeatureClass& each : file.classes()) classes.emplace(each.name, &each);
  std::vector<int64_t> out(corpus.images.size(), -1);
  std::vector<Issue> issues;
  int64_t faults = 0;
  const auto complain = [&](const std::string& name, const std::string& message, const char* hint) {
    if (++faults <= kListed)
      issues.push_back({ErrorClass::dat, concat(file.path(), "/", escape_for_log(name, 200), ".t7"), message, hint});
  };
  for (const auto& [name, images] : images_by_class(file, corpus)) {
    const auto found = classes.find(name);
    const auto count = static_cast<int64_t>(images.size());
    const auto is_rest = [&](size_t i) { return corpus.images[i].split == Split::rest; };
    if (found == classes.end() || found->second->count != count) {
      if (std::ranges::all_of(images, is_rest)) continue;  // nobody asks for them
      if (found == classes.end())
        complain(name, concat("is not there, but the corpus has ", count, " images of this class"),
                 "unpack the images/CLASS.t7 of the release that the corpus comes from");
      else
        complain(name,
                 concat("has features of ", found->second->count, " images, the corpus has ", count, " of this class"),
                 "texts and features must be of one release: which row is whose follows from the order of the names");
    } else {
      for (size_t i = 0; i < images.size(); ++i) out[images[i]] = found->second->first + static_cast<int64_t>(i);
    }
  }
  if (faults > kListed)
    issues.insert(issues.begin(), {ErrorClass::dat, file.path(),
                                   concat("does not fit to ", faults, " classes; the first ", kListed, " follow"), ""});
  if (!issues.empty()) throw DataError(std::move(issues));
  return out;
}

}  // namespace

CorpusFeatures::CorpusFeatures(std::shared_ptr<const FeatureFile> file, const Corpus& corpus) : file_(std::move(file)) {
  if (!file_->classes().empty()) {
    row_of_image_ = rows_by_class(*file_, corpus), matched_by_ = "class and order of names";
    return;
  }
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
