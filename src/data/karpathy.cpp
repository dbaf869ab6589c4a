#include "data/karpathy.h"

#include "diptych/data/published.h"
#include "diptych/data/vocabulary.h"

namespace diptych {
namespace karpathy {

void add_sentence(Corpus& corpus, const Json& sentence, int64_t image_id, Tokens tokens, const Place& place) {
  const std::string raw = text_field(sentence, "raw", place);
  if (sentence.contains("imgid") && id_field(sentence, "imgid", place) != image_id)
    throw DataError(place.text(), concat("a sentence belongs to imgid ", sentence["imgid"].dump()));
  CorpusCaption caption{std::string(trim(raw)), {}, static_cast<int64_t>(corpus.images.size()) - 1};
  caption.tokens = tokens == Tokens::own
                       ? tokenize(raw)
                       : clean_tokens(text_list(field_of(sentence, "tokens", place), "tokens", place));
  corpus.captions.push_back(std::move(caption));
}

void add_image(Corpus& corpus, const Json& record, Place place, ImageFinder& finder, Tokens tokens) {
  const int64_t id = id_field(record, "imgid", place);
  place.id = number_text(id);
  const std::string name = text_field(record, "filename", place);
  const Split split = split_from_word(text_field(record, "split", place), place);
  const Json& sentences = list_field(record, "sentences", place);
  std::vector<std::string> paths = {name};
  if (record.contains("filepath")) paths.push_back(text_field(record, "filepath", place) + "/" + name);
  corpus.images.push_back({finder.find(paths), place.id, split, id, place.record});
  for (const Json& sentence : sentences) add_sentence(corpus, sentence, id, tokens, place);
}

// "dataset_flickr8k.json" -> "flickr8k"
std::string name_of_file(const std::string& file) {
  const std::string stem = lower_ascii(std::filesystem::path(file).stem().string());
  return stem.rfind("dataset_", 0) == 0 ? stem.substr(8) : stem;
}

std::string name_of(const KarpathyOptions& options, const Json& file) {
  if (!options.name.empty()) return options.name;
  const auto dataset = file.find("dataset");
  const bool named = dataset != file.end() && dataset->is_string() && !dataset->get_ref<const std::string&>().empty();
  return named ? lower_ascii(dataset->get<std::string>()) : name_of_file(options.annotations);
}

}  // namespace karpathy

Corpus KarpathyReader::read() const {
  const auto path = options_.below_root(options_.annotations);
  Corpus corpus = begin_corpus(options_, path);
  Json file = read_annotation_json(path);
  if (!file.is_object() || !file.contains("images") || !file["images"].is_array())
    throw DataError(escape_for_log(path.string(), 200), R"(expected {"images": [...], "dataset": NAME})",
                    "other formats have readers of their own: diptych describe corpus");
  corpus.name = karpathy::name_of(options_, file);

  ImageFinder finder(corpus.image_root);
  RecordProblems problems(path.string());
  int64_t index = 0;
  for (Json& record : file["images"]) {
    problems.collect([&] {
      karpathy::add_image(corpus, record, {path.string(), index, false, {}}, finder, options_.tokens);
    });
    record = nullptr;  // COCO's tree takes a gigabyte: give it back while the corpus grows
    ++index;
  }
  problems.throw_if_any();
  note_published_counts(corpus, corpus.name);
  if (options_.merge_restval) merge_rest(corpus);
  end_corpus(corpus, options_);
  return corpus;
}

}  // namespace diptych
