#pragma once
#include <cstdint>
#include <map>
#include <string>

#include "diptych/core/io/json.h"

namespace diptych {

/// Means of named values over a log interval. Plain doubles, saved with a checkpoint.
class Meter {
 public:
  void add(const std::string& name, double value);
  void clear() { sums_.clear(); }
  /// {"loss": 1.83, "cmpm": 1.2}; a mean that is not finite becomes null and its name is listed under "nonfinite".
  Json means() const;
  /// "loss 1.83 (cmpc 0.63 cmpm 1.2)": the total and its terms, unweighted; "loss 1.83" of a single term that equals
  /// it.
  std::string text() const;
  Json to_json() const;
  static Meter from_json(const Json& json);

 private:
  struct Sum {
    double sum = 0;
    int64_t count = 0;
    double mean() const { return sum / static_cast<double>(count); }
  };
  std::map<std::string, Sum> sums_;
};

/// Three significant digits: "0.0002", "1.83", "233".
std::string short_number(double value);
/// Memory of this process now, in bytes.
double resident_bytes();

}  // namespace diptych
