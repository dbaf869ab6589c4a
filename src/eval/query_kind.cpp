#include "eval/query_kind.h"

#include "diptych/core/error.h"
#include "diptych/core/text.h"

namespace diptych {

void require_captions(const RetrievalSet& set, const std::string& protocol) {
  if (set.y_query.empty()) return;
  throw UsageError(concat("protocol ", protocol, " on the ", set.split, " split"),
                   "it matches images and texts, but the corpus has composed queries, an image and a change in words",
                   "evaluate under composed-retrieval or the protocol of the data set: css-2d, css-2d3d, css-3d, "
                   "fashion200k, mit-states, fashioniq-full, fashioniq-val, cirr");
}

void require_composed_queries(const RetrievalSet& set, const std::string& protocol) {
  if (set.y_query.empty())
    throw UsageError(concat("protocol ", protocol, " on the ", set.split, " split"),
                     "it ranks images for composed queries (an image and a change in words), but the corpus has "
                     "captions only",
                     "evaluate under image-retrieval or identity-retrieval, or use a corpus with modifications");
  if (static_cast<int64_t>(set.y_query.size()) != set.scores->cols())
    throw ShapeError(
        concat("RetrievalSet: y_query has ", set.y_query.size(), " entries for ", set.scores->cols(), " columns"));
}

}  // namespace diptych
