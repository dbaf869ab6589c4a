#pragma once
#include "report/parts.h"

namespace diptych::report {

/// One query with what was found for it: the query on the left (of a composed query the picture and how it is to be
/// changed), its best answers with rank and score on the right;
/// right answers are framed and say so, and the best relevant item is appended when it is not among them.
///
/// direction  index into evaluation.result.ranks
/// query      index into that direction's queries
/// answers    how many of the best to show
Html query_card(Parts& parts, const EvaluationRecord& evaluation, size_t direction, size_t query, size_t answers);

/// The picture of an image of the evaluation; `alternative` for those who do not see it.
Html picture(Parts& parts, const EvaluationRecord& evaluation, int64_t image, const std::string& alternative);
/// What an image shows, in words: its first caption; its label as annotated where captions are composed queries, which
/// do not describe it; "" if it has none.
std::string caption_of(const EvaluationRecord& evaluation, int64_t image);
/// What a query, or an item of a gallery, looks like that is a caption or a composed query.
Html text_view(Parts& parts, const EvaluationRecord& evaluation, int64_t caption);
/// "0.512", "-3.21".
std::string score_text(double score);

}  // namespace diptych::report
