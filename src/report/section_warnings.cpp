#include "diptych/core/text.h"
#include "diptych/report/protocol_warnings.h"
#include "report/parts.h"

namespace diptych::report {
namespace {

std::vector<std::string> remarks(const Parts& parts, const ReportRun& run) {
  std::vector<std::string> out;
  if (run.record.status.state != RunState::done)
    out.push_back(concat("the run is not finished: ", to_text(run.record.status)));
  if (!run.evaluation_problem.empty()) out.push_back(shown(parts, run.evaluation_problem));
  if (run.record.data.contains("notes") && run.record.data["notes"].is_array())
    for (const Json& note : run.record.data["notes"])
      if (note.is_string()) out.push_back(shown(parts, note.get<std::string>()));
  if (!run.evaluation) return out;
  for (const ProtocolWarning& warning : protocol_warnings(*run.evaluation)) out.push_back(warning.message);
  return out;
}

}  // namespace

void add_warnings(Parts& parts) {
  if (parts.runs.empty()) return;
  Html body;
  for (const ReportRun& run : parts.runs) {
    Html items;
    for (const std::string& remark : remarks(parts, run)) items += text_element("li", remark);
    if (items.empty()) continue;
    if (parts.runs.size() > 1) body += text_element("h3", run.name);
    body += element("ul", {{"class", "remarks"}}, items);
  }
  if (body.empty()) body = paragraph("Nothing to remark: no cut captions, unknown words, ties or skipped queries.");
  parts.page.section("warnings", "Protocol warnings", body);
}

}  // namespace diptych::report
