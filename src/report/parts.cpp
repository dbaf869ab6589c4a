#include "report/parts.h"

#include <cmath>

#include "diptych/core/text.h"
#include "eval/result_format.h"

namespace diptych::report {
namespace {

constexpr size_t kLongestCaption = 12'000;

}  // namespace

std::string direction_words(const ProtocolResult& result, const std::string& direction) {
  if (direction == "i2t") return "image to text";
  if (direction == "t2i") return result.composed ? "changed image to image" : "text to image";
  return direction;
}

std::string shown(const Parts& parts, std::string_view text) {
  return parts.options.include_host ? std::string(text) : without_folders(text);
}

Html by_run(const Parts& parts, const std::string& id, const std::vector<Panel>& list) {
  return parts.runs.size() == 1 && list.size() == 1 ? list[0].content : panels(id, "Run", list);
}

std::string cut_text(std::string_view text, size_t limit) {
  if (text.size() <= limit) return std::string(text);
  size_t end = limit;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return concat(text.substr(0, end), "... (", with_commas(static_cast<int64_t>(text.size())), " bytes in full)");
}

Html caption_box(std::string_view text) {
  return element("span", {{"class", "cap"}}, text_element("bdi", cut_text(text, kLongestCaption), {{"dir", "auto"}}));
}

Html html_table(const Table& source, const std::string& id, bool filterable) {
  TableView view{id, source.title, {}, {}, true, filterable, 200};
  for (const Column& column : source.columns) view.columns.push_back({column.name, column.right, ""});
  for (const auto& row : source.rows) {
    std::vector<TableCell> cells;
    for (const Cell& cell : row) {
      TableCell out(cell.text);
      out.number = cell.number, out.strong = cell.bold;
      cells.push_back(std::move(out));
    }
    view.rows.push_back(std::move(cells));
  }
  Html out = table(view);
  for (const std::string& note : source.notes) out += element("p", {{"class", "muted"}}, Html::text(note));
  return out;
}

std::string metric_text(const std::string& name, const Metric& metric) {
  if (!metric.available) return concat("n/a (gallery=", metric.gallery, ")");
  const bool whole = name.ends_with("medr") && metric.value == std::floor(metric.value);
  return whole ? concat(static_cast<int64_t>(metric.value)) : one_decimal(metric.value);
}

TableCell metric_cell(const std::string& name, const Metric& metric) {
  TableCell cell(metric_text(name, metric));
  if (!metric.available) return cell;
  cell.number = metric.value;
  if (metric.low <= metric.high)
    cell.content +=
        text_element("span", concat(one_decimal(metric.low), "\u2013", one_decimal(metric.high)), {{"class", "ci"}});
  return cell;
}

}  // namespace diptych::report
