#include "diptych/core/expect.h"
#include "diptych/core/error.h"
#include "diptych/core/text.h"
namespace diptych {
bool Expectation::holds(double m) const { if (op == ">=") return m >= value; if (op == "<=") return m <= value; if (op == ">") return m > value; return m < value; }
Expectation parse_expectation(std::string_view t) {
  const auto at = t.find_first_of("<>");
  if (at == std::string_view::npos) throw UsageError::command_line("--expect '" + escape_for_log(t) + "': expected [PROTOCOL:]METRIC OP VALUE with OP one of >= <= > <");
  Expectation e; e.op = t.substr(at, at + 1 < t.size() && t[at + 1] == '=' ? 2 : 1);
  std::string left(trim(t.substr(0, at))); const auto v = parse_number(trim(t.substr(at + e.op.size())));
  if (!v || left.empty()) throw UsageError::command_line("--expect '" + escape_for_log(t) + "': expected [PROTOCOL:]METRIC OP VALUE");
  e.value = *v; const auto c = left.find(':'); if (c != std::string::npos) e.protocol = left.substr(0, c), left.erase(0, c + 1); e.metric = left; return e;
}
std::string describe(const Expectation& e, double m) { return concat("expect ", e.protocol.empty() ? "" : e.protocol + ":", e.metric, " ", e.op, " ", e.value, ": ", m, e.holds(m) ? " ok" : " failed"); }
}
