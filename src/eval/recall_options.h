#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include "diptych/core/options.h"
#include "diptych/core/text.h"

namespace diptych {

/// What every protocol asks of a list of K.
inline void check_cutoffs(const std::string& path, std::vector<int64_t> list, const Origin& origin,
                          Complaints& complaints) {
  std::ranges::sort(list);
  if (list.empty()) complaints.add(origin, path + ": the list is empty; at least one K is needed");
  if (const auto twice = std::ranges::adjacent_find(list); twice != list.end())
    complaints.add(origin, concat(path, ": K = ", *twice, " is given twice"));
}

/// The option of all protocols with recalls.
struct RecallOptions {
  std::vector<int64_t> recall{1, 5, 10};
  static void visit(auto& self, auto& field) { field("recall", self.recall, "K of Recall@K", {.lo = 1}); }
  void validate(const std::string& path, const Origin& origin, Complaints& complaints) const {
    check_cutoffs(path + ".recall", recall, origin, complaints);
  }
};

}  // namespace diptych
