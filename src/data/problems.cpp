#include "data/problems.h"

#include <algorithm>

#include "diptych/core/text.h"

namespace diptych {
namespace {
constexpr size_t kListed = 10;
}

void RecordProblems::add(std::string where, std::string message, std::string hint) {
  add({ErrorClass::dat, std::move(where), std::move(message), std::move(hint)});
}

void RecordProblems::add(Issue issue) {
  ++count_;
  if (first_.size() < kListed) first_.push_back(std::move(issue));
}

void RecordProblems::throw_if_any() const {
  if (count_ == 0) return;
  std::vector<Issue> issues = first_;
  if (count_ > static_cast<int64_t>(issues.size()))
    issues.push_back(
        {ErrorClass::dat, source_, concat(count_, " problems in all; the first ", issues.size(), " are listed"), ""});
  throw DataError(std::move(issues));
}

std::string first_ids(const std::vector<std::string>& ids) {
  std::vector<std::string> shown;
  for (size_t i = 0; i < std::min(kListed, ids.size()); ++i) shown.push_back(escape_for_log(ids[i]));
  return join(shown, ", ") + (ids.size() > kListed ? concat(", ... (", ids.size(), " in all)") : "");
}

}  // namespace diptych
