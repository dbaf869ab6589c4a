#include "report/query_card.h"

#include <algorithm>
#include <charconv>

#include "diptych/core/text.h"
#include "eval/result_format.h"

namespace diptych::report {
namespace {

constexpr size_t kAlternativeBytes = 300;

struct Positive {
  int64_t item;
  int32_t rank;
  float score;
};

std::vector<Positive> positives_of(const DirectionRanks& ranks, size_t query) {
  std::vector<Positive> out;
  for (auto i = static_cast<size_t>(ranks.offsets.at(query)); i < static_cast<size_t>(ranks.offsets.at(query + 1)); ++i)
    out.push_back({ranks.positive_items.at(i), ranks.positives.at(i), ranks.positive_scores.at(i)});
  return out;
}

/// What a direction's gallery holds: captions for i2t, images otherwise.
bool finds_captions(const DirectionRanks& ranks) { return ranks.name == "i2t"; }

Html rank_line(int64_t rank, double score, bool right) {
  Html out = text_element("span", concat("#", with_commas(rank)), {{"class", "rank"}}) +
             text_element("span", score_text(score), {{"class", "score"}});
  if (right) out += text_element("span", "\u2713 match", {{"class", "right"}});
  return element("span", {{"class", "answer-line"}}, out);
}

struct Answer {
  int64_t item, rank;
  double score;
  bool right, appended;
};

std::vector<Answer> answers_of(const EvaluationRecord& evaluation, size_t direction, size_t query, size_t count) {
  const DirectionRanks& ranks = evaluation.result.ranks.at(direction);
  const auto& top = evaluation.top.at(direction).at(query);
  const std::vector<Positive> positives = positives_of(ranks, query);
  std::vector<Answer> out;
  bool found = false;
  for (size_t i = 0; i < std::min(count, top.size()); ++i) {
    const bool right = std::ranges::count(positives, top[i].index, &Positive::item) > 0;
    found = found || right;
    out.push_back({top[i].index, static_cast<int64_t>(i + 1), top[i].score, right, false});
  }
  if (!found && !positives.empty()) {
    if (out.size() == count) out.pop_back();
    out.push_back({positives[0].item, positives[0].rank, positives[0].score, true, true});
  }
  return out;
}

Html answer_item(Parts& parts, const EvaluationRecord& evaluation, bool captions, const Answer& answer) {
  const std::string css = concat("answer", answer.right ? " is-right" : "", answer.appended ? " appended" : "");
  const Html line = rank_line(answer.rank, answer.score, answer.right);
  if (captions)
    return element("li", {{"class", css}},
                   line + caption_box(evaluation.captions.at(static_cast<size_t>(answer.item)).text));
  return element("li", {{"class", css}},
                 picture(parts, evaluation, answer.item, caption_of(evaluation, answer.item)) + line);
}

Html own_rank(const std::vector<Positive>& positives, bool composed) {
  if (positives.empty()) return {};
  const Positive& best = positives[0];
  std::string text = concat(composed ? "best right answer: rank " : "true pair: rank ", with_commas(best.rank),
                            ", score ", score_text(best.score));
  if (positives.size() > 1) text += concat(" (best of ", positives.size(), ")");
  return text_element("p", text, {{"class", "own"}});
}

}  // namespace

std::string score_text(double score) {
  char text[64];
  const int digits = std::abs(score) >= 100 ? 1 : std::abs(score) >= 10 ? 2 : 3;
  return {text, std::to_chars(text, text + sizeof text, score, std::chars_format::fixed, digits).ptr};
}

std::string caption_of(const EvaluationRecord& evaluation, int64_t image) {
  if (evaluation.result.composed) return evaluation.images.at(static_cast<size_t>(image)).identity;
  for (const EvaluatedCaption& caption : evaluation.captions)
    if (caption.image == image) return caption.text;
  return "";
}

Html picture(Parts& parts, const EvaluationRecord& evaluation, int64_t image, const std::string& alternative) {
  const EvaluatedImage& item = evaluation.images.at(static_cast<size_t>(image));
  return parts.thumbnails.show(evaluation.image_root, item.path,
                               cut_text(alternative.empty() ? item.id : alternative, kAlternativeBytes));
}

Html text_view(Parts& parts, const EvaluationRecord& evaluation, int64_t caption) {
  const EvaluatedCaption& item = evaluation.captions.at(static_cast<size_t>(caption));
  const Html text = element("blockquote", caption_box(item.text));
  return item.target < 0 ? text : picture(parts, evaluation, item.image, caption_of(evaluation, item.image)) + text;
}

Html query_card(Parts& parts, const EvaluationRecord& evaluation, size_t direction, size_t query, size_t answers) {
  const DirectionRanks& ranks = evaluation.result.ranks.at(direction);
  const bool captions = finds_captions(ranks);
  const int64_t row = ranks.query.at(query);
  const int64_t image = evaluation.image_of(ranks.name, row);
  Html left;
  if (captions)
    left += picture(parts, evaluation, image, caption_of(evaluation, image));
  else
    left += text_view(parts, evaluation, row);
  left += own_rank(positives_of(ranks, query), evaluation.result.composed);
  left += element("p", {{"class", "ids"}}, Html::text(ranks.query_id.at(query)));
  Html list;
  for (const Answer& answer : answers_of(evaluation, direction, query, answers))
    list += answer_item(parts, evaluation, captions, answer);
  return element("article", {{"class", captions ? "query to-text" : "query to-image"}, {"data-item", ""}},
                 element("div", {{"class", "asked"}}, left) + element("ol", {{"class", "answers"}}, list));
}

}  // namespace diptych::report
