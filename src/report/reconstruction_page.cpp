#include "diptych/report/reconstruction_page.h"

#include <cstdio>

#include "diptych/core/text.h"
#include "diptych/report/page.h"
#include "report/parts.h"
#include "report/query_card.h"

namespace diptych::report {
namespace reconstructing {

constexpr size_t kHeadingBytes = 80;

std::string error_text(double error) {
  char text[32];
  std::snprintf(text, sizeof text, "%.5f", error);
  return text;
}

Html side(std::string_view name, const Html& content) {
  return element("div", {{"class", "side"}}, paragraph(name) + content);
}

Html nearest(Thumbnails& thumbnails, const ReconstructionView& view, const ShownReconstruction& query) {
  Html list;
  for (size_t i = 0; i < query.nearest.size(); ++i) {
    const ShownImage& found = query.nearest[i];
    Html line = text_element("span", concat("#", i + 1), {{"class", "rank"}}) +
                text_element("span", score_text(found.score), {{"class", "score"}});
    if (found.right) line += text_element("span", "\u2713 match", {{"class", "right"}});
    list += element("li", {{"class", found.right ? "answer is-right" : "answer"}},
                    element("span", {{"class", "answer-line"}}, line) +
                        thumbnails.show(view.image_root, found.picture.string(), found.id) +
                        text_element("span", found.id, {{"class", "ids"}}));
  }
  return element("div", {{"class", "to-image"}}, element("ol", {{"class", "answers"}}, list));
}

Html query_row(Thumbnails& thumbnails, const ReconstructionView& view, const ShownReconstruction& query) {
  const auto picture = [&](const ShownImage& image) {
    return thumbnails.show(view.image_root, image.picture.string(), image.id);
  };
  const Html sides =
      side("source", picture(query.source)) + side("change", element("blockquote", caption_box(query.change))) +
      side("target", picture(query.target)) +
      side("decoded source", thumbnails.show(query.decoded_source, "decoded embedding of the source")) +
      side("decoded composed feature", thumbnails.show(query.decoded_composed, "decoded composed feature")) +
      side("decoded target", thumbnails.show(query.decoded_target, "decoded embedding of the target"));
  return element("div", {{"class", "candidate"}}, sides) +
         text_element("h3", "Nearest test images of the composed feature") + nearest(thumbnails, view, query);
}

}  // namespace reconstructing

std::string reconstruction_page(const ReconstructionView& view, const PictureReader& reader) {
  using namespace reconstructing;
  Thumbnails thumbnails(reader);
  Page page("Reconstruction of composed features");
  page.lead(paragraph(concat(view.queries.size(), view.queries.size() == 1 ? " query" : " queries",
                             " of the test split. A decoder that was trained on embeddings of training images draws "
                             "what an embedding or a composed feature holds; it changes nothing in the model.")));
  page.lead(paragraph(concat("Mean squared error on test images, colours from 0 to 1: decoded embeddings ",
                             error_text(view.test_error), ", the mean training picture in their place ",
                             error_text(view.mean_error), ". Nearest by ", view.scorer,
                             "; the query's own image is left out.")));
  for (size_t i = 0; i < view.queries.size(); ++i)
    page.section(concat("query-", i + 1),
                 cut_text(concat(view.queries[i].source.id, ": ", view.queries[i].change), kHeadingBytes),
                 query_row(thumbnails, view, view.queries[i]));
  std::vector<std::pair<std::string, Html>> rows;
  for (const auto& [name, value] : view.facts) rows.emplace_back(name, Html::text(value));
  page.section("facts", "How it was made", facts(rows));
  page.definitions(thumbnails.definitions());
  return page.html();
}

}  // namespace diptych::report
