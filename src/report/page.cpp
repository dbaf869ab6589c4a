#include "diptych/report/page.h"

#include <algorithm>

#include "diptych/core/error.h"
#include "diptych/core/io/hash.h"
#include "diptych/core/io/json.h"
#include "diptych/core/text.h"
#include "eval/result_format.h"
#include "report/page_assets.h"

namespace diptych::report {
namespace {

constexpr size_t kLongHead = 20;  // bytes from which a column's name may be broken into lines

bool is_id(std::string_view id) {
  return !id.empty() &&
         std::ranges::all_of(id, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
}

std::string policy(bool pictures_beside) {
  return concat("default-src 'none'; img-src data:", pictures_beside ? " 'self' file:" : "",
                "; style-src 'unsafe-inline'; script-src ", csp_hash(kPageScript),
                "; base-uri 'none'; form-action 'none'");
}

Html number_of(size_t index) { return text_element("span", concat(index + 1), {{"class", "no"}}); }

Html head(const std::string& title, bool pictures_beside) {
  return element(
      "head", {void_element("meta", {{"charset", "utf-8"}}),
               void_element("meta", {{"http-equiv", "Content-Security-Policy"}, {"content", policy(pictures_beside)}}),
               void_element("meta", {{"name", "viewport"}, {"content", "width=device-width, initial-scale=1"}}),
               void_element("meta", {{"name", "color-scheme"}, {"content", "light dark"}}),
               void_element("meta", {{"name", "referrer"}, {"content", "no-referrer"}}), text_element("title", title)});
}

std::string cell_class(const TableColumn& column, const TableCell& cell) {
  std::vector<std::string> classes;
  if (column.numeric) classes.push_back("n");
  if (!column.numeric && cell.content.markup().size() > 40) classes.push_back("w");
  if (cell.strong) classes.push_back("best");
  return join(classes, " ");
}

Html table_row(const TableView& view, const std::vector<TableCell>& row) {
  Html out;
  for (size_t j = 0; j < row.size(); ++j) {
    Attributes attributes;
    if (const std::string classes = cell_class(view.columns.at(j), row[j]); !classes.empty())
      attributes.push_back({"class", classes});
    if (row[j].number) attributes.push_back({"data-v", number_text(*row[j].number)});
    if (j == 0) attributes.push_back({"scope", "row"});
    const Html content = row[j].strong ? element("b", row[j].content) : row[j].content;
    out += j == 0 ? element("th", attributes, content) : element("td", attributes, content);
  }
  return element("tr", {{"data-item", ""}}, out);
}

Html table_head(const TableView& view) {
  Html heads;
  for (const TableColumn& column : view.columns) {
    Attributes attributes{{"scope", "col"}};
    std::vector<std::string> classes;
    if (column.numeric) classes.push_back("n");
    if (column.name.size() > kLongHead) classes.push_back("long");
    if (!classes.empty()) attributes.push_back({"class", join(classes, " ")});
    if (!column.note.empty()) attributes.push_back({"title", column.note});
    heads += text_element("th", column.name, attributes);
  }
  return element("thead", element("tr", heads));
}

}  // namespace

std::string csp_hash(std::string_view content) {
  const std::string hex = sha256(content);
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  return concat("'sha256-", base64(bytes), "'");
}

void Page::section(std::string id, std::string heading, Html body) {
  if (!is_id(id) || std::ranges::count(sections_, id, &Section::id))
    throw ShapeError(concat("report: section id '", escape_for_log(id), "' is not [a-z0-9-]+ or is used twice"));
  sections_.push_back({std::move(id), std::move(heading), std::move(body)});
}

void Page::data(const std::string& id, const Json& value) {
  if (!is_id(id)) throw ShapeError(concat("report: data id '", escape_for_log(id), "' is not [a-z0-9-]+"));
  data_ += concat("<script type=\"application/json\" id=\"", id, "\">", json_for_script(value), "</script>\n");
}

std::string Page::html() const {
  Html entries, body;
  for (size_t i = 0; i < sections_.size(); ++i) {
    const Section& each = sections_[i];
    const Html number = sections_.size() > 1 ? number_of(i) : Html();
    const Html name = Html::text(each.heading);
    entries += element("li", element("a", {{"href", "#" + each.id}}, number + name));
    body += element("section", {{"id", each.id}, {"aria-labelledby", each.id + "-h"}},
                    element("h2", {{"id", each.id + "-h"}}, number + name) + each.body);
  }
  const Html contents = sections_.size() < 2 ? Html()
                                             : element("nav", {{"class", "contents"}, {"aria-label", "Contents"}},
                                                       Html::literal("<h2>Contents</h2>") + element("ol", entries));
  const Html footer = footer_.empty() ? Html() : element("footer", footer_);
  const Html frame = element("div", {{"class", "frame"}},
                             {element("header", text_element("h1", title_) + lead_),
                              element("div", {{"class", contents.empty() ? "" : "body"}},
                                      contents + element("main", {{"id", "main"}, {"tabindex", "-1"}}, body)),
                              footer});
  std::string out = "<!DOCTYPE html>\n<html lang=\"en\">\n";
  const std::string opening = head(title_, pictures_beside_).markup();
  out += opening.substr(0, opening.size() - std::string_view("</head>").size());
  out += concat("<style>", kPageStyle,
                "</style></head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the content</a>\n");
  out += frame.markup();
  out += "\n<svg width=\"0\" height=\"0\" aria-hidden=\"true\" class=\"sr\"><defs>";
  out += definitions_.markup();
  out += concat("</defs></svg>\n", data_, "<script>", kPageScript, "</script>\n</body>\n</html>\n");
  return out;
}

Html table(const TableView& view) {
  const size_t shown = std::min(view.rows.size(), view.max_rows);
  Html rows;
  for (size_t i = 0; i < shown; ++i) rows += table_row(view, view.rows[i]);
  std::string caption = view.caption;
  if (shown < view.rows.size())
    caption += concat(caption.empty() ? "" : " ", "(showing ", with_commas(static_cast<int64_t>(shown)), " of ",
                      with_commas(static_cast<int64_t>(view.rows.size())), ")");
  Attributes attributes{{"id", view.id}};
  if (view.sortable && view.rows.size() > 1) attributes.push_back({"data-sort", ""});
  const Html body =
      element("table", attributes,
              {caption.empty() ? Html() : text_element("caption", caption), table_head(view), element("tbody", rows)});
  return (view.filterable ? filter_box(view.id, "Filter rows") : Html()) +
         element("div",
                 {{"class", "scroll"},
                  {"tabindex", "0"},
                  {"role", "region"},
                  {"aria-label", view.caption.empty() ? "table" : view.caption}},
                 body);
}

Html filter_box(const std::string& target_id, const std::string& label) {
  const std::string id = target_id + "-filter";
  return element(
      "div", {{"class", "filter"}, {"hidden", ""}, {"data-filter", target_id}},
      {text_element("label", label, {{"for", id}}),
       void_element("input", {{"id", id}, {"type", "search"}, {"autocomplete", "off"}, {"spellcheck", "false"}}),
       element("output", {{"for", id}, {"aria-live", "polite"}}, {})});
}

Html panels(const std::string& id, const std::string& label, const std::vector<Panel>& list) {
  Html out;
  for (const Panel& panel : list)
    out += element("div", {{"data-panel", panel.name}},
                   text_element("h3", panel.name, {{"class", "panel-name"}}) + panel.content);
  return element("div", {{"id", id}, {"data-panels", label}}, out);
}

Html code_block(const std::string& id, std::string_view text) {
  return element(
      "div", {{"class", "code"}},
      {element("pre", {{"id", id}, {"tabindex", "0"}}, Html::text(text)),
       text_element("button", "Copy", {{"class", "copy"}, {"type", "button"}, {"hidden", ""}, {"data-copy", id}})});
}

Html figure(const Html& content, std::string_view caption) {
  return element("figure", {{"class", "chart"}},
                 content + (caption.empty() ? Html() : text_element("figcaption", caption)));
}

Html grid(const Html& content) { return element("div", {{"class", "grid"}}, content); }

Html folded(std::string_view summary, const Html& content) {
  return element("details", text_element("summary", summary) + content);
}

Html notice(std::string_view kind, const Html& content) {
  const std::string word = kind == "warning" ? "Warning:" : "Note:";
  return element("div", {{"class", kind == "warning" ? "notice warning" : "notice"}},
                 text_element("b", word) + content);
}

Html paragraph(std::string_view text) { return text_element("p", text); }

Html facts(const std::vector<std::pair<std::string, Html>>& rows) {
  Html out;
  for (const auto& [term, description] : rows) out += text_element("dt", term) + element("dd", description);
  return element("dl", {{"class", "facts"}}, out);
}

}  // namespace diptych::report
