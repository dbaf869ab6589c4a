#pragma once
#include <torch/torch.h>

#include <algorithm>
#include <vector>

#include "diptych/core/random.h"
#include "diptych/eval/ranks.h"

namespace diptych::testing {

/// Scores from a matrix in memory.
class MatrixTiles final : public ScoreTiles {
 public:
  explicit MatrixTiles(at::Tensor scores, bool concurrent = true)
      : scores_(scores.to(at::kFloat).contiguous()), concurrent_(concurrent) {}
  int64_t rows() const override { return scores_.size(0); }
  int64_t cols() const override { return scores_.size(1); }
  bool concurrent() const override { return concurrent_; }
  at::Tensor tile(int64_t row, int64_t col, int64_t row_count, int64_t col_count) const override {
    return scores_.narrow(0, row, row_count).narrow(1, col, col_count).contiguous();
  }
  const at::Tensor& scores() const { return scores_; }

 private:
  at::Tensor scores_;
  bool concurrent_;
};

/// A number of compute threads for one test.
class ThreadCount {
 public:
  explicit ThreadCount(int threads) : before_(at::get_num_threads()) { at::set_num_threads(threads); }
  ~ThreadCount() { at::set_num_threads(before_); }
  ThreadCount(const ThreadCount&) = delete;
  ThreadCount& operator=(const ThreadCount&) = delete;

 private:
  int before_;
};

/// Integer scores in [0, levels): nearly all of them tied.
inline at::Tensor tied_scores(int64_t rows, int64_t cols, uint64_t levels, uint64_t seed) {
  at::Tensor scores = at::empty({rows, cols});
  Random random(seed, {17});
  for (int64_t i = 0; i < scores.numel(); ++i) scores.data_ptr<float>()[i] = static_cast<float>(random.below(levels));
  return scores;
}

inline at::Tensor normal_rows(int64_t rows, int64_t columns, uint64_t seed) {
  at::Tensor out = at::empty({rows, columns});
  Random random(seed, {18});
  for (int64_t i = 0; i < out.numel(); ++i) out.data_ptr<float>()[i] = static_cast<float>(random.normal());
  return out / out.norm(2, {1}, true);
}

/// Ranks of the relevant items of one query by sorting, ascending: the oracle.
inline std::vector<int32_t> sorted_ranks(const std::vector<float>& scores, const std::vector<bool>& relevant,
                                         bool stable) {
  std::vector<size_t> order(scores.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::sort(order, [&](size_t a, size_t b) {
    if (scores[a] != scores[b]) return scores[a] > scores[b];
    if (!stable && relevant[a] != relevant[b]) return static_cast<bool>(relevant[b]);
    return a < b;
  });
  std::vector<int32_t> ranks;
  for (size_t place = 0; place < order.size(); ++place)
    if (relevant[order[place]]) ranks.push_back(static_cast<int32_t>(place + 1));
  return ranks;
}

}  // namespace diptych::testing
