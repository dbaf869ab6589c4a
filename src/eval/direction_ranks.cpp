#include "eval/direction_ranks.h"

#include "diptych/core/text.h"

namespace diptych {

DirectionRanks with_ids(const std::string& name, const QueryRanks& ranks, const std::vector<std::string>& ids) {
  DirectionRanks out{name,
                     {},
                     ranks.first,
                     ranks.first_stable,
                     ranks.positives,
                     ranks.offsets,
                     ranks.positives_stable,
                     ranks.query,
                     ranks.first_tied,
                     ranks.positive_items,
                     ranks.positive_scores};
  for (const int64_t query : ranks.query)
    out.query_id.push_back(ids.empty() ? concat(query) : ids[static_cast<size_t>(query)]);
  return out;
}

}  // namespace diptych
