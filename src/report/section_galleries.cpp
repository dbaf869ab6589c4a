#include <cctype>

#include "diptych/core/text.h"
#include "diptych/report/gallery_choice.h"
#include "report/parts.h"
#include "report/query_card.h"

namespace diptych::report {
namespace {

constexpr size_t kImages = 8, kCaptions = 8;

Panel group(Parts& parts, const EvaluationRecord& evaluation, size_t direction, const std::string& name,
            const std::vector<size_t>& queries) {
  Html cards;
  const size_t answers = evaluation.result.ranks.at(direction).name == "i2t" ? kCaptions : kImages;
  for (const size_t query : queries) cards += query_card(parts, evaluation, direction, query, answers);
  return {name, cards};
}

Html direction_galleries(Parts& parts, const EvaluationRecord& evaluation, size_t direction, const std::string& id) {
  const GalleryChoice choice = choose_gallery(evaluation, direction, static_cast<size_t>(parts.queries));
  return panels(id, "Which queries",
                {group(parts, evaluation, direction, "Random", choice.random),
                 group(parts, evaluation, direction, "Best", choice.best),
                 group(parts, evaluation, direction, "Median", choice.median),
                 group(parts, evaluation, direction, "Worst", choice.worst)});
}

Html run_galleries(Parts& parts, const ReportRun& run, const std::string& id) {
  std::vector<Panel> directions;
  for (size_t d = run.evaluation->result.ranks.size(); d-- > 0;) {  // text to image first: it has the pictures
    const ProtocolResult& result = run.evaluation->result;
    std::string name = direction_words(result, result.ranks[d].name);
    name.replace(0, 1, 1, static_cast<char>(std::toupper(static_cast<unsigned char>(name.front()))));
    directions.push_back({name, direction_galleries(parts, *run.evaluation, d, concat(id, "-", d))});
  }
  return panels(id, "Direction", directions);
}

}  // namespace

void add_galleries(Parts& parts) {
  std::vector<Panel> runs;
  for (size_t i = 0; i < parts.runs.size(); ++i)
    if (parts.runs[i].evaluation)
      runs.push_back({parts.runs[i].name, run_galleries(parts, parts.runs[i], concat("gallery-", i))});
  if (runs.empty()) return parts.not_available("Galleries", "no evaluation with its items");
  parts.page.section(
      "galleries", "Galleries",
      paragraph("The query and its best answers, with rank and score. Right answers are framed and marked "
                "\"\u2713 match\"; when none is among the best, the true one stands last, in a dashed frame. The "
                "random sample is "
                "the honest view: it does not depend on the ranks.") +
          filter_box("gallery", "Search queries and answers") +
          element("div", {{"id", "gallery"}}, by_run(parts, "gallery-runs", runs)));
}

}  // namespace diptych::report
