#pragma once
#include <cstdint>
#include <vector>

#include "diptych/eval/ranks.h"

namespace diptych {

/// Ranks within the second, smaller gallery of composed queries (CIRR's sets of six).
struct SubsetRanks {
  QueryRanks ranks;    // query, first and first_stable of those whose subset holds an answer
  int64_t fewest = 0;  // images in the smallest of their subsets
};

/// set        y_query, y_label and x_label are used; an answer has the query's label
/// left_out   rows that each query leaves out
/// row_block  -1: not ranked, in no subset either
/// throws     ShapeError for a subset of rows that do not exist
SubsetRanks subset_ranks(const ScoreTiles& scores, const RetrievalSet& set, const IndexLists& left_out,
                         const std::vector<int32_t>& row_block);

}  // namespace diptych
