#include "report/published.h"

#include <algorithm>
#include <array>
#include <vector>

#include "diptych/core/text.h"
#include "diptych/report/aggregate.h"
#include "eval/result_format.h"

namespace diptych::report {
namespace {

constexpr std::array kOfADirection = {"mAP", "mINP", "medr", "meanr"};
constexpr std::array kOfBoth = {"rsum", "mean-recall", "pair-accuracy", "average-recall"};

std::string_view without_punctuation(std::string_view word) {
  if (word.starts_with('(')) word.remove_prefix(1);
  while (!word.empty() && std::string_view(",;:.)").find(word.back()) != std::string_view::npos) word.remove_suffix(1);
  return word;
}

/// "1/5/10" or "44.02/77.00": the parts, if all are numbers and there are at least two.
std::vector<std::string> slashed(std::string_view word) {
  const std::vector<std::string> out = split(word, '/');
  for (const std::string& each : out)
    if (!parse_number(each)) return {};
  return out.size() < 2 ? std::vector<std::string>() : out;
}

/// "Rank-1/10" and "R@1/5/10": the places K.
std::vector<std::string> places(std::string_view word) {
  for (const std::string_view start : {"Rank-", "R@"})
    if (word.starts_with(start)) return slashed(word.substr(start.size()));
  return {};
}

/// "i2t/R@1", "dress/R@10": a part, a slash, a metric with its place.
bool is_full_name(std::string_view word) {
  const size_t slash = word.find('/'), at = word.find('@');
  const bool of_a_part = slash != 0 && slash < at && at != std::string_view::npos;
  return of_a_part || word.starts_with("i2t/") || word.starts_with("t2i/");
}

/// The full name of the metric that `word` names: "rsum", "t2i/mAP" of "mAP" after "t2i"; "" if it names none.
std::string metric_name(const std::string& word, const std::string& direction) {
  if (std::ranges::count(kOfBoth, word) || is_full_name(word)) return word;
  const bool of_a_direction = std::ranges::count(kOfADirection, word) || word.find("@") != std::string::npos;
  return of_a_direction && !direction.empty() ? concat(direction, "/", word) : "";
}

}  // namespace

std::map<std::string, std::string> parse_published(std::string_view text) {
  std::map<std::string, std::string> out;
  std::map<std::string, std::vector<std::string>> values;
  std::vector<std::string> at{"1", "5", "10"};
  std::string direction, metric;
  for (const std::string& each : split(text, ' ')) {
    const std::string word(without_punctuation(each));
    if (word == "i2t" || word == "t2i")
      direction = word;
    else if (const auto found = places(word); !found.empty())
      at = found;
    else if (const auto numbers = slashed(word); !numbers.empty() && !direction.empty())
      values[direction] = numbers;
    else if (!metric.empty() && parse_number(word))
      out[metric] = word;
    metric = metric_name(word, direction);
  }
  for (const auto& [name, numbers] : values) {
    if (numbers.size() != at.size()) return {};
    for (size_t i = 0; i < at.size(); ++i) out[concat(name, "/R@", at[i])] = numbers[i];
  }
  return out;
}

Published read_published(const NamedTexts& block) {
  Published out;
  for (const auto& [key, text] : block) {
    if (key == "source")
      out.source = text;
    else if (key == "provenance")
      out.provenance = text;
    else if (key == "note")
      out.note = text;
    else if (key == "tolerance")
      out.tolerance = parse_number(text);
    else
      out.texts[key] = text, out.results[key] = parse_published(text);
  }
  std::erase_if(out.results, [](const auto& each) { return each.second.empty(); });
  return out;
}

std::string reproduction_text(const ProtocolResult& result, const Published& published) {
  const auto numbers = published.results.find(result.protocol);
  if (!published.tolerance || numbers == published.results.end() || result.split != "test") return "";
  const std::string points = concat(*published.tolerance, " points");
  std::vector<std::string> missed;
  for (const auto& [name, text] : numbers->second) {
    const Metric* metric = result.find(name);
    if (!metric || !metric->available) continue;
    const double lacking = (*parse_number(text) - metric->value) * (lower_is_better(name) ? -1 : 1);
    if (lacking > *published.tolerance) missed.push_back(concat(name, " ", one_decimal(metric->value), " for ", text));
  }
  return missed.empty() ? concat("reproduced: no published number is missed by more than ", points)
                        : concat("not reproduced within ", points, ": ", join(missed, ", "));
}

}  // namespace diptych::report

namespace diptych {

SweepReproduction check_reproduction(const SweepResults& results, const NamedTexts& published) {
  const report::Published block = report::read_published(published);
  SweepReproduction out;
  for (size_t setting = 0; setting < results.settings.size(); ++setting) {
    for (const std::string& protocol : results.protocols) {
      ProtocolResult mean;
      mean.protocol = protocol;
      mean.split = "test";
      const auto numbers = block.results.find(protocol);
      if (numbers == block.results.end()) continue;
      int64_t seeds = 0;
      for (const auto& [name, text] : numbers->second) {
        const MeanStd value = setting_value(results, setting, protocol, name);
        if (value.n == 0) continue;
        mean.metrics.emplace_back(name, Metric{.value = value.mean});
        seeds = value.n;
      }
      if (seeds == 0) continue;
      const std::string text = report::reproduction_text(mean, block);
      if (text.empty()) continue;
      out.holds = out.holds && text.starts_with("reproduced");
      const std::string which = results.settings.size() > 1 ? join(results.settings[setting], ", ") + ": " : "";
      out.lines.push_back(concat(which, protocol, ", mean of ", seeds, seeds == 1 ? " run: " : " runs: ", text));
    }
  }
  return out;
}

}  // namespace diptych
