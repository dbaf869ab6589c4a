#include "report/metrics_csv.h"

#include <algorithm>

#include "diptych/core/text.h"
#include "diptych/report/table.h"

namespace diptych::report {

std::string metrics_csv(const RunRecord& record) {
  Table table;
  for (const char* name : {"kind", "step", "epoch", "split", "protocol"}) table.columns.push_back({name, false});
  std::vector<std::string> keys;
  for (const MetricsRow& row : record.metrics)
    for (const auto& [key, value] : row.values)
      if (!std::ranges::count(keys, key)) keys.push_back(key);
  for (const std::string& key : keys) table.columns.push_back({key, true});
  for (const MetricsRow& row : record.metrics) {
    std::vector<Cell> cells{{row.kind},
                            {concat(row.step), static_cast<double>(row.step)},
                            {concat(row.epoch), static_cast<double>(row.epoch)},
                            {row.split},
                            {row.protocol}};
    for (const std::string& key : keys) {
      const double* value = row.find(key);
      cells.push_back(value ? Cell{number_text(*value), *value} : Cell{});
    }
    table.rows.push_back(std::move(cells));
  }
  return to_csv(table);
}

}  // namespace diptych::report
