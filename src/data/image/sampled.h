#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace diptych {

/// Calls visit(i) for 0 <= i < count on all cores, in any order. The first exception is thrown at the end.
template <class Visit>
void visit_in_parallel(int64_t count, Visit&& visit) {
  std::atomic<int64_t> next{0};
  std::exception_ptr failure;
  std::mutex mutex;
  const auto work = [&] {
    try {
      for (int64_t i = next++; i < count; i = next++) visit(i);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
      next = count;
    }
  };
  const int64_t threads = std::clamp<int64_t>(std::thread::hardware_concurrency(), 1, std::max<int64_t>(1, count));
  std::vector<std::thread> others;
  for (int64_t i = 1; i < threads; ++i) others.emplace_back(work);
  work();
  for (std::thread& each : others) each.join();
  if (failure) std::rethrow_exception(failure);
}

/// `wanted` of 0..count-1, evenly spread, ascending; -1 or more than there are: all.
inline std::vector<int64_t> evenly_spread(int64_t count, int64_t wanted) {
  if (wanted < 0 || wanted > count) wanted = count;
  std::vector<int64_t> rows(wanted);
  for (int64_t i = 0; i < wanted; ++i) rows[i] = i * count / wanted;
  return rows;
}

}  // namespace diptych
