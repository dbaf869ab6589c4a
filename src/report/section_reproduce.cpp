#include <algorithm>

#include "diptych/core/text.h"
#include "report/parts.h"

namespace diptych::report {
namespace {

/// A word as a POSIX shell reads it back.
std::string shell_word(const std::string& word) {
  const auto is_plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_-./=,:+@%").find(c) != std::string_view::npos;
  };
  if (!word.empty() && std::ranges::all_of(word, is_plain)) return word;
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

/// The command that made the run; the program is called by its name.
std::string command_line(const Parts& parts, const Json& command) {
  std::vector<std::string> words;
  if (command.contains("argv") && command["argv"].is_array())
    for (const Json& word : command["argv"])
      if (word.is_string()) words.push_back(shell_word(shown(parts, word.get<std::string>())));
  if (words.empty()) return "";
  words[0] = words[0].substr(words[0].rfind('/') + 1);
  return join(words, " ");
}

std::string config_text(const Parts& parts, const NamedTexts& config) {
  std::string out;
  for (const auto& [key, value] : config) out += concat(key, ": ", shown(parts, value), "\n");
  return out;
}

std::string environment_text(const Parts& parts, Json env) {
  if (!parts.options.include_host) env.erase("host");
  std::string out;
  for (const auto& [key, value] : env.items())
    out += concat(key, ": ", shown(parts, value.is_string() ? value.get<std::string>() : value.dump()), "\n");
  return out;
}

Html reproduce_run(const Parts& parts, const ReportRun& run, const std::string& id) {
  Html out;
  const std::string command = command_line(parts, run.record.command);
  if (command.empty())
    out += paragraph("The run holds no command.json.");
  else
    out += text_element("h4", "Command") + code_block(id + "-command", command);
  out += folded(concat("Resolved configuration (", run.record.config.size(), " values)"),
                code_block(id + "-config", config_text(parts, run.record.config)));
  if (!run.record.env.empty())
    out += folded("Environment", code_block(id + "-env", environment_text(parts, run.record.env)));
  return out;
}

}  // namespace

void add_reproduce(Parts& parts) {
  Html body;
  std::vector<Panel> list;
  for (size_t i = 0; i < parts.runs.size(); ++i)
    list.push_back({parts.runs[i].name, reproduce_run(parts, parts.runs[i], concat("reproduce-", i))});
  if (!list.empty()) body += by_run(parts, "reproduce-runs", list);
  if (!parts.options.include_host)
    body += element("p", {{"class", "muted"}},
                    Html::text("Folders of the machine are left out (...); --include-host shows them."));
  std::string markdown, latex;
  for (const Table& table : parts.summary) markdown += to_markdown(table) + "\n", latex += to_latex(table) + "\n";
  if (!markdown.empty())
    body += text_element("h3", "Markdown") + code_block("rows-markdown", markdown) + text_element("h3", "LaTeX") +
            code_block("rows-latex", latex);
  if (body.empty()) return;
  parts.page.section("reproduce", "Reproduce and cite", body);
}

}  // namespace diptych::report
