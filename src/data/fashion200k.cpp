#include "data/fashion200k.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_set>

#include "data/lines.h"
#include "data/sibling_captions.h"
#include "diptych/core/random.h"
#include "diptych/data/published.h"

namespace diptych {
namespace fashion200k {

namespace fs = std::filesystem;

struct LabelFile {
  fs::path path;
  Split split;
};

std::vector<LabelFile> label_files(const fs::path& folder) {
  std::vector<LabelFile> files;
  std::error_code error;
  for (fs::directory_iterator each(folder, error), end; !error && each != end; each.increment(error)) {
    const std::string name = each->path().filename().string();
    const bool train = name.find("train") != std::string::npos, test = name.find("test") != std::string::npos;
    if (!name.ends_with(".txt") || !(train || test)) continue;
    if (train && test)
      throw DataError(escape_for_log(each->path().string(), 200), "the name holds both train and test",
                      "the name of a label file says which split it lists");
    files.push_back({each->path(), train ? Split::train : Split::test});
  }
  std::ranges::sort(files, {}, &LabelFile::path);
  for (const Split split : {Split::train, Split::test})
    if (std::ranges::count(files, split, &LabelFile::split) == 0)
      throw DataError(escape_for_log(folder.string(), 200),
                      concat("has no .txt file whose name holds '", enum_text(split), "'"),
                      "is data.corpus.labels the folder of the label files?");
  return files;
}

struct Listed {
  std::string path, caption;
  Split split;
  Place place;
};

/// The lines of all label files.
class Labels {
 public:
  void add(std::string_view line, Split split, const Place& place, ChangeWords words) {
    const std::vector<std::string> cells = diptych::split(line, '\t');
    if (cells.size() != 3)
      throw DataError(place.text(), concat("expected PATH<TAB>SCORE<TAB>CAPTION; got ", cells.size(), " cells"));
    Listed image{std::string(trim(cells[0])), clean_fashion_caption(cells[2]), split, place};
    if (image.path.empty()) throw DataError(place.text(), "the path is empty");
    require_words(image.caption, words, "the caption", place);
    const auto [known, is_new] = first_.emplace(image.path, images.size());
    if (is_new) return images.push_back(std::move(image));
    const Listed& other = images[known->second];
    if (other.split != split || other.caption != image.caption)
      throw DataError(place.text(), concat(other.split != split ? "split leak: '" : "another caption of '",
                                           escape_for_log(image.path, 200), "', first in ", other.place.text()));
    ++repeated;
  }
  std::vector<Listed> images;
  int64_t repeated = 0;

 private:
  std::unordered_map<std::string, size_t> first_;
};

// women/dresses/54686996/54686996_3.jpeg -> women/dresses/54686996, the product; other paths are products themselves.
std::string product_of(const std::string& path) {
  const fs::path folder = fs::path(path).parent_path();
  const std::string id = folder.filename().string();
  return !id.empty() && fs::path(path).filename().string().starts_with(id + "_") ? folder.string() : path;
}

void cut_products(std::vector<Listed>& images, const ValidationCut& cut) {
  std::vector<std::string> products;
  for (const Listed& image : images)
    if (image.split == Split::train) products.push_back(product_of(image.path));
  const std::vector<Split> splits = cut_validation(products, cut);
  size_t at = 0;
  for (Listed& image : images)
    if (image.split == Split::train) image.split = splits[at++];
}

/// Fills a corpus whose images are there with the changes of the three splits.
class Changes {
 public:
  Changes(Corpus& corpus, const Fashion200kOptions& options) : corpus_(corpus), options_(options) {
    if (options.edit_words == EditWords::captions)
      for (const CorpusCaption& caption : corpus.captions)
        if (split_of(caption.image_row) == Split::train) known_.insert(caption.tokens.begin(), caption.tokens.end());
  }

  void add_training() {
    const Captions captions(corpus_, Split::train);
    const auto siblings = sibling_captions(captions.texts, options_.siblings > 0 ? 100'000'000 : kMaxModifications);
    for (size_t c = 0; c < siblings.size(); ++c)
      for (const int64_t target : some_of(siblings[c], options_.siblings, c))
        add(Split::train, -1, captions.labels[c], captions.labels[static_cast<size_t>(target)], -1, -1);
  }

  void add_validation() {
    const Captions captions(corpus_, Split::val);
    const auto siblings = sibling_captions(captions.texts, kMaxModifications);
    int64_t alone = 0;
    for (const int64_t row : corpus_.image_rows(Split::val)) {
      const int64_t label = corpus_.images[static_cast<size_t>(row)].label;
      const auto& others = siblings[captions.place_of_label.at(label)];
      alone += others.empty();
      for (const int64_t target : some_of(others, options_.val_queries, static_cast<uint64_t>(row)))
        add(Split::val, row, label, captions.labels[static_cast<size_t>(target)], -1, -1);
    }
    if (alone > 0)
      corpus_.notes.push_back(concat(alone,
                                     " validation images ask nothing: no other caption of the split differs in "
                                     "one word; they are in the gallery"));
  }

  /// `rows`: of the images by path.
  void add_query(std::string_view line, const Place& place, const ImageRows& rows) {
    const std::vector<std::string> paths = parts_of(line);
    if (paths.size() != 2)
      throw DataError(place.text(), concat("expected two paths, SOURCE TARGET; got ", paths.size()));
    const auto source = image_of(paths[0], "source", place, rows), target = image_of(paths[1], "target", place, rows);
    if (!source || !target) {
      ++unknown_;
      return;
    }
    if (source == target) throw DataError(place.text(), "source and target are the same image");
    const int64_t from = corpus_.images[static_cast<size_t>(*source)].label,
                  to = corpus_.images[static_cast<size_t>(*target)].label;
    if (from == to) {
      ++unchanged_;
      return;
    }
    repeated_ += !seen_.emplace(*source, *target).second;
    add(Split::test, *source, from, to, *target, place.record);
  }

  void note_queries() {
    const auto note = [&](int64_t count, const char* what) {
      if (count > 0) corpus_.notes.push_back(concat(count, " test queries ", what));
    };
    note(unknown_, "name an image that is in no label file and were dropped");
    note(unchanged_, "ask for no change, both captions being equal, and were left out");
    note(repeated_, "stand in the file more than once");
  }

 private:
  /// The different captions of a split.
  struct Captions {
    Captions(const Corpus& corpus, Split split) {
      std::map<std::string, int64_t> label_of;
      for (const int64_t row : corpus.image_rows(split)) {
        const int64_t label = corpus.images[static_cast<size_t>(row)].label;
        label_of.emplace(corpus.label_names[static_cast<size_t>(label)], label);
      }
      for (const auto& [text, label] : label_of) {
        place_of_label.emplace(label, texts.size());
        texts.push_back(text);
        labels.push_back(label);
      }
    }
    std::vector<std::string> texts;
    std::vector<int64_t> labels;
    std::unordered_map<int64_t, size_t> place_of_label;
  };

  Split split_of(int64_t image_row) const { return corpus_.images[static_cast<size_t>(image_row)].split; }

  static std::vector<std::string> parts_of(std::string_view line) {
    std::vector<std::string> out;
    std::string spaces(line);
    std::ranges::replace(spaces, '\t', ' ');
    for (std::string& part : diptych::split(spaces, ' '))
      if (!part.empty()) out.push_back(std::move(part));
    return out;
  }

  // At most `most` (0: all) of `places`, drawn.
  std::vector<int64_t> some_of(const std::vector<int64_t>& places, int64_t most, uint64_t item) const {
    if (most == 0 || static_cast<int64_t>(places.size()) <= most) return places;
    const Random random(static_cast<uint64_t>(options_.cut.seed), {static_cast<uint64_t>(Stream::split), item});
    std::vector<int64_t> out;
    for (const int64_t i : permutation(static_cast<int64_t>(places.size()), random)) {
      if (static_cast<int64_t>(out.size()) == most) break;
      out.push_back(places[static_cast<size_t>(i)]);
    }
    std::ranges::sort(out);
    return out;
  }

  void add(Split split, int64_t source_row, int64_t source, int64_t target, int64_t target_row, int64_t record) {
    Modification change{.text = replacement_text(corpus_.label_names[static_cast<size_t>(source)],
                                                 corpus_.label_names[static_cast<size_t>(target)]),
                        .tokens = {},
                        .split = split,
                        .source_row = source_row,
                        .source_label = source,
                        .target_label = target,
                        .target_row = target_row,
                        .record = record};
    change.tokens = words_of_change(change.text, options_.words);
    if (options_.edit_words == EditWords::captions)
      for (std::string& token : change.tokens)
        if (!known_.contains(token)) token = "<unk>";
    add_modification(corpus_, std::move(change));
  }

  std::optional<int64_t> image_of(const std::string& path, const char* what, const Place& place,
                                  const ImageRows& rows) const {
    const auto row = rows.find(path);
    if (!row && options_.unknown_queries == UnknownQueries::drop) return {};
    if (!row)
      throw DataError(place.text(), concat(what, " '", escape_for_log(path, 200), "' is in no label file"),
                      "mend the file, or leave such queries out with data.corpus.unknown_queries=drop");
    if (split_of(*row) != Split::test)
      throw DataError(place.text(), concat(what, " '", escape_for_log(path, 200), "' is a training image"));
    return row;
  }

  Corpus& corpus_;
  const Fashion200kOptions& options_;
  std::unordered_set<std::string> known_;
  std::set<std::pair<int64_t, int64_t>> seen_;
  int64_t unknown_ = 0, unchanged_ = 0, repeated_ = 0;
};

}  // namespace fashion200k

Corpus Fashion200kReader::read() const {
  Corpus corpus = begin_corpus(options_, options_.below_root(options_.labels));
  corpus.has_identities = true;
  corpus.records_are_lines = true;
  corpus.modification_source = options_.below_root(options_.queries).string();
  RecordProblems problems(corpus.source);
  fashion200k::Labels labels;
  for (const auto& [path, split_of_file] : fashion200k::label_files(corpus.source)) {
    const Split split = split_of_file;
    for_each_line(
        path,
        [&](std::string_view line, const Place& place) {
          problems.collect([&] { labels.add(line, split, place, options_.words); });
        },
        &problems);
  }
  problems.throw_if_any();
  if (labels.repeated > 0)
    corpus.notes.push_back(concat(labels.repeated, " lines of the label files repeat another one"));
  fashion200k::cut_products(labels.images, options_.cut);

  ImageFinder finder(corpus.image_root);
  LabelNumbers number(corpus);
  ImageRows rows;
  for (const fashion200k::Listed& image : labels.images) {
    const auto row = static_cast<int64_t>(corpus.images.size());
    rows.add(image.path, row);
    problems.collect([&] {
      corpus.images.push_back({finder.find({image.path}), image.path, image.split, number(image.caption)});
      corpus.captions.push_back({image.caption, words_of_change(image.caption, options_.words), row});
    });
  }
  problems.throw_if_any();

  fashion200k::Changes changes(corpus, options_);
  changes.add_training();
  changes.add_validation();
  for_each_line(
      corpus.modification_source,
      [&](std::string_view line, const Place& place) {
        problems.collect([&] { changes.add_query(line, place, rows); });
      },
      &problems);
  problems.throw_if_any();
  changes.note_queries();
  if (corpus.name == "fashion200k") note_published_counts(corpus, corpus.name);
  finish_composed(corpus);
  return corpus;
}

}  // namespace diptych
