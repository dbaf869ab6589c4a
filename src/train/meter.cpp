#include "train/meter.h"

#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <fstream>

#include "diptych/core/text.h"

namespace diptych {

void Meter::add(const std::string& name, double value) {
  Sum& sum = sums_[name];
  sum.sum += value;
  ++sum.count;
}

Json Meter::means() const {
  Json out = Json::object();
  for (const auto& [name, sum] : sums_) {
    const double mean = sum.mean();
    out[name] = std::isfinite(mean) ? Json(mean) : Json(nullptr);
    if (!std::isfinite(mean)) out["nonfinite"].push_back(name);
  }
  return out;
}

std::string Meter::text() const {
  std::string total, value;
  std::vector<std::string> terms;
  for (const auto& [name, sum] : sums_) {
    value = short_number(sum.mean());
    if (name == "loss")
      total = value;
    else if (name != "grad_norm")
      terms.push_back(concat(name, " ", value));
  }
  const bool says_more = terms.size() > 1 || (terms.size() == 1 && !terms[0].ends_with(" " + total));
  return says_more ? concat("loss ", total, " (", join(terms, " "), ")") : "loss " + total;
}

Json Meter::to_json() const {
  Json out = Json::object();
  for (const auto& [name, sum] : sums_) out[name] = {sum.sum, sum.count};
  return out;
}

Meter Meter::from_json(const Json& json) {
  Meter meter;
  for (const auto& [name, pair] : json.items())
    meter.sums_[name] = {pair.at(0).get<double>(), pair.at(1).get<int64_t>()};
  return meter;
}

std::string short_number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, std::abs(value) >= 100 ? "%.1f" : "%.3g", value);
  return text;
}

double resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  double total = 0, resident = 0;
  statm >> total >> resident;
  return resident * static_cast<double>(sysconf(_SC_PAGESIZE));
}

}  // namespace diptych
