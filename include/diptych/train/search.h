#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "diptych/core/io/json.h"
#include "diptych/eval/top_k.h"
#include "diptych/train/gallery.h"
#include "diptych/train/trained_model.h"

namespace diptych {

/// One question to a gallery: a text, a picture, or a picture and a text that changes it (composed retrieval).
struct SearchQuery {
  View view = View::text;
  std::string content;      // the text, or the picture's path
  std::string place;        // for messages: "the query", "queries.txt:3"
  std::string change = {};  // of a picture: how it is to be changed; empty: not at all
};
/// Its answer, best first.
struct SearchAnswer {
  SearchQuery query;
  std::vector<std::string> unknown;  // words that the model does not know
  bool all_unknown = false;
  std::vector<Scored> best;  // index: item of the gallery
};
struct SearchOutcome {
  std::string scorer;
  std::vector<SearchAnswer> answers;
};

/// The k best items of the gallery for every query, by the model's scorer: text to image, image to text, and within one
/// view; and to an image changed by a text where the model composes. Exact.
///
/// throws CheckpointError when the gallery was made by another model (another run, checkpoint or preparation),
/// DataError for an empty text, an unreadable picture; UsageError for k < 1, no query, or a scorer that compares pairs
/// by a network; a text alone asked of a model that composes, a picture alone of one whose queries are no embeddings
/// (artemis), a change of one that does not compose.
SearchOutcome search(const Gallery& gallery, const TrainedModel& trained, const std::vector<SearchQuery>& queries,
                     int64_t k);

/// Queries of a file, one text a line; the same form as captions (encode_items.h). throws DataError.
std::vector<SearchQuery> read_queries(const std::string& file);

/// A table a query: rank, score, id, and the caption if the items are captions.
std::string to_text(const SearchOutcome& outcome, const Gallery& gallery);
Json to_json(const SearchOutcome& outcome, const Gallery& gallery);

}  // namespace diptych
