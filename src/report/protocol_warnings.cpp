#include "diptych/report/protocol_warnings.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "diptych/core/text.h"
#include "eval/result_format.h"

namespace diptych {
namespace {

double percent_of(int64_t part, int64_t whole) {
  return whole > 0 ? 100 * static_cast<double>(part) / static_cast<double>(whole) : 0;
}

/// "1.5 %", "0.04 %" with a space that does not break: two digits that count.
std::string percent_text(double percent) {
  char text[32];
  const auto end =
      std::to_chars(text, text + sizeof text, percent, std::chars_format::general, percent < 10 ? 2 : 3).ptr;
  return std::string(text, end) + "\u00a0%";
}

/// Captions whose text also stands with an image that is not relevant to them.
int64_t repeated_captions(const EvaluationRecord& record) {
  std::map<std::string_view, std::set<int64_t>> labels;  // of the images that a text stands with
  const auto label = [&](const EvaluatedCaption& caption) {
    return record.result.by_identity ? record.images[static_cast<size_t>(caption.image)].label : caption.image;
  };
  for (const EvaluatedCaption& caption : record.captions)
    if (caption.fold >= 0) labels[caption.text].insert(label(caption));
  return std::ranges::count_if(record.captions, [&](const EvaluatedCaption& caption) {
    return caption.fold >= 0 && labels[caption.text].size() > 1;
  });
}

}  // namespace

std::vector<ProtocolWarning> protocol_warnings(const EvaluationRecord& record) {
  std::vector<ProtocolWarning> out;
  const auto add = [&](const std::string& what, int64_t part, int64_t whole, const std::string& sentence) {
    if (part == 0) return;
    const double percent = percent_of(part, whole);
    out.push_back(
        {what, percent,
         concat(with_commas(part), " of ", with_commas(whole), " ", sentence, " (", percent_text(percent), ")")});
  };
  if (record.result.collapsed)
    out.push_back({"collapse", 100, "the model gives all items the same embedding: these numbers mean nothing"});
  int64_t queries = 0;
  for (const DirectionRanks& ranks : record.result.ranks) {
    const auto tied = std::ranges::count_if(ranks.first_tied, [](int32_t count) { return count > 0; });
    queries += static_cast<int64_t>(ranks.query.size());
    add("ties", tied, static_cast<int64_t>(ranks.query.size()),
        concat(ranks.name, " queries have a wrong item of exactly the right one's score"));
  }
  add("skipped queries", record.result.skipped_queries, queries + record.result.skipped_queries,
      "queries have nothing relevant in their gallery and were skipped");
  const auto captions =
      std::ranges::count_if(record.captions, [](const EvaluatedCaption& caption) { return caption.fold >= 0; });
  const char* texts = record.result.composed ? "changes" : "captions";
  if (!record.result.composed)  // the same change is asked of many images
    add("repeated captions", repeated_captions(record), captions,
        "captions stand word for word with several images, of which one counts as right");
  int64_t tokens = 0, unknown = 0, cut = 0;
  for (const EvaluatedCaption& caption : record.captions) {
    if (caption.fold < 0) continue;
    tokens += caption.tokens, unknown += caption.unknown, cut += caption.cut;
  }
  add("unknown words", unknown, tokens, concat("words of the ", texts, " are not in the vocabulary"));
  add(concat("cut ", texts), cut, captions, concat(texts, " are longer than the model reads and were cut"));
  return out;
}

}  // namespace diptych
