#include "diptych/core/text.h"
#include "diptych/report/svg.h"
#include "report/parts.h"
#include "report/query_card.h"

namespace diptych::report {
namespace {

constexpr size_t kNoteBytes = 90;

Html map_chart(const ReportRun& run, const std::string& title) {
  const EmbeddingMap& map = *run.map;
  ScatterChart chart{
      .text = {.title = title,
               .description = concat(
                   map.description,
                   ". Lines join true pairs: short lines mean that the views agree. Trustworthiness of 5 neighbours ",
                   score_text(map.trustworthiness), ".")}};
  const bool composed = run.evaluation->result.composed;
  PointGroup images{.name = composed ? "answers" : "images"}, captions{.name = composed ? "queries" : "captions"};
  for (const EmbeddingMap::Pair& pair : map.pairs) {
    images.x.push_back(pair.image_x), images.y.push_back(pair.image_y);
    captions.x.push_back(pair.caption_x), captions.y.push_back(pair.caption_y);
    images.notes.push_back(cut_text(run.evaluation->images.at(static_cast<size_t>(pair.image)).id, kNoteBytes));
    captions.notes.push_back(cut_text(run.evaluation->captions.at(static_cast<size_t>(pair.caption)).text, kNoteBytes));
    const auto index = static_cast<int64_t>(chart.pairs.size());
    chart.pairs.emplace_back(index, index);
  }
  chart.groups = {std::move(images), std::move(captions)};
  return scatter_chart(chart);
}

}  // namespace

void add_map(Parts& parts) {
  Html charts;
  for (const ReportRun& run : parts.runs) {
    if (!run.map || run.map->pairs.size() < 2) continue;
    const bool composed = run.evaluation->result.composed;
    charts += map_chart(run, parts.runs.size() > 1 ? run.name
                             : composed            ? "Queries and answers"
                                                   : "Images and captions");
  }
  if (charts.empty()) return parts.not_available("Embedding map", "no evaluation with embeddings and captions");
  parts.page.section("map", "Embedding map", element("div", {{"class", "grid maps"}}, charts));
}

}  // namespace diptych::report
