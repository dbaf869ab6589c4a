#include "data/mit_states_comp.h"

#include <algorithm>
#include <map>

#include "data/attribute_table.h"
#include "data/lines.h"
#include "diptych/core/tensor/torch7.h"
#include "diptych/data/published.h"
#include "diptych/data/vocabulary.h"

namespace diptych {
namespace mit_states_comp {

namespace fs = std::filesystem;

struct ListedPair {
  Split split;
  Place place;
};
using Pairs = std::map<std::string, ListedPair>;  // by "attribute object"

void read_pairs(const fs::path& path, Split split, Pairs& pairs, RecordProblems& problems) {
  for_each_line(
      path,
      [&](std::string_view line, const Place& place) {
        problems.collect([&] {
          const std::vector<std::string> words = clean_tokens({std::string(line)});
          if (words.size() != 2)
            throw DataError(place.text(), concat("expected \"attribute object\"; got ", words.size(), " words"));
          const auto [known, is_new] = pairs.emplace(join(words, " "), ListedPair{split, place});
          if (is_new) return;
          const bool leak = known->second.split != split;
          throw DataError(place.text(),
                          concat(leak ? "split leak: '" : "duplicate pair '", escape_for_log(known->first),
                                 "' is also in ", known->second.place.text()));
        });
      },
      &problems);
}

void cut_pairs(Pairs& pairs, const ValidationCut& cut) {
  std::vector<std::string> names;
  for (const auto& [name, pair] : pairs)
    if (pair.split == Split::train) names.push_back(name);
  const std::vector<Split> splits = cut_validation(names, cut);
  for (size_t i = 0; i < names.size(); ++i) pairs.at(names[i]).split = splits[i];
}

const std::string& text_of(const Torch7Table& table, const char* key, const Place& place) {
  const Torch7Value* value = table.find(key);
  const auto* text = value ? std::get_if<std::string>(value) : nullptr;
  if (!text) throw DataError(place.text(), concat("the table has no text '", key, "'"));
  if (const auto bad = find_invalid_utf8(*text))
    throw DataError(place.text(), concat("invalid UTF-8 at byte ", *bad, " of '", key, "'"));
  if (text->empty()) throw DataError(place.text(), concat("'", key, "' is empty"));
  return *text;
}

std::vector<AttributedImage> read_t7(const fs::path& path, RecordProblems& problems) {
  const Torch7File file = read_torch7(path);
  const auto* list = std::get_if<Torch7Table>(file.root);
  if (!list) throw DataError(escape_for_log(path.string(), 200), "expected a list of tables {image, attr, obj}");
  std::vector<AttributedImage> images;
  int64_t index = 0;
  for (const auto& [key, value] : list->entries)
    problems.collect([&, entry = value] {
      const Place place{path.string(), index++, false, {}};
      const auto* image = std::get_if<Torch7Table>(entry);
      if (!image) throw DataError(place.text(), "expected a table {image, attr, obj}");
      images.push_back({text_of(*image, "image", place),
                        text_of(*image, "attr", place),
                        text_of(*image, "obj", place),
                        {},
                        place.record});
    });
  return images;
}

// Folders are called "adjective noun" in the release and "adjective_noun" in copies of it.
std::vector<std::string> paths_of(const std::string& file) {
  std::vector<std::string> out = {file};
  for (const auto& [from, to] : {std::pair{' ', '_'}, std::pair{'_', ' '}}) {
    std::string path = file;
    const size_t slash = std::min(path.rfind('/'), path.size());
    std::replace(path.begin(), path.begin() + static_cast<std::ptrdiff_t>(slash), from, to);
    out.push_back(std::move(path));
  }
  return out;
}

}  // namespace mit_states_comp

std::vector<std::filesystem::path> MitStatesCompReader::needed_files() const {
  const auto folder = options_.below_root(options_.pairs);
  return {folder / "train_pairs.txt", folder / "test_pairs.txt", options_.below_root(options_.metadata)};
}

Corpus MitStatesCompReader::read() const {
  namespace comp = mit_states_comp;
  const std::filesystem::path metadata = options_.below_root(options_.metadata);
  Corpus corpus = begin_corpus(options_, metadata);
  corpus.has_identities = true;
  corpus.records_are_lines = metadata.extension() != ".t7";
  RecordProblems problems(corpus.source);
  comp::Pairs pairs;
  const auto folder = options_.below_root(options_.pairs);
  comp::read_pairs(folder / "train_pairs.txt", Split::train, pairs, problems);
  comp::read_pairs(folder / "test_pairs.txt", Split::test, pairs, problems);
  const auto images = corpus.records_are_lines ? read_attribute_table(metadata, {"image", "attr", "obj", ""}, problems)
                                               : comp::read_t7(metadata, problems);
  problems.throw_if_any();
  comp::cut_pairs(pairs, options_.cut);

  ImageFinder finder(corpus.image_root);
  LabelNumbers labels(corpus);
  int64_t without = 0, unlisted = 0;
  for (const AttributedImage& image : images) {
    const auto pair = pairs.find(pair_label(image));
    const bool none = lower_ascii(image.attribute) == "na";
    without += none, unlisted += !none && pair == pairs.end();
    if (none || pair == pairs.end()) continue;
    problems.collect([&] {
      const auto row = static_cast<int64_t>(corpus.images.size());
      corpus.images.push_back(
          {finder.find(comp::paths_of(image.file)), image.file, pair->second.split, labels(pair->first), image.line});
      const std::string caption = spoken(pair->first);
      corpus.captions.push_back({caption, tokenize(caption), row});
    });
  }
  problems.throw_if_any();
  if (without > 0) corpus.notes.push_back(concat(without, " images without an attribute (NA) were left out"));
  if (unlisted > 0) corpus.notes.push_back(concat(unlisted, " images are of a pair in neither list and were left out"));
  if (const auto seen = static_cast<size_t>(corpus.label_names.size()); seen < pairs.size())
    corpus.notes.push_back(concat(pairs.size() - seen, " pairs of the lists have no image"));
  if (corpus.name == "mit-states-comp") note_published_counts(corpus, corpus.name);
  end_corpus(corpus, options_);
  return corpus;
}

}  // namespace diptych
