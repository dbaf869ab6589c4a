#include "diptych/report/search_page.h"

#include "diptych/core/text.h"
#include "diptych/report/page.h"
#include "report/query_card.h"

namespace diptych::report {
namespace searching {

constexpr size_t kHeadingBytes = 80;

Html picture_of(Thumbnails& thumbnails, const std::filesystem::path& file, const std::string& alternative) {
  return thumbnails.show(file.parent_path().empty() ? "." : file.parent_path(), file.filename().string(), alternative);
}

Html hit(Thumbnails& thumbnails, const SearchHit& found, size_t rank) {
  const Html line = text_element("span", concat("#", rank), {{"class", "rank"}}) +
                    text_element("span", score_text(found.score), {{"class", "score"}});
  const Html what = found.picture.empty() ? caption_box(found.text) : picture_of(thumbnails, found.picture, found.id);
  return element(
      "li", {{"class", "answer"}, {"data-item", concat(found.id, " ", found.text)}},
      element("span", {{"class", "answer-line"}}, line) + what + text_element("span", found.id, {{"class", "ids"}}));
}

Html answers(Thumbnails& thumbnails, const SearchedFor& query) {
  Html asked = query.picture.empty() ? element("blockquote", caption_box(query.text))
               : !query.text.empty() ? picture_of(thumbnails, query.picture, query.picture.filename().string()) +
                                           element("blockquote", caption_box(query.text))
                                     : picture_of(thumbnails, query.picture, query.picture.filename().string());
  if (!query.unknown.empty())
    asked += notice("note", paragraph("The model does not know: " + join(query.unknown, ", ")));
  Html list;
  for (size_t rank = 0; rank < query.hits.size(); ++rank) list += hit(thumbnails, query.hits[rank], rank + 1);
  const bool captions = !query.hits.empty() && query.hits.front().picture.empty();
  return element("article", {{"class", captions ? "query to-text" : "query to-image"}},
                 element("div", {{"class", "asked"}}, asked) + element("ol", {{"class", "answers"}}, list));
}

std::string heading_of(const SearchedFor& query) {
  const std::string picture = query.picture.filename().string();
  return cut_text(picture.empty() || query.text.empty() ? picture + query.text : concat(picture, ": ", query.text),
                  kHeadingBytes);
}

}  // namespace searching

std::string search_page(const std::string& scorer, const std::vector<SearchedFor>& queries,
                        const std::vector<std::pair<std::string, std::string>>& rows, const PictureReader& reader) {
  using namespace searching;
  Thumbnails thumbnails(reader);
  Page page("Search");
  page.lead(paragraph(
      concat(queries.size(), queries.size() == 1 ? " query" : " queries", ", best answers first by ", scorer, ".")));
  for (size_t i = 0; i < queries.size(); ++i) {
    const std::string id = concat("query-", i + 1);
    page.section(id, heading_of(queries[i]),
                 filter_box(id, "filter by name or text") + answers(thumbnails, queries[i]));
  }
  std::vector<std::pair<std::string, Html>> shown;
  for (const auto& [name, value] : rows) shown.emplace_back(name, Html::text(value));
  page.section("facts", "What was searched", facts(shown));
  page.definitions(thumbnails.definitions());
  return page.html();
}

}  // namespace diptych::report
