#include "diptych/core/text.h"
#include "diptych/report/explanation.h"
#include "report/parts.h"

namespace diptych::report {

void add_explanations(Parts& parts) {
  if (parts.runs.empty()) return;
  std::vector<Panel> list;
  for (size_t i = 0; i < parts.runs.size(); ++i) {
    const RunRecord& record = parts.runs[i].record;
    Html body;
    for (size_t e = 0; e < record.evaluations.size(); ++e)
      body += explanations(record.path / "eval" / record.evaluations[e].folder, parts.options.reader, parts.thumbnails,
                           concat("explained-", i, "-", e));
    if (!body.empty()) list.push_back({parts.runs[i].name, body});
  }
  if (list.empty()) return parts.not_available("Explanations", "none made yet: diptych explain RUN --pairs worst:8");
  parts.page.section(
      "explanations", "Explanations",
      paragraph("Why the model scores a pair as it does: the places of the picture that speak for the text, and the "
                "words that the score depends on. Each text stands with its own picture and, where that is another, "
                "with the picture that came first.") +
          by_run(parts, "explained-runs", list));
}

}  // namespace diptych::report
