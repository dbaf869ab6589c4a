#include "eval/sweep.h"

#include <torch/torch.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include "diptych/core/error.h"
#include "diptych/core/text.h"

namespace diptych {
namespace {

constexpr int64_t kRows = ScoreTiles::kTileRows, kCols = ScoreTiles::kTileCols;

void visit_strip(const ScoreTiles& scores, int64_t strip, const std::function<bool(int64_t, int64_t)>& wanted,
                 const std::function<void(const Tile&)>& visit) {
  const int64_t row = strip * kRows, row_count = std::min(kRows, scores.rows() - row);
  for (int64_t j = 0; j < col_strips(scores); ++j) {
    if (!wanted(strip, j)) continue;
    const int64_t col = j * kCols, col_count = std::min(kCols, scores.cols() - col);
    const at::Tensor tile = scores.tile(row, col, row_count, col_count);
    if (tile.sizes() != at::IntArrayRef{row_count, col_count} || tile.scalar_type() != at::kFloat ||
        !tile.is_contiguous())
      throw ShapeError(concat("sweep: tile ", tile.sizes(), " ", tile.scalar_type(), " is not a contiguous [",
                              row_count, ", ", col_count, "] of float32"));
    visit({tile.const_data_ptr<float>(), row, col, row_count, col_count});
  }
}

/// Keeps the first exception of several threads.
class FirstError {
 public:
  void keep() {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::current_exception();
    happened_ = true;
  }
  bool happened() const { return happened_; }
  void rethrow() const {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  std::mutex mutex_;
  std::exception_ptr error_;
  std::atomic<bool> happened_ = false;
};

/// Workers compute with one thread each; afterwards new threads start with the former count again.
class OneThreadEach {
 public:
  OneThreadEach() : before_(at::get_num_threads()) {}
  ~OneThreadEach() { at::set_num_threads(before_); }
  OneThreadEach(const OneThreadEach&) = delete;
  OneThreadEach& operator=(const OneThreadEach&) = delete;

 private:
  int before_;
};

}  // namespace

int64_t sweep_workers(const ScoreTiles& scores) {
  return scores.concurrent() ? std::clamp<int64_t>(at::get_num_threads(), 1, row_strips(scores)) : 1;
}

void for_strips(int64_t workers, int64_t strips, const std::function<void(int64_t, int64_t)>& work) {
  if (workers == 1) {
    at::NoGradGuard no_grad;
    for (int64_t strip = 0; strip < strips; ++strip) work(0, strip);
    return;
  }
  const OneThreadEach scope;
  std::atomic<int64_t> next = 0;
  FirstError error;
  const auto run = [&](int64_t worker) {
    try {
      at::set_num_threads(1);
      at::NoGradGuard no_grad;
      for (int64_t strip = next++; strip < strips && !error.happened(); strip = next++) work(worker, strip);
    } catch (...) {
      error.keep();
    }
  };
  {
    std::vector<std::jthread> threads;
    for (int64_t worker = 0; worker < workers; ++worker) threads.emplace_back(run, worker);
  }
  error.rethrow();
}

void sweep(const ScoreTiles& scores, const std::function<bool(int64_t, int64_t)>& wanted,
           const std::function<void(int64_t, const Tile&)>& visit) {
  for_strips(sweep_workers(scores), row_strips(scores), [&](int64_t worker, int64_t strip) {
    visit_strip(scores, strip, wanted, [&](const Tile& tile) { visit(worker, tile); });
  });
}

}  // namespace diptych
