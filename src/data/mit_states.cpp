#include "data/mit_states.h"

#include <algorithm>
#include <map>
#include <set>

#include "data/attribute_table.h"

namespace diptych {
namespace mit_states {

namespace fs = std::filesystem;

// Vo et al., CVPR 2019.
constexpr const char* kTestNouns[] = {
    "armor",   "bracelet", "bush",   "camera", "candy",  "castle",    "ceramic", "cheese",    "clock",  "clothes",
    "coffee",  "fan",      "fig",    "fish",   "foam",   "forest",    "fruit",   "furniture", "garden", "gate",
    "glass",   "horse",    "island", "laptop", "lead",   "lightning", "mirror",  "orange",    "paint",  "persimmon",
    "plastic", "plate",    "potato", "road",   "rubber", "sand",      "shell",   "sky",       "smoke",  "steel",
    "stream",  "table",    "tea",    "tomato", "vacuum", "wax",       "wheel",   "window",    "wool"};
static_assert(std::size(kTestNouns) == 49);

std::vector<fs::path> entries_of(const fs::path& folder) {
  std::vector<fs::path> out;
  std::error_code error;
  for (fs::directory_iterator each(folder, error), end; !error && each != end; each.increment(error))
    if (!each->path().filename().string().starts_with(".")) out.push_back(each->path());
  std::ranges::sort(out);
  return out;
}

bool is_picture(const fs::path& path) {
  const std::string extension = lower_ascii(path.extension().string());
  return extension == ".jpg" || extension == ".jpeg" || extension == ".png";
}

void read_folder(const fs::path& folder, std::vector<AttributedImage>& images, Corpus& corpus) {
  const std::string name = folder.filename().string();
  if (const auto bad = find_invalid_utf8(name))
    throw DataError(escape_for_log(folder.string(), 200), concat("invalid UTF-8 at byte ", *bad, " of the name"));
  const std::vector<std::string> words = split(name, ' ');
  if (words.size() != 2 || words[0].empty() || words[1].empty())
    throw DataError(escape_for_log(folder.string(), 200), "the name is not \"adjective noun\"",
                    "data.corpus.images is the folder of such folders; other sets come as a table: data.corpus.table");
  if (words[0] == "adj") return;
  int64_t passed_over = 0;
  for (const fs::path& file : entries_of(folder)) {
    passed_over += !is_picture(file);
    if (is_picture(file)) images.push_back({concat(name, "/", file.filename().string()), words[0], words[1]});
  }
  if (passed_over > 0)
    corpus.notes.push_back(concat(passed_over, " files of '", escape_for_log(name), "' are no .jpg, .jpeg or .png"));
}

std::vector<AttributedImage> images_in_folders(Corpus& corpus, RecordProblems& problems) {
  std::vector<AttributedImage> images;
  for (const fs::path& folder : entries_of(corpus.image_root)) {
    std::error_code unreadable;
    if (fs::is_directory(folder, unreadable)) problems.collect([&] { read_folder(folder, images, corpus); });
  }
  return images;
}

std::set<std::string> nouns_of(const std::vector<AttributedImage>& images) {
  std::set<std::string> nouns;
  for (const AttributedImage& image : images) nouns.insert(label_word(image.object));
  return nouns;
}

// The nouns that are asked for; those of the option must have images.
std::set<std::string> test_nouns(const MitStatesOptions& options, const std::vector<AttributedImage>& images) {
  const std::set<std::string> known = nouns_of(images);
  if (options.test_nouns.empty()) return {std::begin(kTestNouns), std::end(kTestNouns)};
  std::set<std::string> out;
  for (const std::string& noun : options.test_nouns) {
    if (!known.contains(label_word(noun)))
      throw DataError("data.corpus.test_nouns", concat("no image shows the noun '", escape_for_log(noun), "'"),
                      did_you_mean(label_word(noun), {known.begin(), known.end()}));
    out.insert(label_word(noun));
  }
  return out;
}

void assign_splits(std::vector<AttributedImage>& images, const MitStatesOptions& options) {
  const bool by_column = options.test_nouns.empty() && images.front().split;
  if (!by_column) {
    const std::set<std::string> test = test_nouns(options, images);
    for (AttributedImage& image : images)
      image.split = test.contains(label_word(image.object)) ? Split::test : Split::train;
  }
  if (by_column && std::ranges::count(images, Split::val, &AttributedImage::split) > 0) return;
  std::vector<std::string> nouns;
  for (const AttributedImage& image : images)
    if (image.split == Split::train) nouns.push_back(label_word(image.object));
  const std::vector<Split> splits = cut_validation(nouns, options.cut);
  size_t at = 0;
  for (AttributedImage& image : images)
    if (image.split == Split::train) image.split = splits[at++];
}

/// The adjectives of every noun in one split, with the label of both.
using Adjectives = std::map<std::string, std::map<std::string, int64_t>>;

Adjectives adjectives_of(const Corpus& corpus, Split split) {
  Adjectives out;
  for (const int64_t row : corpus.image_rows(split)) {
    const int64_t label = corpus.images[static_cast<size_t>(row)].label;
    const std::vector<std::string> words = diptych::split(corpus.label_names[static_cast<size_t>(label)], ' ');
    out[words[1]].emplace(words[0], label);
  }
  return out;
}

Modification change_to(const std::string& adjective, ChangeWords words, Split split, int64_t source, int64_t target) {
  const std::string text = spoken(adjective);
  return {.text = text,
          .tokens = words_of_change(text, words),
          .split = split,
          .source_label = source,
          .target_label = target};
}

void add_training(Corpus& corpus, const MitStatesOptions& options) {
  for (const auto& [noun, adjectives] : adjectives_of(corpus, Split::train))
    for (const auto& [own, source] : adjectives)
      for (const auto& [wanted, target] : adjectives)
        if (source != target || !options.exclude_own_adjective)
          add_modification(corpus, change_to(wanted, options.words, Split::train, source, target));
}

void add_queries(Corpus& corpus, const MitStatesOptions& options, Split split) {
  const Adjectives all = adjectives_of(corpus, split);
  for (const int64_t row : corpus.image_rows(split)) {
    const int64_t source = corpus.images[static_cast<size_t>(row)].label;
    const std::string noun = diptych::split(corpus.label_names[static_cast<size_t>(source)], ' ')[1];
    for (const auto& [wanted, target] : all.at(noun)) {
      if (target == source) continue;
      Modification change = change_to(wanted, options.words, split, source, target);
      change.source_row = row;
      add_modification(corpus, std::move(change));
    }
  }
}

}  // namespace mit_states

Corpus MitStatesReader::read() const {
  const bool folders = options_.table.empty();
  Corpus corpus = begin_corpus(options_, options_.below_root(options_.table));
  if (folders) corpus.source = corpus.image_root.string();
  corpus.has_identities = true;
  corpus.records_are_lines = !folders;
  RecordProblems problems(corpus.source);
  const AttributeColumns columns{options_.file_column, options_.adjective_column, options_.noun_column,
                                 options_.split_column};
  std::vector<AttributedImage> images = folders ? mit_states::images_in_folders(corpus, problems)
                                                : read_attribute_table(corpus.source, columns, problems);
  problems.throw_if_any();
  if (images.empty()) throw DataError(escape_for_log(corpus.source, 200), "holds no image");
  mit_states::assign_splits(images, options_);

  ImageFinder finder(corpus.image_root);
  LabelNumbers labels(corpus);
  for (const AttributedImage& image : images)
    problems.collect([&] {
      const auto row = static_cast<int64_t>(corpus.images.size());
      corpus.images.push_back(
          {finder.find({image.file}), image.file, *image.split, labels(pair_label(image)), image.line});
      const std::string adjective = spoken(label_word(image.attribute));
      if (words_of_change(adjective, options_.words).empty())
        throw DataError(place_of(corpus, corpus.images.back()),
                        concat("the adjective '", escape_for_log(adjective), "' holds no word"));
      const std::string caption = concat(adjective, " ", spoken(label_word(image.object)));
      corpus.captions.push_back({caption, words_of_change(caption, options_.words), row});
    });
  problems.throw_if_any();
  mit_states::add_training(corpus, options_);
  for (const Split split : {Split::val, Split::test}) mit_states::add_queries(corpus, options_, split);
  if (corpus.image_rows(Split::test).empty())
    corpus.notes.push_back("no image belongs to a test noun; other sets than MIT-States name theirs in test_nouns");
  finish_composed(corpus);
  return corpus;
}

}  // namespace diptych
