#include "report/published.h"

#include <algorithm>
#include <array>
#include <vector>

#include "diptych/core/text.h"
#include "diptych/report/aggregate.h"
#include "eval/result_format.h"

namespace diptych::report {
namespace {

constexpr std::array kOfADirection = {"mAP", "mAP-trapezoid", "mINP", "medr", "meanr"};
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

std::optional<Reproduction> reproduction_of(const ProtocolResult& result, const Published& published) {
  const auto numbers = published.results.find(result.protocol);
  if (!published.tolerance || numbers == published.results.end() || result.split != "test") return {};
  const std::string points = concat(*published.tolerance, " points");
  std::vector<std::string> missed;
  for (const auto& [name, text] : numbers->second) {
    const Metric* metric = result.find(name);
    if (!metric || !metric->available) continue;
    const double lacking = (*parse_number(text) - metric->value) * (lower_is_better(name) ? -1 : 1);
    if (lacking > *published.tolerance) missed.push_back(concat(name, " ", one_decimal(metric->value), " for ", text));
  }
  if (missed.empty()) return Reproduction{true, "reproduced: no published number is missed by more than " + points};
  return Reproduction{false, concat("not reproduced within ", points, ": ", join(missed, ", "))};
}

}  // namespace diptych::report

namespace diptych {
namespace {

/// An evaluation of one of the setting's jobs with its numbers replaced by their means; nothing if no job has it.
std::optional<ProtocolResult> mean_result(const SweepResults& results, size_t setting, const std::string& protocol) {
  for (const SweepJob& job : results.jobs) {
    const auto found = std::ranges::find(job.evaluated, protocol, &ProtocolResult::protocol);
    if (job.setting != setting || found == job.evaluated.end()) continue;
    ProtocolResult out = *found;
    for (auto& [name, metric] : out.metrics)
      if (metric.available) metric.value = setting_value(results, setting, protocol, name).mean;
    return out;
  }
  return {};
}

}  // namespace

SweepReproduction check_reproduction(const SweepResults& results, const NamedTexts& published) {
  const report::Published block = report::read_published(published);
  SweepReproduction out;
  for (size_t setting = 0; setting < results.settings.size(); ++setting) {
    for (const std::string& protocol : results.protocols) {
      const std::optional<ProtocolResult> mean = mean_result(results, setting, protocol);
      const auto verdict = mean ? report::reproduction_of(*mean, block) : std::nullopt;
      if (!verdict) continue;
      const auto runs = std::ranges::count_if(results.jobs, [&](const SweepJob& job) {
        return job.setting == setting && std::ranges::count(job.evaluated, protocol, &ProtocolResult::protocol);
      });
      const std::string which = results.settings.size() > 1 ? join(results.settings[setting], ", ") + ": " : "";
      out.holds = out.holds && verdict->holds;
      out.lines.push_back(concat(which, protocol, ", mean of ", runs, runs == 1 ? " run: " : " runs: ", verdict->text));
    }
  }
  return out;
}

}  // namespace diptych
