#include "data/flickr_token.h"

#include <algorithm>
#include <map>
#include <unordered_map>

#include "data/lines.h"
#include "diptych/data/published.h"
#include "diptych/data/vocabulary.h"

namespace diptych {
namespace flickr {

struct Image {
  int64_t line = 0;
  std::map<int64_t, std::string> captions;  // by k
};
using Images = std::map<std::string, Image>;

// NAME.jpg#k<TAB>caption
void read_caption(std::string_view line, const Place& place, Images& images) {
  const size_t tab = line.find('\t');
  const size_t hash = tab == std::string_view::npos ? tab : line.substr(0, tab).rfind('#');
  if (hash == std::string_view::npos || hash == 0) throw DataError(place.text(), "expected NAME.jpg#k<TAB>caption");
  const auto number = parse_integer(line.substr(hash + 1, tab - hash - 1));
  if (!number || *number < 0)
    throw DataError(place.text(), concat("expected an integer caption number after #; got '",
                                         escape_for_log(line.substr(hash + 1, tab - hash - 1)), "'"));
  Image& image = images[std::string(line.substr(0, hash))];
  if (image.line == 0) image.line = place.record;
  if (!image.captions.emplace(*number, trim(line.substr(tab + 1))).second)
    throw DataError(place.text(), concat("duplicate caption '", escape_for_log(line.substr(0, tab)), "'"));
}

std::string without_extension(const std::string& name) {
  const size_t dot = name.rfind('.');
  return dot == std::string::npos || dot == 0 ? name : name.substr(0, dot);
}

// Lists of some releases leave out ".jpg".
class NameIndex {
 public:
  explicit NameIndex(const Images& images) {
    for (const auto& [name, image] : images) by_stem_.emplace(without_extension(name), &name);
  }
  const std::string& find(const Images& images, const std::string& name, const Place& place) const {
    if (const auto exact = images.find(name); exact != images.end()) return exact->first;
    if (const auto stem = by_stem_.find(name); stem != by_stem_.end()) return *stem->second;
    throw DataError(place.text(), concat("image '", escape_for_log(name), "' has no captions in the token file"));
  }

 private:
  std::unordered_map<std::string, const std::string*> by_stem_;
};

struct Listed {
  Split split;
  Place place;
};
using Lists = std::map<std::string, Listed>;

void read_list(const std::filesystem::path& path, Split split, const Images& images, const NameIndex& index,
               Lists& lists) {
  RecordProblems problems(path.string());
  for_each_line(path, [&](std::string_view line, const Place& place) {
    problems.collect([&] {
      const std::string& name = index.find(images, std::string(trim(line)), place);
      const auto [known, is_new] = lists.emplace(name, Listed{split, place});
      if (is_new) return;
      const bool leak = known->second.split != split;
      throw DataError(place.text(), concat(leak ? "split leak: '" : "duplicate: '", escape_for_log(name),
                                           "' is also in ", known->second.place.text()));
    });
  });
  problems.throw_if_any();
}

// "Flickr8k.token.txt" -> "flickr8k"; Flickr30k's file is called results_20130124.token
std::string name_of_file(const std::string& file) {
  const std::string name = lower_ascii(std::filesystem::path(file).filename().string());
  return name.rfind("results_2013", 0) == 0 ? "flickr30k" : name.substr(0, name.find('.'));
}

}  // namespace flickr

std::vector<std::filesystem::path> FlickrTokenReader::needed_files() const {
  std::vector<std::filesystem::path> files;
  for (const std::string* file : {&options_.annotations, &options_.train_list, &options_.val_list, &options_.test_list})
    if (!file->empty()) files.push_back(options_.below_root(*file));
  return files;
}

Corpus FlickrTokenReader::read() const {
  const auto path = options_.below_root(options_.annotations);
  Corpus corpus = begin_corpus(options_, path);
  corpus.records_are_lines = true;
  if (options_.name.empty()) corpus.name = flickr::name_of_file(options_.annotations);

  flickr::Images images;
  RecordProblems problems(path.string());
  for_each_line(path, [&](std::string_view line, const Place& place) {
    problems.collect([&] { flickr::read_caption(line, place, images); });
  });
  problems.throw_if_any();

  const flickr::NameIndex index(images);
  flickr::Lists lists;
  const std::pair<const std::string*, Split> files[] = {
      {&options_.train_list, Split::train}, {&options_.val_list, Split::val}, {&options_.test_list, Split::test}};
  for (const auto& [file, split] : files)
    if (!file->empty()) flickr::read_list(options_.below_root(*file), split, images, index, lists);

  ImageFinder finder(corpus.image_root);
  for (const auto& [name, listed] : lists) {
    const flickr::Image& image = images.at(name);
    const auto row = static_cast<int64_t>(corpus.images.size());
    corpus.images.push_back({finder.find({name}), name, listed.split, row, image.line});
    for (const auto& [number, text] : image.captions) corpus.captions.push_back({text, tokenize(text), row});
  }
  if (lists.size() < images.size())
    corpus.notes.push_back(
        concat(images.size() - lists.size(), " images with captions are in no split and were left out"));
  if (corpus.name == "flickr8k") note_published_counts(corpus, corpus.name);
  end_corpus(corpus, options_);
  return corpus;
}

}  // namespace diptych
