#pragma once
#include <string>
#include <string_view>

namespace diptych {

/// One `--expect '[PROTOCOL:]METRIC OP VALUE'`, OP being >=, <=, > or <: "flickr8k-1k:rsum >= 230", "i2t/R@1>22.5".
/// Without a protocol it means the only one that was evaluated.
struct Expectation {
  std::string protocol, metric, op;
  double value = 0;
  /// False for NaN, whatever the operator.
  bool holds(double measured) const;
};

/// throws UsageError (command line) for anything else than the form above.
Expectation parse_expectation(std::string_view text);

/// "expect flickr8k-1k:rsum >= 230: 233.5 ok", or "... failed".
std::string describe(const Expectation& expectation, double measured);

}  // namespace diptych
