#include "diptych/train/search.h"

#include <torch/torch.h>

#include <algorithm>
#include <cstdio>

#include "diptych/core/text.h"
#include "diptych/data/image/pipeline.h"
#include "diptych/eval/nearest.h"
#include "diptych/train/encode_items.h"
#include "train/scorer_tiles.h"

namespace diptych {
namespace {

void require_model_of(const Gallery& gallery, const TrainedModel& trained) {
  if (gallery.header.model == trained.fingerprint) return;
  const GalleryHeader& header = gallery.header;
  throw CheckpointError(escape_for_log(trained.run.string(), 400),
                        concat("checkpoint ", trained.checkpoint, " is not the model that made the gallery (run ",
                               escape_for_log(header.run, 400), ", checkpoint ", escape_for_log(header.checkpoint),
                               "): their embeddings cannot be compared"),
                        "search with --model and --checkpoint of that run, or encode the gallery again");
}

/// [1, 3, height, width], as the encoder sees it in testing.
at::Tensor read_picture(const std::string& file, const ImageOptions& options) {
  const at::Tensor view = transform_image(decode_image(file, options), options, nullptr);
  at::Tensor slab = at::empty({1, options.height, options.width, 3}, at::kFloat);
  normalise_into(view, options.normalise, slab.data_ptr<float>());
  return slab.permute({0, 3, 1, 2});
}

void require_forms(const TrainedModel& trained, const std::vector<SearchQuery>& queries) {
  for (const SearchQuery& query : queries) {
    if (trained.composes() && query.view == View::text)
      throw UsageError::command_line(
          concat("'", escape_for_log(query.content, 200),
                 "': this model was trained to change a picture by a text, not on texts alone"),
          "give the picture too: --image FILE --text \"TEXT\"");
    if (trained.composes() && query.change.empty() && trained.model->query_dimension() != trained.model->dimension())
      throw UsageError::command_line(concat("'", escape_for_log(query.content, 200),
                                            "': this model compares pictures in what a text asks for only"),
                                     "give the text too: --image FILE --text \"TEXT\"");
    if (!trained.composes() && !query.change.empty())
      throw UsageError::command_line(
          "--image with --text: this model matches pictures and texts, it does not compose both",
          "ask by one of them, or train with model.composer");
  }
}

/// Notes the words of the query's text that the model does not know.
std::vector<int64_t> read_words(const TrainedModel& trained, const std::string& text, SearchAnswer& answer) {
  TrainedModel::Words words = trained.read_text(text, answer.query.place);
  answer.unknown = std::move(words.unknown);
  answer.all_unknown = words.unknown_count == words.count;
  return std::move(words.ids);
}

/// [1, query_dimension] of a picture, changed by a text or not.
at::Tensor embed_picture(const TrainedModel& trained, SearchAnswer& answer) {
  const at::Tensor picture = read_picture(answer.query.content, trained.experiment->data.image);
  if (answer.query.change.empty()) return trained.embed_images(picture);
  return trained.embed_queries(picture, {read_words(trained, answer.query.change, answer)});
}

/// [Q, query_dimension] raw embeddings; notes unknown words.
at::Tensor embed_queries(const TrainedModel& trained, std::vector<SearchAnswer>& answers) {
  std::vector<std::vector<int64_t>> texts;
  std::vector<int64_t> text_rows;
  at::Tensor out = at::empty({static_cast<int64_t>(answers.size()), trained.model->query_dimension()}, at::kFloat);
  for (size_t i = 0; i < answers.size(); ++i) {
    SearchAnswer& answer = answers[i];
    if (answer.query.view == View::image) {
      out[static_cast<int64_t>(i)].copy_(embed_picture(trained, answer)[0]);
      continue;
    }
    texts.push_back(read_words(trained, answer.query.content, answer));
    text_rows.push_back(static_cast<int64_t>(i));
  }
  if (!texts.empty()) out.index_copy_(0, torch::tensor(text_rows, at::kLong), trained.embed_texts(texts));
  return out;
}

std::string fixed(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%8.4f", value);
  return text;
}

}  // namespace

SearchOutcome search(const Gallery& gallery, const TrainedModel& trained, const std::vector<SearchQuery>& queries,
                     int64_t k) {
  if (queries.empty()) throw UsageError::command_line("no query given", "diptych search GALLERY \"TEXT\"");
  if (k < 1) throw UsageError::command_line(concat("-k ", k, ": expected 1 or more"));
  Scorer& scorer = trained.model->scorer();
  if (trained.model->pair_scorer())
    throw UsageError::command_line(
        concat("the scorer '", scorer.describe(), "' compares pairs by a network and cannot search a gallery"));
  require_forms(trained, queries);
  require_model_of(gallery, trained);
  if (gallery.embeddings.size(1) != trained.model->dimension())
    throw DataError("gallery", concat("its embeddings have ", gallery.embeddings.size(1), " numbers, the model's ",
                                      trained.model->dimension()));
  SearchOutcome outcome{scorer.describe(), {}};
  for (const SearchQuery& query : queries) outcome.answers.push_back({query, {}, false, {}});
  at::NoGradGuard no_grad;
  const at::Tensor embedded = embed_queries(trained, outcome.answers);
  const auto lists = scorer.indexable()
                         ? top_rows(scorer.prepare(embedded, true), scorer.prepare(gallery.embeddings, false), k)
                         : top_scored(scorer, trained.device, embedded, gallery.embeddings, k);
  for (size_t i = 0; i < lists.size(); ++i) outcome.answers[i].best = lists[i];
  return outcome;
}

std::vector<SearchQuery> read_queries(const std::string& file) {
  const EncodeItems captions = read_captions(file);
  std::vector<SearchQuery> queries;
  for (size_t i = 0; i < captions.content.size(); ++i)
    queries.push_back({View::text, captions.content[i], captions.places[i]});
  return queries;
}

std::string to_text(const SearchOutcome& outcome, const Gallery& gallery) {
  std::string text;
  for (const SearchAnswer& answer : outcome.answers) {
    text += concat(
        answer.query.view == View::text ? "text" : "picture", " \"", escape_for_log(answer.query.content, 200), "\"",
        answer.query.change.empty() ? "" : concat(" changed by \"", escape_for_log(answer.query.change, 200), "\""),
        "\n  rank     ", outcome.scorer, "  id\n");
    for (size_t rank = 0; rank < answer.best.size(); ++rank) {
      const auto item = static_cast<size_t>(answer.best[rank].index);
      const std::string number = std::to_string(rank + 1);
      text += concat(std::string(number.size() < 6 ? 6 - number.size() : 0, ' '), number, "  ",
                     fixed(answer.best[rank].score), "  ", escape_for_log(gallery.ids[item], 100),
                     gallery.header.view == View::text ? "  " + escape_for_log(gallery.content[item], 100) : "", "\n");
    }
  }
  return text;
}

Json to_json(const SearchOutcome& outcome, const Gallery& gallery) {
  Json queries = Json::array();
  const char* content = gallery.header.view == View::image ? "file" : "text";
  for (const SearchAnswer& answer : outcome.answers) {
    Json results = Json::array();
    for (size_t rank = 0; rank < answer.best.size(); ++rank) {
      const auto item = static_cast<size_t>(answer.best[rank].index);
      results.push_back({{"rank", rank + 1},
                         {"score", answer.best[rank].score},
                         {"id", gallery.ids[item]},
                         {content, gallery.content[item]}});
    }
    queries.push_back({{answer.query.view == View::image ? "image" : "text", answer.query.content},
                       {"unknown_words", answer.unknown},
                       {"results", results}});
    if (!answer.query.change.empty()) queries.back()["text"] = answer.query.change;
  }
  return Json{{"scorer", outcome.scorer},
              {"gallery",
               {{"view", gallery.header.view == View::image ? "image" : "text"},
                {"items", gallery.ids.size()},
                {"run", gallery.header.run},
                {"checkpoint", gallery.header.checkpoint}}},
              {"queries", queries}};
}

}  // namespace diptych
