#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "diptych/report/html.h"

namespace diptych::report {

/// One offline HTML document: title, contents list, numbered sections, one style sheet, one small script. With scripts
/// off everything is visible; the script only sorts, filters, chooses panels and copies, and sets textContent alone.
/// A content security policy admits nothing from outside: no connection, no frame, no other script.
class Page {
 public:
  explicit Page(std::string title) : title_(std::move(title)) {}
  /// Below the title, before the contents list.
  void lead(const Html& markup) { lead_ += markup; }
  /// `id` is [a-z0-9-]+ and unique on the page; the contents list links to it. throws ShapeError otherwise.
  void section(std::string id, std::string heading, Html body);
  /// <script type="application/json" id="...">, for the page's script and for whoever reads the file with a program.
  void data(const std::string& id, const nlohmann::ordered_json& value);
  /// Hidden, at the end of the body: definitions that <use href="#..."> points to (thumbnails.h).
  void definitions(Html markup) { definitions_ += markup; }
  /// At the end of the page.
  void footer(const Html& markup) { footer_ += markup; }
  /// Pictures lie beside the page (--assets): the policy admits them.
  void allow_pictures_beside() { pictures_beside_ = true; }
  std::string html() const;

 private:
  struct Section {
    std::string id, heading;
    Html body;
  };
  std::string title_, data_;
  Html lead_, definitions_, footer_;
  std::vector<Section> sections_;
  bool pictures_beside_ = false;
};

/// A cell shows `content`; `number` is what its column sorts by.
struct TableCell {
  Html content;
  std::optional<double> number;
  bool strong = false;
  TableCell() = default;
  TableCell(Html markup) : content(std::move(markup)) {}
  TableCell(std::string_view text) : content(Html::text(text)) {}
  TableCell(const std::string& text) : TableCell(std::string_view(text)) {}
  TableCell(const char* text) : TableCell(std::string_view(text)) {}
  TableCell(std::string_view text, double value) : content(Html::text(text)), number(value) {}
};
struct TableColumn {
  std::string name = {};
  bool numeric = false;   // set to the right
  std::string note = {};  // shown on hover
};
/// Rows are headed by their first cell. The heads of a sortable table become buttons; a filterable one gets a box. At
/// most `max_rows` rows are written, and the caption says so ("showing 200 of 1,234").
struct TableView {
  std::string id, caption;
  std::vector<TableColumn> columns = {};
  std::vector<std::vector<TableCell>> rows = {};
  bool sortable = true, filterable = false;
  size_t max_rows = 200;
};
Html table(const TableView& view);

/// Search box over the elements with `data-item` inside the element `target_id`; hidden while scripts are off.
Html filter_box(const std::string& target_id, const std::string& label);
/// Named panels below one another; with scripts, buttons above them show one at a time.
struct Panel {
  std::string name;
  Html content;
};
Html panels(const std::string& id, const std::string& label, const std::vector<Panel>& panels);
/// Preformatted text in a box with a copy button.
Html code_block(const std::string& id, std::string_view text);
/// <figure> with a caption below.
Html figure(const Html& content, std::string_view caption);
/// Children side by side where there is room.
Html grid(const Html& content);
/// Unfolds on request; its content is printed and searched all the same.
Html folded(std::string_view summary, const Html& content);
/// A remark that deserves attention: "warning" and "note" differ in words and border, not by colour alone.
Html notice(std::string_view kind, const Html& content);
Html paragraph(std::string_view text);
/// Term and description, two columns.
Html facts(const std::vector<std::pair<std::string, Html>>& rows);

/// Content-security-policy source of an inline script or style: 'sha256-<base64>'.
std::string csp_hash(std::string_view content);

}  // namespace diptych::report
