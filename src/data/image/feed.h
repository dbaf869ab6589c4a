#pragma once
#include <ATen/core/Tensor.h>

#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "diptych/data/image/loader.h"

namespace diptych {

/// The normalised images of consecutive batches, in order, made ahead by threads.
///
/// A worker takes one image at a time from a common counter, so that a batch is made by all of them together, and
/// writes it straight into the batch's slab. At most `prefetch` batches are open: a worker whose image belongs to a
/// later one waits. A slab is used again when nobody holds the batch any more. The consumer calls next() from one
/// thread.
class ImageFeed {
 public:
  struct Failure {
    size_t index;  // within the batch
    std::exception_ptr error;
  };
  struct Images {
    at::Tensor tensor;              // [U, 3, H, W] float32 channels-last; rows that failed are not written
    std::vector<Failure> failures;  // ascending
  };

  /// `rows[b]`: the image rows of batch b. The corpus must outlive the feed.
  ImageFeed(const LoaderSource& source, std::vector<std::vector<int64_t>> rows, int64_t epoch, bool training);
  ~ImageFeed();
  ImageFeed(const ImageFeed&) = delete;
  ImageFeed& operator=(const ImageFeed&) = delete;

  /// The next batch, or false at the end. Release the former batch first: its memory is used again.
  bool next(Images& images);
  double wait_seconds() const { return wait_seconds_; }

 private:
  struct Slot {
    at::Tensor slab;
    float* data = nullptr;
    size_t unfinished = 0;
    std::vector<Failure> failures;
  };
  Slot& slot(size_t batch) { return slots_[batch % slots_.size()]; }
  void start_workers();
  void stop_workers();
  void work();
  void make(size_t item);
  void open_batch();
  at::Tensor take_slab();
  std::exception_ptr write_image(int64_t row, float* out) const;
  at::Tensor load(int64_t row) const;

  const LoaderSource source_;
  const std::vector<std::vector<int64_t>> rows_;
  const int64_t epoch_;
  const bool training_;
  const int64_t floats_per_image_;
  std::vector<std::pair<size_t, size_t>> items_;  // batch, place in it
  size_t largest_batch_ = 0;
  std::atomic<size_t> next_item_{0};

  std::vector<at::Tensor> slabs_;  // consumer's thread only
  size_t taken_ = 0;               // batches handed over; consumer's thread only
  double wait_seconds_ = 0;

  std::mutex mutex_;  // guards what follows
  std::condition_variable opened_, finished_;
  std::vector<Slot> slots_;
  size_t open_end_ = 0;  // batches before this one have a slot
  bool stopping_ = false;
  size_t ready_workers_ = 0;

  std::vector<std::thread> workers_;
};

/// Whether policy `skip` covers the error: a missing or unreadable image, not a path out of the root and not a bug.
bool is_skippable(const Error& error);

}  // namespace diptych
