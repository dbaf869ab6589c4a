#include "data/image/feed.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <chrono>

#include "diptych/core/io/fs.h"

namespace diptych {
namespace {

/// The exception in flight with the image's file and record added; errors of Diptych keep their type.
std::exception_ptr with_record(const Corpus& corpus, int64_t row) {
  const CorpusImage& image = corpus.images[static_cast<size_t>(row)];
  const std::string record = concat("image ", row, " of ", corpus.name, ", id ", escape_for_log(image.id));
  std::vector<Issue> issues = verdict_of_current_exception().issues;
  bool is_data_error = !issues.empty();
  for (Issue& issue : issues) {
    const std::string file =
        issue.where.empty() ? escape_for_log((corpus.image_root / image.path).native(), 400) : issue.where;
    issue.where = concat(file, " (", record, ")");
    is_data_error &= exit_code(issue.error_class) == exit_code(ErrorClass::dat);
  }
  if (is_data_error) return std::make_exception_ptr(DataError(std::move(issues)));
  return std::make_exception_ptr(Error(std::move(issues)));
}

}  // namespace

ImageFeed::ImageFeed(const LoaderSource& source, std::vector<std::vector<int64_t>> rows, int64_t epoch, bool training)
    : source_(source),
      rows_(std::move(rows)),
      epoch_(epoch),
      training_(training),
      floats_per_image_(source.image.height * source.image.width * 3),
      slots_(static_cast<size_t>(source.options.workers > 0 ? source.options.prefetch : 1)) {
  for (size_t batch = 0; batch < rows_.size(); ++batch) {
    for (size_t i = 0; i < rows_[batch].size(); ++i) items_.emplace_back(batch, i);
    largest_batch_ = std::max(largest_batch_, rows_[batch].size());
  }
  if (source.options.workers == 0 || items_.empty()) return;
  while (open_end_ < std::min(rows_.size(), slots_.size())) open_batch();
  start_workers();
}

ImageFeed::~ImageFeed() { stop_workers(); }

void ImageFeed::start_workers() {
  const size_t count = std::min(static_cast<size_t>(source_.options.workers), items_.size());
  const int threads = at::get_num_threads();
  try {
    while (workers_.size() < count) workers_.emplace_back([this] { work(); });
  } catch (...) {
    stop_workers();
    at::set_num_threads(threads);
    throw;
  }
  // ATen's thread count is partly per thread and partly the default of threads yet to come: once every worker has set
  // its own, the latter is put back.
  std::unique_lock lock(mutex_);
  finished_.wait(lock, [&] { return ready_workers_ == count; });
  at::set_num_threads(threads);
}

void ImageFeed::stop_workers() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  opened_.notify_all();
  for (std::thread& worker : workers_) worker.join();
  workers_.clear();
}

void ImageFeed::work() {
  at::set_num_threads(1);  // the workers are the parallelism; none starts a team of its own
  {
    const std::lock_guard lock(mutex_);
    ++ready_workers_;
  }
  finished_.notify_one();
  for (size_t item = next_item_++; item < items_.size(); item = next_item_++) {
    {
      std::unique_lock lock(mutex_);
      opened_.wait(lock, [&] { return stopping_ || items_[item].first < open_end_; });
      if (stopping_) return;
    }
    make(item);
  }
}

void ImageFeed::make(size_t item) {
  const auto [batch, index] = items_[item];
  float* out;
  {
    const std::lock_guard lock(mutex_);
    out = slot(batch).data + static_cast<int64_t>(index) * floats_per_image_;
  }
  std::exception_ptr error = write_image(rows_[batch][index], out);
  const std::lock_guard lock(mutex_);
  if (error) slot(batch).failures.push_back({index, std::move(error)});
  if (--slot(batch).unfinished == 0) finished_.notify_one();
}

std::exception_ptr ImageFeed::write_image(int64_t row, float* out) const {
  try {
    Random random(source_.seed,
                  {static_cast<uint64_t>(Stream::augment), static_cast<uint64_t>(epoch_), static_cast<uint64_t>(row)});
    const at::Tensor view = transform_image(load(row), source_.image, training_ ? &random : nullptr);
    normalise_into(view, source_.image.normalise, out);
    return nullptr;
  } catch (...) {
    return with_record(source_.corpus, row);
  }
}

at::Tensor ImageFeed::load(int64_t row) const {
  at::Tensor image = source_.cache ? source_.cache->find(row, source_.image) : at::Tensor();
  if (image.defined()) return image;
  const std::string& path = source_.corpus.images[static_cast<size_t>(row)].path;
  image = decode_image(resolve_inside(source_.corpus.image_root, path), source_.image);
  if (source_.image.resize == Resize::squash) image = resize_image(image, source_.image.height, source_.image.width);
  if (source_.cache) source_.cache->insert(row, source_.image, image);
  return image;
}

void ImageFeed::open_batch() {
  at::Tensor slab = take_slab();
  {
    const std::lock_guard lock(mutex_);
    float* const data = slab.data_ptr<float>();
    slot(open_end_) = {std::move(slab), data, rows_[open_end_].size(), {}};
    ++open_end_;
  }
  opened_.notify_all();
}

at::Tensor ImageFeed::take_slab() {
  const auto options = at::TensorOptions(at::kFloat).pinned_memory(source_.pinned);
  const int64_t floats = static_cast<int64_t>(largest_batch_) * floats_per_image_;
  // A page-locked slab may still be read by the device after the consumer let go: only its allocator knows.
  if (source_.pinned) return at::empty({floats}, options);
  for (const at::Tensor& slab : slabs_)
    if (slab.use_count() == 1 && slab.storage().use_count() == 1) return slab;
  return slabs_.emplace_back(at::empty({floats}, options));
}

bool ImageFeed::next(Images& images) {
  images = {};
  if (taken_ == rows_.size()) return false;
  const auto start = std::chrono::steady_clock::now();
  const auto count = static_cast<int64_t>(rows_[taken_].size());
  if (workers_.empty()) {
    open_batch();
    for (int64_t i = 0; i < count; ++i) make(next_item_++);
  }
  at::Tensor slab;
  {
    std::unique_lock lock(mutex_);
    finished_.wait(lock, [&] { return slot(taken_).unfinished == 0; });
    slab = std::move(slot(taken_).slab);
    images.failures = std::move(slot(taken_).failures);
  }
  std::ranges::sort(images.failures, {}, &Failure::index);
  images.tensor = slab.narrow(0, 0, count * floats_per_image_)
                      .view({count, source_.image.height, source_.image.width, 3})
                      .permute({0, 3, 1, 2});
  ++taken_;
  if (!workers_.empty() && open_end_ < rows_.size()) open_batch();
  wait_seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return true;
}

}  // namespace diptych
