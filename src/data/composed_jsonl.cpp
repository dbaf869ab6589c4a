#include "data/composed_jsonl.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "data/lines.h"

namespace diptych {
namespace composed_jsonl {

const std::vector<std::string> kImageFields = {"id", "image", "split", "captions", "identity", "meta"};
const std::vector<std::string> kQueryFields = {"source", "text", "targets", "split", "meta"};

void require_known_fields(const Json& record, const std::vector<std::string>& known, const Place& place) {
  if (!record.is_object()) throw DataError(place.text(), concat("expected one object a line with ", join(known, ", ")));
  for (const auto& [name, value] : record.items())
    if (std::ranges::count(known, name) == 0)
      throw DataError(place.text(), concat("unknown field '", escape_for_log(name), "'"),
                      concat(did_you_mean(name, known), "; fields of your own go into meta"));
  if (record.contains("meta") && !record["meta"].is_object())
    throw DataError(place.text(), "field 'meta' must be an object");
}

Split split_of(const Json& record, const Place& place) {
  const Split split = split_from_word(text_field(record, "split", place), place);
  return split == Split::rest ? Split::train : split;
}

bool in_gallery(const Json& record, const Place& place) {
  if (!record.contains("meta") || !record["meta"].contains("gallery")) return true;
  const Json& gallery = record["meta"]["gallery"];
  if (!gallery.is_boolean()) throw DataError(place.text(), "field 'meta.gallery' must be true or false");
  return gallery.get<bool>();
}

void add_image(Corpus& corpus, const Json& record, Place place, ImageFinder& finder, LabelNumbers& labels,
               ChangeWords words) {
  require_known_fields(record, kImageFields, place);
  const std::string path = text_field(record, "image", place);
  place.id = record.contains("id") ? text_field(record, "id", place) : path;
  const auto row = static_cast<int64_t>(corpus.images.size());
  const bool has_identity = record.contains("identity");
  if (row > 0 && has_identity != corpus.has_identities)
    throw DataError(place.text(), has_identity ? "has an identity, but the images before have none"
                                               : "field 'identity' is missing; the images before have one");
  corpus.has_identities = has_identity;
  int64_t label = row;
  if (has_identity && record["identity"].is_string())
    label = labels(record["identity"].get<std::string>());
  else if (has_identity)
    label = labels(number_text(id_field(record, "identity", place)));
  CorpusImage image{finder.find({path}), place.id, split_of(record, place), label, place.record};
  image.gallery = in_gallery(record, place);
  corpus.images.push_back(std::move(image));
  if (!record.contains("captions")) return;
  for (const std::string& text : text_list(record["captions"], "captions", place))
    corpus.captions.push_back({std::string(trim(text)), require_words(text, words, "the caption", place), row});
}

struct Query {
  Modification change;
  std::vector<int64_t> targets;  // rows, ascending
  Place place;
};

/// Reads queries and decides which images answer together.
class Queries {
 public:
  Queries(Corpus& corpus, ChangeWords words) : corpus_(corpus), words_(words) {
    for (size_t row = 0; row < corpus.images.size(); ++row) rows_.add(corpus.images[row].id, static_cast<int64_t>(row));
  }

  void add(const Json& record, const Place& place) {
    require_known_fields(record, kQueryFields, place);
    const std::string text(trim(text_field(record, "text", place)));
    Query query{{.text = text,
                 .tokens = require_words(text, words_, "the text", place),
                 .split = split_of(record, place),
                 .target_label = -1,
                 .record = place.record},
                {},
                place};
    query.change.source_row = row_of(text_field(record, "source", place), "source", query);
    for (const std::string& target : text_list(list_field(record, "targets", place), "targets", place))
      query.targets.push_back(row_of(target, "target", query));
    check_targets(query);
    const auto [first, is_new] = seen_.emplace(std::tuple(query.change.source_row, text, query.targets), place.record);
    if (!is_new) throw DataError(place.text(), concat("duplicate query; first in line ", first->second));
    queries_.push_back(std::move(query));
  }

  /// Labels of the images, where they have no identities, then the modifications.
  void finish(RecordProblems& problems) {
    if (!corpus_.has_identities) join_targets(problems);
    for (Query& query : queries_) {
      query.change.source_label = image(query.change.source_row).label;
      query.change.target_label = image(query.targets.front()).label;
      if (query.targets.size() == 1) query.change.target_row = query.targets.front();
      problems.collect([&] {
        for (const int64_t target : query.targets)
          if (image(target).label != query.change.target_label)
            throw DataError(
                query.place.text(),
                concat("the targets are of two identities: ", escape_for_log(image(query.targets.front()).id), " and ",
                       escape_for_log(image(target).id)),
                "one query each, or one identity for all that answer");
        add_modification(corpus_, std::move(query.change));
      });
    }
  }

 private:
  CorpusImage& image(int64_t row) { return corpus_.images[static_cast<size_t>(row)]; }

  int64_t row_of(const std::string& id, const char* what, const Query& query) {
    const int64_t row = rows_.require(id, what, corpus_.source, query.place);
    if (image(row).split != query.change.split)
      throw DataError(query.place.text(),
                      concat("split leak: the query is of ", enum_text(query.change.split), ", its ", what, " '",
                             escape_for_log(id), "' of ", enum_text(image(row).split)));
    return row;
  }

  void check_targets(Query& query) {
    if (query.targets.empty()) throw DataError(query.place.text(), "field 'targets' is empty; an answer is needed");
    std::ranges::sort(query.targets);
    const auto is_wrong = [&](int64_t row, size_t i) {
      return row == query.change.source_row || !image(row).gallery || (i > 0 && query.targets[i - 1] == row);
    };
    for (size_t i = 0; i < query.targets.size(); ++i)
      if (const int64_t row = query.targets[i]; is_wrong(row, i))
        throw DataError(query.place.text(), concat("target '", escape_for_log(image(row).id), "' ",
                                                   row == query.change.source_row ? "is the source itself"
                                                   : !image(row).gallery          ? "is not in the gallery"
                                                                                  : "is named twice"));
  }

  // Images that answer one query together get one label.
  void join_targets(RecordProblems& problems) {
    std::vector<const Query*> first(corpus_.images.size(), nullptr);  // that names the image as its target
    bool joined = false;
    for (const Query& query : queries_)
      problems.collect([&] {
        for (const int64_t row : query.targets) {
          const Query*& other = first[static_cast<size_t>(row)];
          if (other && other->targets != query.targets)
            throw DataError(query.place.text(),
                            concat("target '", escape_for_log(image(row).id),
                                   "' answers other queries with other images"
                                   ", first in ",
                                   other->place.text()),
                            "give every image an identity that says who answers together, or name one target a query");
          if (!other) other = &query;
          image(row).label = query.targets.front();
        }
        joined = joined || query.targets.size() > 1;
      });
    if (!joined) return;
    corpus_.has_identities = true;
    for (const CorpusImage& each : corpus_.images) corpus_.label_names.push_back(each.id);
  }

  Corpus& corpus_;
  ChangeWords words_;
  ImageRows rows_;
  std::vector<Query> queries_;
  std::map<std::tuple<int64_t, std::string, std::vector<int64_t>>, int64_t> seen_;
};

}  // namespace composed_jsonl

Corpus ComposedJsonlReader::read() const {
  const auto images = options_.below_root(options_.annotations), queries = options_.below_root(options_.queries);
  Corpus corpus = begin_corpus(options_, images);
  corpus.records_are_lines = true;
  corpus.modification_source = queries.string();
  RecordProblems problems(images.string());
  const auto read_lines = [&](const std::filesystem::path& path, auto&& take) {
    for_each_line(
        path,
        [&](std::string_view line, const Place& place) {
          problems.collect([&] { take(parse_json(line, concat(path.string(), ":", place.record)), place); });
        },
        &problems);
    problems.throw_if_any();
  };
  ImageFinder finder(corpus.image_root);
  LabelNumbers labels(corpus);
  read_lines(images, [&](const Json& record, const Place& place) {
    composed_jsonl::add_image(corpus, record, place, finder, labels, options_.words);
  });
  composed_jsonl::Queries asked(corpus, options_.words);
  read_lines(queries, [&](const Json& record, const Place& place) { asked.add(record, place); });
  asked.finish(problems);
  problems.throw_if_any();
  finish_composed(corpus);
  return corpus;
}

}  // namespace diptych
