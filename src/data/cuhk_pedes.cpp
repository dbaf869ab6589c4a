#include "data/cuhk_pedes.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <unordered_map>

#include "diptych/data/published.h"
#include "diptych/data/vocabulary.h"

namespace diptych {
namespace cuhk {

// "A man, in a T-shirt." -> a man in a tshirt
std::vector<std::string> words_of(std::string text) {
  std::erase_if(text, [](unsigned char c) { return c < 0x80 && std::ispunct(c); });
  return tokenize(text);
}

std::vector<std::vector<std::string>> annotated_tokens(const Json& record, size_t captions, const Place& place) {
  std::vector<std::vector<std::string>> out;
  for (const Json& tokens : list_field(record, "processed_tokens", place))
    out.push_back(clean_tokens(text_list(tokens, concat("processed_tokens.", out.size()), place)));
  if (out.size() != captions)
    throw DataError(place.text(), concat(captions, " captions, but ", out.size(), " lists of processed_tokens"));
  return out;
}

// Records become images and captions. An image that is listed twice has the captions of both records.
class Records {
 public:
  Records(Corpus& corpus, Tokens tokens)
      : corpus_(corpus), tokens_(tokens), finder_(corpus.image_root), labels_(corpus) {}

  void add(const Json& record, Place place) {
    place.id = number_text(id_field(record, "id", place));
    const std::string path = text_field(record, "file_path", place);
    const Split split = split_from_word(text_field(record, "split", place), place);
    const auto captions = text_list(list_field(record, "captions", place), "captions", place);
    const auto processed = tokens_ == Tokens::annotated ? annotated_tokens(record, captions.size(), place)
                                                        : std::vector<std::vector<std::string>>{};
    const int64_t row = row_of(path, split, place);
    for (size_t i = 0; i < captions.size(); ++i)
      corpus_.captions.push_back(
          {std::string(trim(captions[i])), tokens_ == Tokens::annotated ? processed[i] : words_of(captions[i]), row});
  }

 private:
  int64_t row_of(const std::string& path, Split split, const Place& place) {
    const int64_t label = labels_(place.id);
    const auto known = rows_.find(path);
    if (known == rows_.end()) {
      const auto row = std::ssize(corpus_.images);
      corpus_.images.push_back({finder_.find({path}), path, split, label, place.record});
      rows_.emplace(path, row);
      return row;
    }
    const CorpusImage& image = corpus_.images[static_cast<size_t>(known->second)];
    if (image.label != label || image.split != split)
      throw DataError(place.text(), concat("file_path '", escape_for_log(path, 200), "' is in record ", image.record,
                                           ", too, of another person or split"));
    return known->second;
  }

  Corpus& corpus_;
  Tokens tokens_;
  ImageFinder finder_;
  LabelNumbers labels_;
  std::unordered_map<std::string, int64_t> rows_;  // of each file_path
};

// People, not images: who is searched for in val was never trained on.
void cut_people(Corpus& corpus, const ValidationCut& cut) {
  if (cut.val_share <= 0) return;
  std::vector<CorpusImage*> images;
  std::vector<std::string> people;
  for (CorpusImage& image : corpus.images) {
    if (image.split == Split::val)
      throw DataError(concat("data.corpus.val_share = ", cut.val_share), "the file has a split val of its own",
                      "data.corpus.val_share=0");
    if (image.split != Split::train) continue;
    images.push_back(&image);
    people.push_back(corpus.label_names[static_cast<size_t>(image.label)]);
  }
  const std::vector<Split> splits = cut_validation(people, cut);
  for (size_t i = 0; i < images.size(); ++i) images[i]->split = splits[i];
}

struct PublishedSet {
  const char *name, *word;  // a corpus whose name has the word claims to be this set
  int64_t images;
};
constexpr std::array kPublishedSets = {PublishedSet{"cuhk-pedes", "cuhk", 40206},
                                       PublishedSet{"icfg-pedes", "icfg", 54522}};

// The set that this is, or is near enough to that a difference is worth a line; or none.
const PublishedSet* published_set(const Corpus& corpus) {
  const auto images = static_cast<int64_t>(corpus.images.size());
  const std::string name = lower_ascii(corpus.name);
  const auto is_named = [&](const PublishedSet& set) { return name.find(set.word) != std::string::npos; };
  const auto is_near = [&](const PublishedSet& set) { return std::abs(images - set.images) * 20 <= set.images; };
  auto found = std::ranges::find_if(kPublishedSets, is_named);
  if (found == kPublishedSets.end()) found = std::ranges::find_if(kPublishedSets, is_near);
  return found == kPublishedSets.end() ? nullptr : &*found;
}

}  // namespace cuhk

Corpus CuhkPedesReader::read() const {
  const auto path = options_.below_root(options_.annotations);
  Corpus corpus = begin_corpus(options_, path);
  corpus.has_identities = true;
  const Json file = read_annotation_json(path);
  if (!file.is_array())
    throw DataError(escape_for_log(path.string(), 200),
                    "expected a list of {split, captions, file_path, processed_tokens, id}");

  cuhk::Records records(corpus, options_.tokens);
  RecordProblems problems(path.string());
  int64_t index = 0;
  for (const Json& record : file) problems.collect([&] { records.add(record, {path.string(), index++, false, {}}); });
  problems.throw_if_any();
  cuhk::cut_people(corpus, options_.cut);
  if (const auto* set = cuhk::published_set(corpus)) note_published_counts(corpus, set->name);
  end_corpus(corpus, options_);
  return corpus;
}

}  // namespace diptych
