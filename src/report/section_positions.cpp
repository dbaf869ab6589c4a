#include <map>

#include "diptych/core/text.h"
#include "diptych/report/positions.h"
#include "report/parts.h"
#include "report/query_card.h"

namespace diptych::report {
namespace {

Html opposites_of(Parts& parts, const ReportRun& run, const std::string& id) {
  const EvaluationRecord& evaluation = *run.opposites;
  std::map<std::string, int64_t> rows;
  for (size_t i = 0; i < evaluation.images.size(); ++i) rows.emplace(evaluation.images[i].id, static_cast<int64_t>(i));
  const auto show = [&](const std::string& image, const std::string& alternative) {
    const auto row = rows.find(image);
    return row == rows.end() ? text_element("code", image) : picture(parts, evaluation, row->second, alternative);
  };
  return positions(run.opposites_folder, show, id);
}

}  // namespace

void add_positions(Parts& parts) {
  std::vector<Panel> list;
  for (size_t i = 0; i < parts.runs.size(); ++i)
    if (parts.runs[i].opposites)
      list.push_back({parts.runs[i].name, opposites_of(parts, parts.runs[i], concat("opposites-", i))});
  if (!list.empty()) parts.page.section("positions", "Opposite positions", by_run(parts, "opposites-runs", list));
}

}  // namespace diptych::report
