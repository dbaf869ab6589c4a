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
  std::string total, terms;
  for (const auto& [name, sum] : sums_) {
    if (name == "loss")
      total = "loss " + short_number(sum.mean());
    else if (name != "grad_norm")
      terms += (terms.empty() ? "" : " ") + name + " " + short_number(sum.mean());
  }
  return terms.empty() ? total : concat(total, " (", terms, ")");
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
