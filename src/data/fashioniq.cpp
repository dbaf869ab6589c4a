#include "data/fashioniq.h"

#include <algorithm>

#include "data/linked_queries.h"

namespace diptych {
namespace fashioniq {

namespace fs = std::filesystem;
constexpr const char* kReleased[] = {"train", "val"};

fs::path captions_file(const FashionIqOptions& options, const std::string& category, const std::string& released) {
  return options.below_root(concat("captions/cap.", category, ".", released, ".json"));
}
fs::path list_file(const FashionIqOptions& options, const std::string& category, const std::string& released) {
  return options.below_root(concat("image_splits/split.", category, ".", released, ".json"));
}

Json read_list(const fs::path& path, const char* of) {
  Json list = read_annotation_json(path);
  if (!list.is_array()) throw DataError(escape_for_log(path.string(), 200), concat("expected a list of ", of));
  return list;
}

std::string joined(const std::vector<std::string>& captions) { return join(captions, " and "); }

/// Reads one category after another into a set.
class Categories {
 public:
  Categories(const FashionIqOptions& options, RecordProblems& problems) : options_(options), problems_(problems) {}

  void read(const std::string& category, const std::string& released) {
    const Split split = released == "train" ? Split::train : Split::test;
    const fs::path list = list_file(options_, category, released),
                   captions = captions_file(options_, category, released);
    ImageRows rows;
    int64_t index = 0;
    for (const Json& id : read_list(list, "image ids"))
      problems_.collect([&] { add_image(category, id, split, {list.string(), index++, false, {}}, rows); });
    index = 0;
    for (const Json& record : read_list(captions, "{candidate, target, captions}"))
      problems_.collect([&] { add_query(record, {captions.string(), index++, false, {}}, rows, list.string()); });
  }

  /// The images of the gallery that is asked for.
  LinkedSet finished() {
    if (options_.gallery == FashionIqGallery::full) return std::move(set_);
    std::vector<int64_t> place(set_.images.size(), -1);
    for (const LinkedQuery& query : set_.queries)
      place[static_cast<size_t>(query.source)] = place[static_cast<size_t>(query.target)] = 0;
    LinkedSet out;
    for (size_t i = 0; i < place.size(); ++i) {
      if (place[i] < 0) continue;
      place[i] = static_cast<int64_t>(out.images.size());
      out.images.push_back(std::move(set_.images[i]));
    }
    out.queries = std::move(set_.queries);
    for (LinkedQuery& query : out.queries) {
      query.source = place[static_cast<size_t>(query.source)];
      query.target = place[static_cast<size_t>(query.target)];
    }
    return out;
  }
  int64_t half_empty() const { return half_empty_; }

 private:
  void add_image(const std::string& category, const Json& id, Split split, const Place& place, ImageRows& rows) {
    if (!id.is_string() || id.get_ref<const std::string&>().empty())
      throw DataError(place.text(), concat("expected an image id; got ", id.dump().substr(0, 80)));
    const std::string name = id.get<std::string>();
    if (rows.find(name)) throw DataError(place.text(), concat("image '", escape_for_log(name), "' is listed twice"));
    rows.add(name, static_cast<int64_t>(set_.images.size()));
    set_.images.push_back({concat(category, "/", name), {name + ".jpg", name + ".png", name + ".jpeg"}, split});
  }

  void add_query(const Json& record, const Place& place, const ImageRows& rows, const std::string& list) {
    LinkedQuery query{rows.require(text_field(record, "candidate", place), "candidate", list, place),
                      rows.require(text_field(record, "target", place), "target", list, place),
                      {}};
    if (query.source == query.target) throw DataError(place.text(), "candidate and target are the same image");
    std::vector<std::string> captions;
    const auto given = text_list(list_field(record, "captions", place), "captions", place);
    for (const std::string& caption : given)
      if (!words_of_change(caption, options_.words).empty()) captions.emplace_back(trim(caption));
    if (captions.empty()) throw DataError(place.text(), concat(given.size(), " captions, none of which holds a word"));
    half_empty_ += captions.size() < given.size();
    query.texts = {joined(captions)};
    std::ranges::reverse(captions);
    if (options_.both_orders && captions.size() > 1) query.texts.push_back(joined(captions));
    set_.queries.push_back(std::move(query));
  }

  const FashionIqOptions& options_;
  RecordProblems& problems_;
  LinkedSet set_;
  int64_t half_empty_ = 0;
};

}  // namespace fashioniq

std::vector<std::filesystem::path> FashionIqReader::needed_files() const {
  std::vector<std::filesystem::path> files;
  for (const std::string& category : options_.categories)
    for (const char* released : fashioniq::kReleased) {
      files.push_back(fashioniq::captions_file(options_, category, released));
      files.push_back(fashioniq::list_file(options_, category, released));
    }
  return files;
}

Corpus FashionIqReader::read() const {
  Corpus corpus = begin_corpus(options_, options_.below_root("captions"));
  if (options_.categories.empty())
    throw UsageError("data.corpus.categories", "is empty", "data.corpus.categories=[dress, shirt, toptee]");
  RecordProblems problems(corpus.source);
  fashioniq::Categories categories(options_, problems);
  for (const std::string& category : options_.categories)
    for (const char* released : fashioniq::kReleased) categories.read(category, released);
  problems.throw_if_any();
  if (categories.half_empty() > 0)
    corpus.notes.push_back(
        concat(categories.half_empty(), " queries have a caption without words, which was left out"));
  add_linked(corpus, categories.finished(), options_.cut, options_.words);
  finish_composed(corpus);
  return corpus;
}

}  // namespace diptych
