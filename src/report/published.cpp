#include "report/published.h"

#include <utility>
#include <vector>

#include "diptych/core/text.h"

namespace diptych::report {
namespace {

/// Without punctuation at its end.
std::string_view bare(std::string_view word) {
  while (!word.empty() && std::string_view(",;.)").find(word.back()) != std::string_view::npos) word.remove_suffix(1);
  return word;
}

/// "62.1," -> "62.1"; empty if it is no number.
std::string plain(std::string_view word) { return parse_number(bare(word)) ? std::string(bare(word)) : ""; }

/// "1/5/10" or "44.02/77.00": the parts, if all are numbers and there are at least two.
std::vector<std::string> slashed(std::string_view word) {
  word = bare(word);
  const std::vector<std::string> out = split(word, '/');
  for (const std::string& each : out)
    if (!parse_number(each)) return {};
  return out.size() < 2 ? std::vector<std::string>() : out;
}

/// "Rank-1/10" and "(R@1/5/10)": the places K.
std::vector<std::string> places(std::string_view word) {
  if (word.starts_with('(')) word.remove_prefix(1);
  for (const std::string_view start : {"Rank-", "R@"})
    if (word.starts_with(start)) return slashed(word.substr(start.size()));
  return {};
}

}  // namespace

std::map<std::string, std::string> parse_published(std::string_view text) {
  std::map<std::string, std::vector<std::string>> values;
  std::vector<std::string> at, before{"1", "5", "10"};
  std::string direction, metric;
  std::map<std::string, std::string> out;
  for (const std::string& word : split(text, ' ')) {
    if (word == "i2t" || word == "t2i")
      direction = word;
    else if (const auto found = places(word); !found.empty())
      at = found;
    else if (word.starts_with("class-") && !direction.empty())
      metric = concat(direction, "/", word);
    else if (const std::string number = plain(word); !number.empty() && !metric.empty())
      out[std::exchange(metric, "")] = number;
    else if (const auto numbers = slashed(word); !numbers.empty() && !direction.empty())
      values[direction] = numbers;
  }
  if (at.empty()) at = before;
  for (const auto& [name, numbers] : values) {
    if (numbers.size() != at.size()) return {};
    for (size_t i = 0; i < at.size(); ++i) out[concat(name, "/R@", at[i])] = numbers[i];
  }
  return out;
}

}  // namespace diptych::report
