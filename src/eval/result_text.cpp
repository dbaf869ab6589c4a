#include <algorithm>
#include <cmath>

#include "diptych/core/text.h"
#include "diptych/eval/protocol.h"
#include "eval/result_format.h"

namespace diptych {
namespace {

std::string value_text(const std::string& name, double value) {
  return name.ends_with("medr") && value == std::floor(value) ? concat(static_cast<int64_t>(value))
                                                              : one_decimal(value);
}

/// "24.7", "24.7 [22.1, 27.4]" or "n/a (gallery=37)"; medr and meanr have their intervals in metrics.json only.
std::string cell(const std::string& name, const Metric& metric, bool with_interval) {
  if (!metric.available) return concat("n/a (gallery=", metric.gallery, ")");
  std::string out = value_text(name, metric.value);
  if (with_interval && metric.low <= metric.high && !name.ends_with("medr") && !name.ends_with("meanr"))
    out += concat(" [", one_decimal(metric.low), ", ", one_decimal(metric.high), "]");
  return out;
}

std::string direction_of(const std::string& name) { return name.substr(0, std::min(name.find('/'), name.size())); }
std::string short_name(const std::string& name) { return name.substr(name.find('/') + 1); }
bool is_sum(const std::string& name) { return name.find('/') == std::string::npos; }

/// Rows of cells under a heading, columns aligned to the right.
std::string aligned(const std::vector<std::vector<std::string>>& rows) {
  std::vector<size_t> width;
  for (const auto& row : rows)
    for (size_t j = 0; j < row.size(); ++j) {
      width.resize(std::max(width.size(), j + 1));
      width[j] = std::max(width[j], row[j].size());
    }
  std::string out;
  for (const auto& row : rows) {
    for (size_t j = 0; j < row.size(); ++j) out += "  " + std::string(width[j] - row[j].size(), ' ') + row[j];
    out += "\n";
  }
  return out;
}

std::string directions_text(const ProtocolResult& result) {
  std::vector<std::vector<std::string>> rows{{""}};
  for (const auto& [name, metric] : result.metrics) {
    if (is_sum(name)) continue;
    if (rows.back().front() != direction_of(name)) rows.push_back({direction_of(name)});
    auto column = std::ranges::find(rows.front(), short_name(name));
    if (column == rows.front().end()) column = rows.front().insert(column, short_name(name));
    const auto place = static_cast<size_t>(column - rows.front().begin());
    rows.back().resize(std::max(rows.back().size(), place + 1));
    rows.back()[place] = cell(name, metric, true);
  }
  return aligned(rows);
}

/// Metrics that the tie rule changes by what a table shows.
std::string ties_text(const ProtocolResult& result) {
  std::vector<std::string> changed;
  for (const auto& [name, metric] : result.metrics)
    if (metric.available && value_text(name, metric.value) != value_text(name, metric.stable))
      changed.push_back(concat(name, " ", value_text(name, metric.stable)));
  return changed.empty()
             ? ""
             : concat("  with equal scores in the order of the gallery instead: ", join(changed, ", "), "\n");
}

}  // namespace

std::string one_decimal(double value) { return fixed_text(value, 1); }

std::string table_text(const ProtocolResult& result) {
  std::string out = concat(result.protocol, ": ", result.description, "\n", directions_text(result));
  std::vector<std::string> sums;
  bool intervals = false;
  for (const auto& [name, metric] : result.metrics) {
    if (is_sum(name)) sums.push_back(concat(name, " ", cell(name, metric, true)));
    intervals = intervals || (metric.available && metric.low <= metric.high);
  }
  if (!sums.empty()) out += concat("  ", join(sums, "   "), "\n");
  if (intervals) out += concat("  [ ]: 95 % bootstrap intervals over ", result.clusters, "\n");
  out += ties_text(result);
  if (result.skipped_queries)
    out += concat("  ", with_commas(result.skipped_queries), " queries without a relevant item were skipped\n");
  if (result.collapsed)
    out += "  collapsed: the model gives all items the same embedding; these numbers mean nothing\n";
  return out;
}

std::string line_text(const ProtocolResult& result) {
  std::string out = concat(result.split, " ", result.protocol), direction;
  for (const auto& [name, metric] : result.metrics) {
    if (name.ends_with("medr") || name.ends_with("meanr") || name == "mean-recall") continue;
    if (is_sum(name)) {
      out += " |";
    } else if (direction != direction_of(name)) {
      out += concat(direction.empty() ? " " : " | ", direction_of(name));
      direction = direction_of(name);
    }
    out += concat(" ", short_name(name), " ", cell(name, metric, false));
  }
  return result.collapsed ? out + " (collapsed)" : out;
}

}  // namespace diptych
