#include "data/reed.h"

#include <algorithm>

#include "data/class_lists.h"
#include "data/lines.h"
#include "diptych/data/published.h"
#include "diptych/data/vocabulary.h"

namespace diptych {
namespace reed {

namespace fs = std::filesystem;

bool is_there(const fs::path& path) {
  std::error_code unreadable;
  return fs::exists(path, unreadable);
}

std::vector<fs::path> caption_files(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator each(folder, error), end; !error && each != end; each.increment(error))
    if (each->path().extension() == ".txt") files.push_back(each->path());
  std::ranges::sort(files);
  return files;
}

/// The places where an image may lie, as a path below the image folder.
std::vector<std::string> image_paths(const std::string& name, const std::string& stem) {
  std::vector<std::string> out;
  for (const std::string& folder : {name + "/", std::string()})
    for (const char* extension : {".jpg", ".jpeg", ".png"}) out.push_back(folder + stem + extension);
  return out;
}

/// Reads the captions of one class after another into a corpus.
class ClassReader {
 public:
  ClassReader(Corpus& corpus, const ReedOptions& options, RecordProblems& problems)
      : corpus_(corpus), options_(options), problems_(problems), finder_(corpus.image_root), labels_(corpus) {}

  void read(const std::string& name, Split split) {
    const fs::path folder = options_.below_root(options_.texts) / name;
    const std::vector<fs::path> files = caption_files(folder);
    if (files.empty()) return complain_about(folder);
    if (is_there(corpus_.image_root / (name + ".t7")) && !is_there(corpus_.image_root / name)) ++features_;
    const int64_t label = labels_(name);
    for (const fs::path& file : files) problems_.collect([&] { add_image(name, file, split, label); });
  }
  int64_t classes_of_features() const { return features_; }

 private:
  void complain_about(const fs::path& folder) {
    const bool as_ids = is_there(folder.string() + ".t7");
    problems_.add(escape_for_log(folder.string(), 200),
                  as_ids ? "has no IMAGE.txt; the character ids of the .t7 file beside it are not read"
                         : "has no IMAGE.txt with captions",
                  as_ids ? "unpack the plain text of the release as well" : "is data.corpus.texts the right folder?");
  }
  void add_image(const std::string& name, const fs::path& file, Split split, int64_t label) {
    const std::string stem = file.stem().string();
    const auto row = static_cast<int64_t>(corpus_.images.size());
    std::vector<CorpusCaption> captions;
    for_each_line(
        file,
        [&](std::string_view line, const Place&) {
          captions.push_back({std::string(trim(line)), tokenize(line), row});
        },
        &problems_);
    const auto count = static_cast<int64_t>(captions.size());
    if (options_.captions > 0 && count != options_.captions)
      throw DataError(escape_for_log(file.string(), 200),
                      concat("has ", count, " captions, needed are ", options_.captions),
                      "mend the file, or take any number with data.corpus.captions=0");
    corpus_.images.push_back({finder_.find(image_paths(name, stem)), concat(name, "/", stem), split, label});
    std::ranges::move(captions, std::back_inserter(corpus_.captions));
  }

  Corpus& corpus_;
  const ReedOptions& options_;
  RecordProblems& problems_;
  ImageFinder finder_;
  LabelNumbers labels_;
  int64_t features_ = 0;
};

void require_lists(const ClassListFiles& files, const std::string& root) {
  const std::string where = escape_for_log(root, 200);
  if (files.test.empty())
    throw DataError(where, "has no list of test classes: neither testclasses.txt nor testids.txt is there",
                    "name it: data.corpus.test_list");
  if (files.train.empty() && files.trainval.empty())
    throw DataError(where,
                    "has no list of training classes: none of trainids.txt, trainclasses.txt, trainvalids.txt and "
                    "trainvalclasses.txt is there",
                    "name it: data.corpus.train_list");
}

/// The set whose counts are published, by the corpus's name or its number of classes.
std::string known_set(const Corpus& corpus, size_t classes) {
  if (corpus.name.find("cub") != std::string::npos || classes == 200) return "cub";
  if (corpus.name.find("flower") != std::string::npos || classes == 102) return "flowers";
  return "";
}

void note_left_out(Corpus& corpus, const Manifest& manifest, const std::map<std::string, Split>& splits) {
  std::vector<std::string> left_out;
  for (const std::string& name : manifest.names())
    if (!splits.contains(name)) left_out.push_back(name);
  if (!left_out.empty())
    corpus.notes.push_back(concat(left_out.size(), " classes are in no split and left out: ", first_ids(left_out)));
}

}  // namespace reed

Corpus ReedReader::read() const {
  Corpus corpus = begin_corpus(options_, options_.below_root(options_.annotations));
  corpus.has_identities = true;
  RecordProblems problems(corpus.source);
  const Manifest manifest(options_.below_root(options_.annotations), options_.below_root(options_.texts), problems);
  const ClassListFiles files =
      find_class_lists(options_.root, options_.train_list, options_.val_list, options_.test_list);
  reed::require_lists(files, options_.root);
  const std::map<std::string, Split> splits = read_class_splits(files, manifest, problems);
  problems.throw_if_any();

  reed::ClassReader reader(corpus, options_, problems);
  for (const std::string& name : manifest.names()) {
    const auto split = splits.find(name);
    if (split == splits.end()) continue;
    const bool merged = split->second == Split::val && options_.validation == Validation::train;
    reader.read(name, merged ? Split::train : split->second);
  }
  problems.throw_if_any();
  reed::note_left_out(corpus, manifest, splits);
  if (const int64_t classes = reader.classes_of_features(); classes > 0)
    corpus.notes.push_back(
        concat(classes,
               " classes have features (CLASS.t7) and no folder of pictures: model.image={type: features, "
               "file: ",
               escape_for_log(corpus.image_root.string(), 200), "} trains on them"));
  if (const std::string known = reed::known_set(corpus, splits.size()); !known.empty())
    note_published_counts(corpus, known);
  end_corpus(corpus, options_);
  return corpus;
}

std::vector<std::filesystem::path> ReedReader::needed_files() const {
  const ClassListFiles files =
      find_class_lists(options_.root, options_.train_list, options_.val_list, options_.test_list);
  const auto one_of = [&](const std::vector<std::filesystem::path>& there, const char* usual) {
    return there.empty() ? options_.below_root(usual) : there.front();
  };
  return {one_of(files.train.empty() ? files.trainval : files.train, "trainids.txt"),
          one_of(files.test, "testclasses.txt")};
}

}  // namespace diptych
