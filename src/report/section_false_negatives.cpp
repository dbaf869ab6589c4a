#include "diptych/core/text.h"
#include "diptych/report/false_negatives.h"
#include "eval/result_format.h"
#include "report/parts.h"
#include "report/query_card.h"

namespace diptych::report {
namespace {

constexpr size_t kListed = 50;

/// What a row of a direction's query or gallery side is: its picture, its text or both.
Html item_view(Parts& parts, const EvaluationRecord& evaluation, bool is_image, int64_t row) {
  if (is_image) return picture(parts, evaluation, row, caption_of(evaluation, row));
  return text_view(parts, evaluation, row);
}

Html side(const std::string& head, const Html& content, double score) {
  return element("div", {{"class", "side"}},
                 text_element("p", head, {{"class", "own"}}) + content +
                     text_element("p", concat("score ", score_text(score)), {{"class", "score"}}));
}

Html candidate(Parts& parts, const EvaluationRecord& evaluation, const std::string& direction,
               const FalseNegative& each) {
  const bool asks_image = direction == "i2t";
  const Html query =
      element("div", {{"class", "side"}},
              text_element("p", "query", {{"class", "own"}}) + item_view(parts, evaluation, asks_image, each.query));
  return element(
      "article", {{"class", "candidate"}, {"data-item", ""}},
      {query, side("found at rank 1", item_view(parts, evaluation, !asks_image, each.found), each.found_score),
       side(concat("annotated, rank ", with_commas(each.rank)),
            item_view(parts, evaluation, !asks_image, each.expected), each.expected_score),
       text_element("p",
                    concat(evaluation.result.composed ? "common words of the labels " : "common words ",
                           one_decimal(100 * each.overlap), " %"),
                    {{"class", "muted"}})});
}

Html direction_part(Parts& parts, const EvaluationRecord& evaluation, size_t direction, const std::string& id) {
  const auto list = likely_false_negatives(evaluation, direction, kListed);
  if (list.empty()) return paragraph("None: every rank-1 answer is right.");
  Html cards;
  const auto count = std::min(list.size(), static_cast<size_t>(parts.queries));
  for (size_t i = 0; i < count; ++i)
    cards += candidate(parts, evaluation, evaluation.result.ranks.at(direction).name, list[i]);
  const Json json = to_json(list, evaluation, direction);
  parts.page.data(id + "-json", json);
  return element("div", {{"class", "candidates"}}, cards) +
         folded(concat("As JSON (", list.size(), " candidates)"),
                code_block(id + "-text", json.dump(1, ' ', false, Json::error_handler_t::replace)));
}

}  // namespace

void add_false_negatives(Parts& parts) {
  std::vector<Panel> runs;
  for (size_t i = 0; i < parts.runs.size(); ++i) {
    if (!parts.runs[i].evaluation) continue;
    const EvaluationRecord& evaluation = *parts.runs[i].evaluation;
    std::vector<Panel> directions;
    for (size_t d = evaluation.result.ranks.size(); d-- > 0;)
      directions.push_back(
          {evaluation.result.ranks[d].name, direction_part(parts, evaluation, d, concat("fn-", i, "-", d))});
    runs.push_back({parts.runs[i].name, panels(concat("fn-", i), "Direction", directions)});
  }
  if (runs.empty()) return parts.not_available("Likely false negatives", "no evaluation with its items");
  parts.page.section(
      "false-negatives", "Likely false negatives",
      paragraph("Rank-1 answers that count as errors and score above the annotated pair, those first whose "
                "captions (of composed queries: the labels of the answer found and of the one asked for) use the same "
                "words: many are right, and the annotation misses them.") +
          by_run(parts, "fn-runs", runs));
}

}  // namespace diptych::report
