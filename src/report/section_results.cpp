#include <algorithm>
#include <map>

#include "diptych/core/text.h"
#include "eval/result_format.h"
#include "report/parts.h"
#include "report/published.h"

namespace diptych::report {
namespace {

struct Entry {
  const ReportRun* run;
  const ProtocolResult* result;
};

/// Evaluations under one protocol on one split stand in one table; in the order met.
std::vector<std::pair<std::string, std::vector<Entry>>> by_protocol(const std::vector<ReportRun>& runs) {
  std::vector<std::pair<std::string, std::vector<Entry>>> out;
  for (const ReportRun& run : runs)
    for (const RecordedEvaluation& evaluation : run.record.evaluations) {
      const std::string key = concat(evaluation.result.protocol, ", ", evaluation.result.split);
      auto place = std::ranges::find(out, key, &std::pair<std::string, std::vector<Entry>>::first);
      if (place == out.end()) place = out.insert(out.end(), {key, {}});
      place->second.push_back({&run, &evaluation.result});
    }
  return out;
}

std::vector<std::string> metric_names(const std::vector<Entry>& entries) {
  std::vector<std::string> out;
  for (const Entry& entry : entries)
    for (const auto& [name, metric] : entry.result->metrics)
      if (!std::ranges::count(out, name)) out.push_back(name);
  return out;
}

std::string column_name(const std::string& metric) {
  const size_t slash = metric.find('/');
  return slash == std::string::npos ? metric : metric.substr(0, slash) + " " + metric.substr(slash + 1);
}

/// The best value of a metric, if several runs have it and one is ahead.
std::optional<double> best_of(const std::vector<Entry>& entries, const std::string& name) {
  std::vector<double> values;
  for (const Entry& entry : entries)
    if (const Metric* metric = entry.result->find(name); metric && metric->available) values.push_back(metric->value);
  if (values.size() < 2) return {};
  const auto [low, high] = std::ranges::minmax(values);
  return low == high ? std::optional<double>() : lower_is_better(name) ? low : high;
}

/// What the recipes say about this protocol, once each: its numbers, or the note of a recipe without any.
struct PublishedText {
  std::string text, source, remark;  // remark: "listed by others; 2 points of tolerance"
  std::map<std::string, std::string> numbers;
  friend bool operator==(const PublishedText&, const PublishedText&) = default;
  std::string sentence() const {
    const std::string after = join_nonempty(source, remark);
    return concat("Published: ", text, after.empty() ? "" : concat(" (", after, ")"));
  }

 private:
  static std::string join_nonempty(const std::string& a, const std::string& b) {
    return a.empty() || b.empty() ? a + b : concat(a, "; ", b);
  }
};

std::string remark_of(const Published& published) {
  std::vector<std::string> parts;
  if (!published.provenance.empty()) parts.push_back(concat("provenance: ", published.provenance));
  if (published.tolerance) parts.push_back(concat("tolerance: ", *published.tolerance));
  return join(parts, ", ");
}

std::vector<PublishedText> published_texts(const std::vector<Entry>& entries) {
  std::vector<PublishedText> out;
  for (const Entry& entry : entries) {
    const Published published = read_published(entry.run->record.published);
    const auto text = published.texts.find(entry.result->protocol);
    PublishedText row{published.note, "", "", {}};
    if (text != published.texts.end())
      row = {text->second, published.source, remark_of(published), parse_published(text->second)};
    if (!row.text.empty() && !std::ranges::count(out, row)) out.push_back(row);
  }
  return out;
}

/// One sentence for each run whose recipe says what counts as a reproduction.
std::vector<std::string> reproductions(const std::vector<Entry>& entries) {
  std::vector<std::string> out;
  for (const Entry& entry : entries)
    if (const auto found = reproduction_of(*entry.result, read_published(entry.run->record.published)))
      out.push_back(concat(entry.run->name, ": ", found->text));
  return out;
}

TableView results_view(const std::string& id, const std::vector<Entry>& entries) {
  const std::vector<std::string> names = metric_names(entries);
  TableView view{id, "", {{"run"}}, {}, true, false, 200};
  for (const std::string& name : names) view.columns.push_back({column_name(name), true, ""});
  for (const Entry& entry : entries) {
    std::vector<TableCell> row{entry.run->name};
    for (const std::string& name : names) {
      const Metric* metric = entry.result->find(name);
      TableCell cell = metric ? metric_cell(name, *metric) : TableCell("");
      const auto best = best_of(entries, name);
      cell.strong = best && metric && metric->available && metric->value == *best;
      row.push_back(std::move(cell));
    }
    view.rows.push_back(std::move(row));
  }
  for (const PublishedText& published : published_texts(entries)) {
    const auto& numbers = published.numbers;
    if (numbers.empty()) continue;
    std::vector<TableCell> row{TableCell(concat("published", published.source.empty() ? "" : ": ", published.source))};
    for (const std::string& name : names)
      row.push_back(numbers.count(name) ? TableCell(numbers.at(name), *parse_number(numbers.at(name)))
                                        : TableCell("\u2013"));
    view.rows.push_back(std::move(row));
  }
  return view;
}

Table results_table(const std::vector<Entry>& entries) {
  const std::vector<std::string> names = metric_names(entries);
  Table out;
  out.title = concat(entries[0].result->protocol, ": ", entries[0].result->description);
  out.columns.push_back({"run", false});
  for (const std::string& name : names) out.columns.push_back({column_name(name), true});
  for (const Entry& entry : entries) {
    std::vector<Cell> row{{entry.run->name, {}, false}};
    for (const std::string& name : names) {
      const Metric* metric = entry.result->find(name);
      std::string text = metric ? metric_text(name, *metric) : "";
      if (metric && metric->available && metric->low <= metric->high && !lower_is_better(name))
        text += concat(" (", one_decimal(metric->low), " to ", one_decimal(metric->high), ")");
      row.push_back({text, metric && metric->available ? std::optional<double>(metric->value) : std::nullopt, false});
    }
    out.rows.push_back(std::move(row));
  }
  for (const PublishedText& published : published_texts(entries)) out.notes.push_back(published.sentence());
  for (const std::string& text : reproductions(entries)) out.notes.push_back(text);
  return out;
}

Html protocol_block(const std::string& id, const std::string& key, const std::vector<Entry>& entries) {
  Html out = text_element("h3", key) + paragraph(entries[0].result->description);
  for (const Entry& entry : entries)
    if (entry.result->description != entries[0].result->description)
      out += notice("warning",
                    Html::text(concat(entry.run->name, " was evaluated differently: ", entry.result->description)));
  out += table(results_view(id, entries));
  for (const PublishedText& published : published_texts(entries))
    out += element("p", {{"class", "muted"}}, Html::text(published.sentence()));
  for (const std::string& text : reproductions(entries)) out += element("p", {{"class", "muted"}}, Html::text(text));
  return out;
}

}  // namespace

void add_results(Parts& parts) {
  const auto groups = by_protocol(parts.runs);
  if (groups.empty()) return parts.not_available("Results", "no run has been evaluated (diptych evaluate RUN)");
  Html body;
  for (size_t i = 0; i < groups.size(); ++i) {
    body += protocol_block(concat("results-", i), groups[i].first, groups[i].second);
    parts.summary.push_back(results_table(groups[i].second));
  }
  body += element("p", {{"class", "muted"}},
                  Html::text("Small numbers: 95 % bootstrap intervals over queries; what belongs to one image is drawn "
                             "together. Recalls in percent; medr and meanr are ranks, lower is better."));
  parts.page.section("results", "Results", body);
}

}  // namespace diptych::report
