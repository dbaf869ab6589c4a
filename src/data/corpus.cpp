#include "diptych/data/corpus.h"

#include <algorithm>
#include <unordered_map>

#include "data/annotation.h"
#include "diptych/core/io/fs.h"

namespace diptych {
namespace corpora {

constexpr int64_t kListedImages = 10;

// The file that was probably meant: other case, blanks at the ends, folders separated by \. Lists one folder.
std::string existing_name(const Corpus& corpus, std::string path) {
  std::replace(path.begin(), path.end(), '\\', '/');
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  const std::string wanted = std::filesystem::path(path).filename().string();
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(corpus.image_root / folder, error)) {
    const std::string name = entry.path().filename().string();
    if (lower_ascii(trim(name)) == lower_ascii(trim(wanted))) return (folder / name).string();
  }
  return "";
}

std::string hint_for(const Corpus& corpus, const CorpusImage& image, const Issue& issue) {
  if (issue.error_class == ErrorClass::sec) return issue.hint;
  const std::string name = existing_name(corpus, image.path);
  return name.empty() || name == image.path ? issue.hint : concat("did you mean: ", escape_for_log(name, 200));
}

std::vector<Issue> image_issues(const Corpus& corpus, const CorpusImage& image, const DataError& error) {
  std::vector<Issue> out;
  for (const Issue& issue : error.issues())
    out.push_back({issue.error_class, place_of(corpus, image),
                   concat("image '", escape_for_log(image.path, 200), "': ", issue.message),
                   hint_for(corpus, image, issue)});
  return out;
}

std::vector<int64_t> rows_where(size_t count, auto&& holds) {
  std::vector<int64_t> rows;
  for (size_t row = 0; row < count; ++row)
    if (holds(row)) rows.push_back(static_cast<int64_t>(row));
  return rows;
}

}  // namespace corpora

std::vector<int64_t> Corpus::image_rows(Split split) const {
  return corpora::rows_where(images.size(), [&](size_t row) { return images[row].split == split; });
}

std::vector<int64_t> Corpus::caption_rows(Split split) const {
  return corpora::rows_where(captions.size(),
                             [&](size_t row) { return images[captions[row].image_row].split == split; });
}

std::vector<int64_t> Corpus::modification_rows(Split split) const {
  return corpora::rows_where(modifications.size(), [&](size_t row) { return modifications[row].split == split; });
}

std::vector<std::vector<int64_t>> Corpus::captions_of_images() const {
  std::vector<std::vector<int64_t>> rows(images.size());
  for (size_t row = 0; row < captions.size(); ++row) rows[captions[row].image_row].push_back(static_cast<int64_t>(row));
  return rows;
}

std::vector<int64_t> Corpus::partners() const {
  std::unordered_map<std::string_view, int64_t> first;
  std::vector<int64_t> partner(images.size(), -1);
  for (size_t row = 0; row < images.size(); ++row) {
    if (images[row].pair.empty()) continue;
    const auto [known, is_new] = first.emplace(images[row].pair, static_cast<int64_t>(row));
    if (is_new) continue;
    partner[row] = known->second;
    partner[static_cast<size_t>(known->second)] = static_cast<int64_t>(row);
  }
  return first.empty() ? std::vector<int64_t>{} : partner;
}

int64_t Corpus::train_classes() const {
  int64_t classes = 0;
  for (const CorpusImage& image : images)
    if (image.split == Split::train) classes = std::max(classes, image.label + 1);
  return classes;
}

std::string place_of(const Corpus& corpus, const CorpusImage& image) {
  if (image.record < 0)
    return concat(
        corpus.source.empty() ? concat("corpus ", escape_for_log(corpus.name)) : escape_for_log(corpus.source, 200),
        " image (id ", escape_for_log(image.id), ")");
  return Place{corpus.source, image.record, corpus.records_are_lines, image.id}.text();
}

std::string place_of(const Corpus& corpus, const Modification& modification) {
  const std::string& file = corpus.modification_source.empty() ? corpus.source : corpus.modification_source;
  return concat(file.empty() ? concat("corpus ", escape_for_log(corpus.name)) : escape_for_log(file, 200),
                modification.record < 0 ? "" : concat(corpus.records_are_lines ? ":" : " record ", modification.record),
                " modification '", escape_for_log(modification.text, 100), "'");
}

void check_images_exist(const Corpus& corpus) {
  std::vector<Issue> first;
  int64_t bad = 0;
  for (const CorpusImage& image : corpus.images) {
    // Looking for a similar name lists a folder: only for the images that are shown.
    std::error_code error;
    if (bad >= corpora::kListedImages && !std::filesystem::exists(corpus.image_root / image.path, error)) {
      ++bad;
      continue;
    }
    try {
      resolve_inside(corpus.image_root, image.path);
    } catch (const DataError& cause) {
      if (++bad > corpora::kListedImages) continue;
      const auto issues = corpora::image_issues(corpus, image, cause);
      first.insert(first.end(), issues.begin(), issues.end());
    }
  }
  if (bad == 0) return;
  const auto all = static_cast<int64_t>(corpus.images.size());
  first.insert(
      first.begin(),
      {ErrorClass::dat, escape_for_log(corpus.image_root.string(), 200),
       concat(bad, " of ", all, " images are missing or cannot be used",
              bad > corpora::kListedImages ? concat("; the first ", corpora::kListedImages, " follow") : ""),
       bad == all ? "is data.corpus.root right, and data.corpus.images the folder of the images below it?" : ""});
  throw DataError(std::move(first));
}

}  // namespace diptych
