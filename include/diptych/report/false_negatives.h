#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "diptych/core/io/json.h"
#include "diptych/eval/evaluation_record.h"

namespace diptych {

/// A query whose best item counts as an error, although it may well be right.
struct FalseNegative {
  size_t position = 0;                         // of the query among the direction's queries
  int64_t query = 0, found = 0, expected = 0;  // rows: query; best of the gallery; best relevant item
  float found_score = 0, expected_score = 0;
  int32_t rank = 0;    // of the expected item
  double overlap = 0;  // 0 to 1: how far captions or labels use the same words
};

/// Rank-1 "errors" that score above the true pair, the likeliest first: by the overlap between the words of the query
/// and of what it found, which the model has no part in, then by how far the score lies above the true one. An image is
/// described by its captions; the best pair of captions counts. Of composed queries, which describe no image, the
/// labels as annotated of the image found and of the best right one are compared.
std::vector<FalseNegative> likely_false_negatives(const EvaluationRecord& record, size_t direction, size_t limit = 50);

/// For a person to go through: ids, captions, scores, rank, overlap.
Json to_json(const std::vector<FalseNegative>& list, const EvaluationRecord& record, size_t direction);

/// Lower-case runs of letters and digits; bytes of UTF-8 letters belong to words.
std::vector<std::string> words_of(std::string_view text);

}  // namespace diptych
