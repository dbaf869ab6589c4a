#pragma once
#include <string>
#include <string_view>
namespace diptych {
/// One `--expect '[PROTOCOL:]METRIC OP VALUE'`.
struct Expectation {
  std::string protocol, metric, op;
  double value = 0;
  bool holds(double measured) const;
};
Expectation parse_expectation(std::string_view text);
std::string describe(const Expectation& expectation, double measured);
}
