#include "data/jsonl.h"

#include <algorithm>

#include "data/lines.h"
#include "diptych/data/vocabulary.h"

namespace diptych {
namespace jsonl {

const std::vector<std::string>& known_fields() {
  static const std::vector<std::string> kFields = {"id", "image", "split", "captions", "identity", "meta"};
  return kFields;
}

void refuse_unknown_fields(const Json& record, const Place& place) {
  if (!record.is_object())
    throw DataError(place.text(), "expected one object a line, {\"image\": ..., \"captions\": [...], ...}");
  for (const auto& [name, value] : record.items())
    if (std::count(known_fields().begin(), known_fields().end(), name) == 0)
      throw DataError(place.text(), concat("unknown field '", escape_for_log(name), "'"),
                      concat(did_you_mean(name, known_fields()), "; fields of your own go into meta"));
  if (record.contains("meta") && !record["meta"].is_object())
    throw DataError(place.text(), "field 'meta' must be an object");
}

std::string identity_of(const Json& record, const Place& place) {
  const Json& identity = record["identity"];
  return identity.is_string() ? identity.get<std::string>() : number_text(id_field(record, "identity", place));
}

void add_image(Corpus& corpus, const Json& record, Place place, ImageFinder& finder, LabelNumbers& labels) {
  refuse_unknown_fields(record, place);
  const std::string image = text_field(record, "image", place);
  place.id = record.contains("id") ? text_field(record, "id", place) : image;
  const Split split = split_from_word(text_field(record, "split", place), place);
  const auto captions = text_list(list_field(record, "captions", place), "captions", place);
  const auto row = static_cast<int64_t>(corpus.images.size());
  const bool has_identity = record.contains("identity");
  if (row > 0 && has_identity != corpus.has_identities)
    throw DataError(place.text(), has_identity ? "has an identity, but the images before have none"
                                               : "field 'identity' is missing; the images before have one");
  corpus.has_identities = has_identity;
  const int64_t label = has_identity ? labels(identity_of(record, place)) : row;
  corpus.images.push_back({finder.find({image}), place.id, split, label, place.record});
  if (record.contains("meta") && record["meta"].contains("pair") && record["meta"].contains("relation")) {
    corpus.images.back().pair = text_field(record["meta"], "pair", place);
    corpus.images.back().relation = text_field(record["meta"], "relation", place);
  }
  for (const std::string& text : captions) corpus.captions.push_back({std::string(trim(text)), tokenize(text), row});
}

}  // namespace jsonl

Corpus JsonlReader::read() const {
  const auto path = options_.below_root(options_.annotations);
  Corpus corpus = begin_corpus(options_, path);
  corpus.records_are_lines = true;
  ImageFinder finder(corpus.image_root);
  LabelNumbers labels(corpus);
  RecordProblems problems(path.string());
  for_each_line(
      path,
      [&](std::string_view line, const Place& place) {
        problems.collect([&] {
          jsonl::add_image(corpus, parse_json(line, concat(path.string(), ":", place.record)), place, finder, labels);
        });
      },
      &problems);
  problems.throw_if_any();
  end_corpus(corpus, options_);
  return corpus;
}

}  // namespace diptych
