#pragma once
#include "report/parts.h"

namespace diptych::report {

/// One query with what was found for it: the query on the left, its best answers with rank and score on the right;
/// right answers are framed and say so, and the best relevant item is appended when it is not among them.
///
/// direction  index into evaluation.result.ranks
/// query      index into that direction's queries
/// answers    how many of the best to show
Html query_card(Parts& parts, const EvaluationRecord& evaluation, size_t direction, size_t query, size_t answers);

/// The picture of an image of the evaluation; `alternative` for those who do not see it.
Html picture(Parts& parts, const EvaluationRecord& evaluation, int64_t image, const std::string& alternative);
/// First caption of an image, "" if it has none.
std::string caption_of(const EvaluationRecord& evaluation, int64_t image);
/// "0.512", "-3.21".
std::string score_text(double score);

}  // namespace diptych::report
