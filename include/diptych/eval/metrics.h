#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace diptych {

// Retrieval metrics as functions of ranks (1-based), definitions of methods.md 2.2. None of them knows ties: those are
// decided when ranks are made (ranks.h).

/// Share of queries, in percent, whose best rank is at most k.
double recall_at(std::span<const int32_t> best_ranks, int64_t k);
/// floor(median of 0-based ranks) + 1; of an even number of ranks the median is the mean of the middle two.
double median_rank(std::span<const int32_t> best_ranks);
double mean_rank(std::span<const int32_t> best_ranks);

// Of one query, from the ranks of all its relevant items in ascending order; shares in [0, 1].

/// Mean over relevant items of (hits up to and including its rank) / rank.
double average_precision(std::span<const int32_t> ranks);
/// Mean over relevant items of (precision just before + precision at the rank) / 2, where precision before rank 1 is 1
/// (area under the precision-recall curve by trapezia, as in the code of the dual-path paper).
double average_precision_trapezoid(std::span<const int32_t> ranks);
/// (number of relevant items) / (rank of the last of them): the inverse negative penalty, INP.
double inverse_negative_penalty(std::span<const int32_t> ranks);
/// Share of relevant items among the first k; the divisor is the gallery's size where that is smaller than k. With
/// class texts as queries its mean is class-ap@k ("AP@50").
double precision_at(std::span<const int32_t> ranks, int64_t k, int64_t gallery);

/// Mean of one of the functions above over all queries, in percent. Query q has ranks [offsets[q], offsets[q+1]).
double mean_percent(std::span<const int32_t> ranks, std::span<const int32_t> offsets,
                    double (*metric)(std::span<const int32_t>));

}  // namespace diptych
