#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "diptych/eval/evaluation_record.h"

namespace diptych {

/// An item that stands in many lists: its row of the gallery, in how many lists, and in how many of them rightly.
struct Hub {
  int64_t row = 0, times = 0, right = 0;
};

/// How unevenly the gallery is retrieved (Radovanovic et al., JMLR 2010). N_k(g) is the number of queries that have g
/// among their k best; its mean is k queries / gallery whatever the model, its skewness tells whether few items (hubs)
/// crowd the lists while many are never found.
struct Hubness {
  std::string direction;
  int64_t k = 0, queries = 0, gallery = 0;
  double mean = 0;
  double skewness = 0;             // mean of ((N_k - mean) / deviation)^3; 0 where all are equal
  double never_percent = 0;        // of the gallery, with N_k = 0
  std::vector<int64_t> histogram;  // [n]: items with N_k = n, up to the largest
  std::vector<Hub> hubs;           // the most frequent, descending, of equal ones the lower row first
};

/// k is lowered to kTopItems, the length of the lists in a record.
Hubness hubness(const EvaluationRecord& record, size_t direction, int64_t k = 10, size_t hubs = 10);

/// Third standardised moment of counts; 0 for none or equal ones.
double skewness(std::span<const int64_t> counts);

}  // namespace diptych
