#include "diptych/core/expect.h"

#include <algorithm>
#include <charconv>

#include "diptych/core/error.h"
#include "diptych/core/text.h"

namespace diptych {
namespace {

[[noreturn]] void refuse_expectation(std::string_view text, std::string_view reason) {
  throw UsageError::command_line(
      concat("--expect '", escape_for_log(text), "': ", reason),
      "the form is --expect '[PROTOCOL:]METRIC OP VALUE' with OP one of >= <= > <, for example "
      "--expect 'i2t/R@1 >= 22.5'");
}

bool is_name(std::string_view text) {
  return !text.empty() && text.find_first_of(" \t\r\n<>=:") == std::string_view::npos;
}

// Six digits, unless they would seem to contradict the verdict.
std::string measured_text(const Expectation& expectation, double measured) {
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, measured, std::chars_format::general, 6).ptr;
  const std::string brief(buffer, end);
  const auto shown = parse_number(brief);
  return shown && expectation.holds(*shown) != expectation.holds(measured) ? number_text(measured) : brief;
}

}  // namespace

bool Expectation::holds(double measured) const {
  if (op == ">=") return measured >= value;
  if (op == "<=") return measured <= value;
  if (op == ">") return measured > value;
  return op == "<" && measured < value;
}

Expectation parse_expectation(std::string_view text) {
  const size_t at = text.find_first_of("<>=");
  if (at == std::string_view::npos) refuse_expectation(text, "there is no comparison in it");
  const size_t end = std::min(text.find_first_not_of("<>=!", at), text.size());
  Expectation out;
  out.op = text.substr(at, end - at);
  if (out.op != ">=" && out.op != "<=" && out.op != ">" && out.op != "<")
    refuse_expectation(text, concat("'", out.op, "' is no comparison"));

  std::string_view name = trim(text.substr(0, at));
  if (const size_t colon = name.find(':'); colon != std::string_view::npos) {
    out.protocol = trim(name.substr(0, colon));
    name = trim(name.substr(colon + 1));
    if (!is_name(out.protocol)) refuse_expectation(text, "the protocol before the colon is no name");
  }
  if (!is_name(name)) refuse_expectation(text, "no metric stands before the comparison");
  out.metric = name;

  const std::string_view value = trim(text.substr(end));
  const auto number = parse_number(value);
  if (!number)
    refuse_expectation(text, concat("expected a number after ", out.op, "; got '", escape_for_log(value), "'"));
  out.value = *number;
  return out;
}

std::string describe(const Expectation& expectation, double measured) {
  return concat("expect ", expectation.protocol, expectation.protocol.empty() ? "" : ":", expectation.metric, " ",
                expectation.op, " ", expectation.value, ": ", measured_text(expectation, measured),
                expectation.holds(measured) ? " ok" : " failed");
}

}  // namespace diptych
