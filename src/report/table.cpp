#include "diptych/report/table.h"

#include <algorithm>
#include <charconv>

#include "diptych/core/text.h"

namespace diptych {
namespace {

constexpr size_t kWhole = std::string::npos;

std::string bold_if(bool bold, const std::string& open, const std::string& text, const std::string& close) {
  return bold && !text.empty() ? open + text + close : text;
}

std::string markdown_row(const std::vector<std::string>& cells) { return "| " + join(cells, " | ") + " |\n"; }

std::string padded(const std::string& text, size_t width, bool right) {
  const size_t used = display_width(text);
  const std::string space(width > used ? width - used : 0, ' ');
  return right ? space + text : text + space;
}

/// A comment cannot be left: no line break survives.
std::string latex_comment(std::string_view text) { return "% " + escape_for_log(text, kWhole) + "\n"; }

}  // namespace

size_t display_width(std::string_view text) {
  return static_cast<size_t>(std::ranges::count_if(text, [](char c) { return (c & '\xc0') != '\x80'; }));
}

std::string escape_for_markdown(std::string_view text) {
  std::string out;
  for (const char c : escape_for_log(text, kWhole)) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else {
      if (std::string_view("\\`*_[]|~#!$").find(c) != std::string_view::npos) out += '\\';
      out += c;
    }
  }
  return out;
}

std::string escape_for_latex(std::string_view text) {
  static const std::vector<std::pair<std::string_view, std::string_view>> kReplacements = {{"\\", "\\textbackslash{}"},
                                                                                           {"~", "\\textasciitilde{}"},
                                                                                           {"^", "\\textasciicircum{}"},
                                                                                           {"<", "\\textless{}"},
                                                                                           {">", "\\textgreater{}"},
                                                                                           {"|", "\\textbar{}"},
                                                                                           {"\"", "\\textquotedbl{}"},
                                                                                           {"{", "\\{"},
                                                                                           {"}", "\\}"},
                                                                                           {"$", "\\$"},
                                                                                           {"&", "\\&"},
                                                                                           {"%", "\\%"},
                                                                                           {"#", "\\#"},
                                                                                           {"_", "\\_"},
                                                                                           {"±", "$\\pm$"}};
  const std::string safe = escape_for_log(text, kWhole);
  std::string out;
  for (size_t i = 0; i < safe.size();) {
    const auto found = std::ranges::find_if(
        kReplacements, [&](const auto& each) { return std::string_view(safe).substr(i).starts_with(each.first); });
    out += found == kReplacements.end() ? std::string_view(safe).substr(i, 1) : found->second;
    i += found == kReplacements.end() ? 1 : found->first.size();
  }
  return out;
}

std::string to_markdown(const Table& table) {
  std::string out = table.title.empty() ? "" : escape_for_markdown(table.title) + "\n\n";
  std::vector<std::string> names, rules;
  for (const Column& column : table.columns) {
    names.push_back(escape_for_markdown(column.name));
    rules.emplace_back(column.right ? "---:" : "---");
  }
  out += markdown_row(names) + markdown_row(rules);
  for (const auto& row : table.rows) {
    std::vector<std::string> cells;
    for (const Cell& cell : row) cells.push_back(bold_if(cell.bold, "**", escape_for_markdown(cell.text), "**"));
    out += markdown_row(cells);
  }
  for (const std::string& note : table.notes) out += "\n" + escape_for_markdown(note) + "\n";
  return out;
}

std::string to_latex(const Table& table) {
  std::string out = table.title.empty() ? "" : latex_comment(table.title);
  std::string shape;
  std::vector<std::string> names;
  for (const Column& column : table.columns) {
    shape += column.right ? 'r' : 'l';
    names.push_back(escape_for_latex(column.name));
  }
  out += "\\begin{tabular}{" + shape + "}\n\\hline\n" + join(names, " & ") + " \\\\\n\\hline\n";
  for (const auto& row : table.rows) {
    std::vector<std::string> cells;
    for (const Cell& cell : row) cells.push_back(bold_if(cell.bold, "\\textbf{", escape_for_latex(cell.text), "}"));
    out += join(cells, " & ") + " \\\\\n";
  }
  out += "\\hline\n\\end{tabular}\n";
  for (const std::string& note : table.notes) out += latex_comment(note);
  return out;
}

std::string to_csv(const Table& table) {
  std::vector<std::string> cells;
  for (const Column& column : table.columns) cells.push_back(csv_cell(column.name));
  std::string out = join(cells, ",") + "\n";
  for (const auto& row : table.rows) {
    cells.clear();
    for (const Cell& cell : row)
      cells.push_back(cell.number ? number_text(*cell.number) : cell.text.empty() ? "" : csv_cell(cell.text));
    out += join(cells, ",") + "\n";
  }
  return out;
}

Json to_json(const Table& table) {
  Json out{{"title", table.title}, {"columns", Json::array()}, {"rows", Json::array()}, {"notes", table.notes}};
  for (const Column& column : table.columns) out["columns"].push_back(column.name);
  for (const auto& row : table.rows) {
    Json cells = Json::array();
    for (const Cell& cell : row) {
      Json one{{"text", cell.text}};
      if (cell.number) one["number"] = *cell.number;
      if (cell.bold) one["bold"] = true;
      cells.push_back(std::move(one));
    }
    out["rows"].push_back(std::move(cells));
  }
  return out;
}

std::string to_text(const Table& table) {
  std::vector<std::vector<std::string>> lines(1);
  for (const Column& column : table.columns) lines[0].push_back(escape_for_log(column.name, kWhole));
  for (const auto& row : table.rows) {
    lines.emplace_back();
    for (const Cell& cell : row) lines.back().push_back(escape_for_log(cell.text, kWhole) + (cell.bold ? "*" : ""));
  }
  std::vector<size_t> width(table.columns.size());
  for (const auto& line : lines)
    for (size_t i = 0; i < line.size(); ++i) width[i] = std::max(width[i], display_width(line[i]));
  std::string out = table.title.empty() ? "" : escape_for_log(table.title, kWhole) + "\n";
  for (const auto& line : lines) {
    std::string text;
    for (size_t i = 0; i < line.size(); ++i) text += "  " + padded(line[i], width[i], table.columns[i].right);
    out += text.substr(0, text.find_last_not_of(' ') + 1) + "\n";
  }
  for (const std::string& note : table.notes) out += "  " + escape_for_log(note, kWhole) + "\n";
  return out;
}

}  // namespace diptych
