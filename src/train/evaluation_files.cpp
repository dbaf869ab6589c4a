#include <torch/torch.h>

#include <algorithm>
#include <tuple>

#include "diptych/core/io/fs.h"
#include "diptych/core/io/json.h"
#include "diptych/core/text.h"
#include "diptych/eval/class_texts.h"
#include "diptych/eval/evaluation_record.h"
#include "diptych/eval/left_out.h"
#include "diptych/eval/rescore.h"
#include "train/split_ids.h"

namespace diptych {
namespace {

std::vector<EvaluatedImage> evaluated_images(const Corpus& corpus, const EncodedSplit& encoded,
                                             const ProtocolResult& result) {
  std::vector<EvaluatedImage> out;
  for (size_t i = 0; i < encoded.image_rows.size(); ++i) {
    const CorpusImage& image = corpus.images[static_cast<size_t>(encoded.image_rows[i])];
    out.push_back({image.id, image.path,
                   corpus.has_identities ? corpus.label_names[static_cast<size_t>(image.label)] : std::string(),
                   image.label, result.x_fold[i]});
  }
  return out;
}

/// Class texts stand in the place of captions under the class's name.
std::vector<EvaluatedCaption> evaluated_classes(const SplitIds& ids, const ProtocolResult& result) {
  std::vector<EvaluatedCaption> out;
  for (size_t i = 0; i < ids.y.size(); ++i)
    out.push_back({ids.y[i], ids.y[i], ids.y_image[i], 0, 0, false, result.y_fold[i]});
  return out;
}

std::vector<EvaluatedCaption> evaluated_captions(const DataBundle& data, const EncodedSplit& encoded,
                                                 const SplitIds& ids, const ProtocolResult& result) {
  std::vector<EvaluatedCaption> out;
  for (size_t i = 0; i < encoded.caption_rows.size(); ++i) {
    const SplitText text = text_of(data.corpus, encoded, i);
    const std::vector<int64_t>& read = data.token_ids[static_cast<size_t>(encoded.caption_rows[i])];
    const size_t units = data.text_unit == TextUnit::word ? text.tokens.size() : characters(text.text).size();
    const size_t marks = std::ranges::count(read, Vocabulary::kStart) + std::ranges::count(read, Vocabulary::kEnd);
    out.push_back({ids.y[i], text.text, ids.y_image[i], static_cast<int64_t>(units),
                   std::ranges::count(read, Vocabulary::kUnknown), read.size() - marks < units, result.y_fold[i],
                   encoded.source_rows.empty() ? -1 : text.label});
  }
  return out;
}

/// The lists of each direction's queries.
std::vector<std::vector<std::vector<Scored>>> top_of_queries(const ProtocolResult& result, const ScoreTiles& tiles) {
  const TopLists lists = top_lists(tiles, kTopItems, result.x_fold, result.y_fold);
  std::vector<std::vector<std::vector<Scored>>> out;
  for (const DirectionRanks& ranks : result.ranks) {
    auto& of_direction = out.emplace_back();
    for (const int64_t query : ranks.query)
      of_direction.push_back((ranks.name == "i2t" ? lists.cols_of_row : lists.rows_of_col)[static_cast<size_t>(query)]);
  }
  return out;
}

std::string absolute_root(const std::filesystem::path& root) {
  if (root.empty()) return "";
  const std::filesystem::path path = std::filesystem::absolute(root).lexically_normal();
  return (path.has_filename() ? path : path.parent_path()).string();  // without a slash at the end
}

// A line for each pair of opposites.
std::string opposite_lines(const EvaluationRecord& record) {
  std::string out;
  for (const OppositePair& pair : record.result.opposites) {
    Json line{{"relation", pair.relation}, {"images", Json::array()}, {"captions", Json::array()}};
    for (const int64_t image : pair.image) line["images"].push_back(record.images[static_cast<size_t>(image)].id);
    for (const int64_t caption : pair.caption)
      line["captions"].push_back(record.captions[static_cast<size_t>(caption)].text);
    for (const auto& scores : pair.score) line["scores"].push_back({scores[0], scores[1]});
    out += dump_line(line) + "\n";
  }
  return out;
}

}  // namespace

SplitText text_of(const Corpus& corpus, const EncodedSplit& encoded, size_t number) {
  const auto row = static_cast<size_t>(encoded.caption_rows[number]);
  if (encoded.source_rows.empty()) {
    const CorpusCaption& caption = corpus.captions[row];
    return {caption.text, caption.tokens, caption.image_row,
            corpus.images[static_cast<size_t>(caption.image_row)].label};
  }
  const Modification& change = corpus.modifications[row];
  return {change.text, change.tokens, encoded.source_rows[number], change.target_label};
}

std::vector<int64_t> labels_of(const Corpus& corpus, const EncodedSplit& encoded) {
  std::vector<int64_t> out;
  for (const int64_t row : encoded.image_rows) out.push_back(corpus.images[static_cast<size_t>(row)].label);
  return out;
}

std::vector<bool> gallery_of(const Corpus& corpus, const EncodedSplit& encoded) {
  std::vector<bool> out;
  for (const int64_t row : encoded.image_rows) out.push_back(corpus.images[static_cast<size_t>(row)].gallery);
  return out;
}

SplitIds ids_of(const Corpus& corpus, const EncodedSplit& encoded) {
  SplitIds ids;
  std::vector<int64_t> place(corpus.images.size(), -1), captions_seen(corpus.images.size(), 0);
  for (const int64_t row : encoded.image_rows) {
    place[static_cast<size_t>(row)] = static_cast<int64_t>(ids.x.size());
    ids.x.push_back(corpus.images[static_cast<size_t>(row)].id);
  }
  for (size_t i = 0; i < encoded.caption_rows.size(); ++i) {
    const auto image = static_cast<size_t>(text_of(corpus, encoded, i).image_row);
    ids.y.push_back(concat(corpus.images[image].id, "#", captions_seen[image]++));
    ids.y_image.push_back(place[image]);
  }
  return ids;
}

RankedTexts ranked_texts(const Corpus& corpus, const EncodedSplit& encoded,
                         const std::optional<ClassTextOptions>& class_texts) {
  RankedTexts out{encoded.y, ids_of(corpus, encoded), {}, {}};
  for (size_t i = 0; i < encoded.caption_rows.size(); ++i) out.label.push_back(text_of(corpus, encoded, i).label);
  if (!class_texts) return out;
  ClassTexts classes = diptych::class_texts(encoded.y, out.label, out.ids.y_image, *class_texts);
  SplitIds ids{std::move(out.ids.x), {}, {}};
  for (const int64_t label : classes.label) {
    const auto name = static_cast<size_t>(label);
    ids.y.push_back(name < corpus.label_names.size() ? corpus.label_names[name] : concat(label));
    const auto described = std::ranges::find(out.label, label) - out.label.begin();
    ids.y_image.push_back(out.ids.y_image[static_cast<size_t>(described)]);
  }
  return {classes.embeddings, std::move(ids), std::move(classes.label), std::move(classes.captions)};
}

void write_evaluation(const std::filesystem::path& directory, const ProtocolResult& result, const DataBundle& data,
                      const EncodedSplit& encoded, System& system) {
  const at::NoGradGuard no_grad;
  const Scorer& scorer = system.model->scorer();
  EvaluationRecord record;
  record.result = result;
  record.corpus = data.corpus.name;
  record.image_root = absolute_root(data.corpus.image_root);
  record.scorer = encoded.scored_by.empty() ? scorer.describe() : encoded.scored_by;
  record.images = evaluated_images(data.corpus, encoded, result);
  const RankedTexts texts = ranked_texts(data.corpus, encoded, result.class_texts);
  record.captions =
      result.class_texts ? evaluated_classes(texts.ids, result) : evaluated_captions(data, encoded, texts.ids, result);
  const bool by_vectors = scorer.indexable() && !encoded.scores.defined();
  if (by_vectors) record.x = scorer.prepare(encoded.x, true), record.y = scorer.prepare(texts.y, false);
  record.x_points = encoded.x, record.y_points = scorer.places(texts.y);
  const auto all_tiles = text_tiles(system, encoded, texts);
  std::unique_ptr<ScoreTiles> ranked_tiles;
  if (!encoded.source_rows.empty())
    ranked_tiles =
        without_own(*all_tiles, texts.ids.y_image, labels_of(data.corpus, encoded), gallery_of(data.corpus, encoded));
  const ScoreTiles* tiles = ranked_tiles ? ranked_tiles.get() : all_tiles.get();
  if (result.rescore.method == Rescore::none) {
    record.top = top_of_queries(result, *tiles);
  } else {
    const Rescoring rescoring = rescoring_of(*tiles, result.rescore, result.x_fold, result.y_fold);
    record.top = top_of_queries(result, *rescored(*tiles, rescoring));
    if (by_vectors) std::tie(record.x, record.y) = rescored_embeddings(record.x, record.y, rescoring);
    record.scorer += describe(result.rescore);
  }
  write_evaluation_record(directory, record);
  if (!result.opposites.empty()) write_file_atomically(directory / "pairs.jsonl", opposite_lines(record));
}

}  // namespace diptych
