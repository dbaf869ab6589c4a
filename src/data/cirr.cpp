#include "data/cirr.h"

#include <algorithm>
#include <unordered_map>

#include "data/linked_queries.h"
#include "diptych/data/published.h"

namespace diptych {
namespace cirr {

namespace fs = std::filesystem;
constexpr const char* kReleased[] = {"train", "val"};

fs::path captions_file(const CirrOptions& options, const std::string& released) {
  return options.below_root(concat("captions/cap.", options.version, ".", released, ".json"));
}
fs::path images_file(const CirrOptions& options, const std::string& released) {
  return options.below_root(concat("image_splits/split.", options.version, ".", released, ".json"));
}

std::string target_of(const Json& record, const Place& place) {
  if (record.is_object() && !record.contains("target_hard"))
    throw DataError(place.text(), "field 'target_hard' is missing",
                    "the released test split has no answers and cannot be evaluated here");
  return text_field(record, "target_hard", place);
}

/// Reads one released split after another into a set.
class Splits {
 public:
  Splits(const CirrOptions& options, LinkedSet& set, RecordProblems& problems)
      : options_(options), set_(set), problems_(problems) {}

  void read(const std::string& released) {
    images_ = images_file(options_, released).string();
    rows_ = {};
    record_of_pair_.clear();
    read_images(released == "train" ? Split::train : Split::test);
    const fs::path path = captions_file(options_, released);
    const Json records = read_annotation_json(path);
    if (!records.is_array())
      throw DataError(escape_for_log(path.string(), 200),
                      "expected a list of {pairid, reference, target_hard, caption, img_set}");
    int64_t index = 0;
    for (const Json& record : records)
      problems_.collect([&] { add_query(record, {path.string(), index++, false, {}}); });
  }

 private:
  void read_images(Split split) {
    const Json images = read_annotation_json(images_);
    if (!images.is_object())
      throw DataError(escape_for_log(images_, 200), "expected an object that maps image ids to paths");
    int64_t index = 0;
    for (const auto& [id, path] : images.items()) {
      const Place place{images_, index++, false, id};
      problems_.collect([&, name = id, file = path] {
        if (!file.is_string() || file.empty()) throw DataError(place.text(), "the path must be text");
        rows_.add(name, static_cast<int64_t>(set_.images.size()));
        set_.images.push_back({name, {fs::path(file.get<std::string>()).lexically_normal().string()}, split});
      });
    }
  }

  void add_query(const Json& record, Place place) {
    place.id = number_text(id_field(record, "pairid", place));
    const auto row_of = [&](const std::string& id, const char* what) {
      return rows_.require(id, what, images_, place);
    };
    LinkedQuery query{row_of(text_field(record, "reference", place), "reference"),
                      row_of(target_of(record, place), "target_hard"),
                      {text_field(record, "caption", place)}};
    if (query.source == query.target) throw DataError(place.text(), "reference and target_hard are the same image");
    require_words(query.texts.front(), options_.words, "the caption", place);
    query.texts.front() = trim(query.texts.front());
    const Json& members = list_field(field_of(record, "img_set", place), "members", place);
    for (const std::string& member : text_list(members, "img_set.members", place))
      query.subset.push_back(row_of(member, "member"));
    if (std::ranges::count(query.subset, query.target) != 1)
      throw DataError(place.text(), "img_set.members must hold target_hard once");
    const auto [first, is_new] = record_of_pair_.emplace(place.id, place);
    if (!is_new) throw DataError(place.text(), concat("duplicate pairid; first in ", first->second.text()));
    set_.queries.push_back(std::move(query));
  }

  const CirrOptions& options_;
  LinkedSet& set_;
  RecordProblems& problems_;
  std::string images_;
  ImageRows rows_;
  std::unordered_map<std::string, Place> record_of_pair_;
};

}  // namespace cirr

std::vector<std::filesystem::path> CirrReader::needed_files() const {
  std::vector<std::filesystem::path> files;
  for (const char* released : cirr::kReleased) {
    files.push_back(cirr::captions_file(options_, released));
    files.push_back(cirr::images_file(options_, released));
  }
  return files;
}

Corpus CirrReader::read() const {
  Corpus corpus = begin_corpus(options_, options_.below_root("captions"));
  RecordProblems problems(corpus.source);
  LinkedSet set;
  cirr::Splits splits(options_, set, problems);
  for (const char* released : cirr::kReleased) splits.read(released);
  problems.throw_if_any();
  add_linked(corpus, std::move(set), options_.cut, options_.words);
  if (corpus.name == "cirr") note_published_counts(corpus, corpus.name);
  finish_composed(corpus);
  return corpus;
}

}  // namespace diptych
