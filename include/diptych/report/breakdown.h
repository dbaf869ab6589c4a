#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "diptych/eval/bootstrap.h"
#include "diptych/eval/evaluation_record.h"

namespace diptych {

/// Recall of the queries of one kind.
struct BreakdownRow {
  std::string group;                // "1-8", "3 or more"
  int64_t queries = 0, images = 0;  // images: those that the queries belong to
  std::vector<double> recall;       // percent, at each k of the breakdown
  std::vector<Interval> interval;   // 95 %, of each
};
struct Breakdown {
  std::string direction, by;  // "t2i", "caption length"; of composed queries "words of the change"
  std::vector<int64_t> k;     // 1, 5, 10
  std::vector<BreakdownRow> rows;
};

/// Recall by what a query is like: captions as queries by their length (five groups of about equal size) and by their
/// unknown words (none, 1, 2, 3 or more); under identity protocols both directions by the number of the identity's
/// images, composed queries by the number of right answers. A breakdown with a single group is left out.
std::vector<Breakdown> breakdowns(const EvaluationRecord& record);

/// 95 % interval, in percent, of a share that was counted over clusters: cluster c has hits[c] hits in queries[c]
/// queries. Wilson's score interval with the effective number of queries p (1 - p) / v, where
///
///   v = C / (C - 1) sum_c (hits_c - p queries_c)^2 / (sum_c queries_c)^2
///
/// is the variance of the share under resampling of clusters; it lies between the numbers of clusters and of queries,
/// and is the former where p is 0 or 1. throws ShapeError if there is no query.
Interval clustered_interval(std::span<const int64_t> hits, std::span<const int64_t> queries);

}  // namespace diptych
