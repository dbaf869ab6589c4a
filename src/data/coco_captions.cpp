#include "data/coco_captions.h"

#include <algorithm>
#include <unordered_map>
#include <unordered_set>

#include "data/lines.h"
#include "diptych/data/published.h"
#include "diptych/data/vocabulary.h"

namespace diptych {
namespace coco {

struct Annotation {
  int64_t id, image_row;
  std::string text;
};

// The split of every image that the file names, by file name or by id.
using SplitOf = std::unordered_map<std::string, Split>;

SplitOf read_split_file(const std::filesystem::path& path) {
  SplitOf split_of;
  RecordProblems problems(path.string());
  for_each_line(path, [&](std::string_view line, const Place& place) {
    const size_t gap = line.find_last_of(" \t");
    problems.collect([&] {
      if (gap == std::string_view::npos)
        throw DataError(place.text(), "expected 'FILE_NAME SPLIT' or 'IMAGE_ID SPLIT'");
      const std::string name(trim(line.substr(0, gap)));
      if (!split_of.emplace(name, split_from_word(std::string(line.substr(gap + 1)), place)).second)
        throw DataError(place.text(), concat("'", escape_for_log(name), "' is listed twice"));
    });
  });
  problems.throw_if_any();
  return split_of;
}

const Json& list_of(const Json& file, const char* name, const std::string& path) {
  if (!file.is_object() || !file.contains(name) || !file[name].is_array())
    throw DataError(escape_for_log(path, 200),
                    concat("expected {\"images\": [...], \"annotations\": [...]}; no list '", name, "'"));
  return file[name];
}

class FileReader {
 public:
  FileReader(Corpus& corpus, const SplitOf* split_of, ImageFinder& finder)
      : corpus_(corpus), split_of_(split_of), finder_(finder) {}

  void read(const std::filesystem::path& path, Split split) {
    row_of_.clear();
    const Json file = read_annotation_json(path);
    RecordProblems problems(path.string());
    Place place{path.string() + " images", 0, false, {}};
    for (const Json& record : list_of(file, "images", path.string())) {
      problems.collect([&] { add_image(record, place, split); });
      ++place.record;
    }
    std::vector<Annotation> annotations;
    place = {path.string() + " annotations", 0, false, {}};
    for (const Json& record : list_of(file, "annotations", path.string())) {
      problems.collect([&] { add_annotation(record, place, annotations); });
      ++place.record;
    }
    problems.throw_if_any();
    add_captions(std::move(annotations));
  }
  int64_t left_out() const { return left_out_; }

 private:
  static constexpr int64_t kLeftOut = -1;

  void add_image(const Json& record, Place place, Split split) {
    const int64_t id = id_field(record, "id", place);
    place.id = number_text(id);
    const std::string name = text_field(record, "file_name", place);
    const auto [known, is_new] = row_of_.emplace(id, kLeftOut);
    if (!is_new) throw DataError(place.text(), "duplicate image id");
    if (split_of_) {
      auto listed = split_of_->find(name);
      if (listed == split_of_->end()) listed = split_of_->find(place.id);
      if (listed == split_of_->end()) return void(++left_out_);
      split = listed->second;
    }
    known->second = static_cast<int64_t>(corpus_.images.size());
    corpus_.images.push_back({finder_.find({name}), place.id, split, id, place.record});
  }

  void add_annotation(const Json& record, Place place, std::vector<Annotation>& annotations) {
    const int64_t id = id_field(record, "id", place), image = id_field(record, "image_id", place);
    place.id = number_text(id);
    if (!ids_.insert(id).second) throw DataError(place.text(), "duplicate annotation id");
    const auto row = row_of_.find(image);
    if (row == row_of_.end()) throw DataError(place.text(), concat("image_id ", image, " is not among the images"));
    std::string text = text_field(record, "caption", place);
    if (row->second != kLeftOut) annotations.push_back({id, row->second, std::move(text)});
  }

  void add_captions(std::vector<Annotation> annotations) {
    std::sort(annotations.begin(), annotations.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
    for (const Annotation& each : annotations)
      corpus_.captions.push_back({std::string(trim(each.text)), tokenize(each.text), each.image_row});
  }

  Corpus& corpus_;
  const SplitOf* split_of_;
  ImageFinder& finder_;
  std::unordered_map<int64_t, int64_t> row_of_;
  std::unordered_set<int64_t> ids_;
  int64_t left_out_ = 0;
};

}  // namespace coco

std::vector<std::filesystem::path> CocoCaptionsReader::needed_files() const {
  std::vector<std::filesystem::path> files;
  for (const std::string* file :
       {&options_.annotations, &options_.val_annotations, &options_.test_annotations, &options_.split_file})
    if (!file->empty()) files.push_back(options_.below_root(*file));
  return files;
}

Corpus CocoCaptionsReader::read() const {
  Corpus corpus = begin_corpus(options_, options_.below_root(options_.annotations));
  if (options_.name.empty()) corpus.name = "coco";
  coco::SplitOf split_of;
  if (!options_.split_file.empty()) split_of = coco::read_split_file(options_.below_root(options_.split_file));

  ImageFinder finder(corpus.image_root);
  coco::FileReader reader(corpus, options_.split_file.empty() ? nullptr : &split_of, finder);
  const std::pair<const std::string*, Split> files[] = {{&options_.annotations, Split::train},
                                                        {&options_.val_annotations, Split::val},
                                                        {&options_.test_annotations, Split::test}};
  for (const auto& [file, split] : files)
    if (!file->empty()) reader.read(options_.below_root(*file), split);

  if (reader.left_out() > 0)
    corpus.notes.push_back(concat(reader.left_out(), " images are not in ", options_.split_file, " and were left out"));
  if (options_.split_file.empty() && options_.annotations.find("captions_train2014") != std::string::npos)
    note_published_counts(corpus, "coco2014");
  end_corpus(corpus, options_);
  return corpus;
}

}  // namespace diptych
