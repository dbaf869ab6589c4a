#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "diptych/core/error.h"
#include "diptych/core/log.h"
#include "diptych/core/signals.h"
#include "diptych/core/text.h"

namespace diptych {

/// Calls visit(i) for 0 <= i < count on all cores, in any order, and shows progress under `what`. The first exception
/// is thrown at the end. Stops between two visits when a signal asks to. throws Interrupted.
template <class Visit>
void visit_in_parallel(int64_t count, const char* what, Visit&& visit) {
  constexpr int64_t kBetweenLines = 64;
  std::atomic<int64_t> next{0}, done{0};
  std::exception_ptr failure;
  std::mutex mutex;
  const auto work = [&] {
    try {
      for (int64_t i = next++; i < count && !signals::pending(); i = next++) {
        visit(i);
        if (const int64_t now = ++done; now % kBetweenLines == 0) log::progress(concat(what, " ", now, "/", count));
      }
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
  if (done >= kBetweenLines) log::progress("", true);
  if (failure) std::rethrow_exception(failure);
  signals::throw_if_pending();
}

/// `wanted` of 0..count-1, evenly spread, ascending; -1 or more than there are: all.
inline std::vector<int64_t> evenly_spread(int64_t count, int64_t wanted) {
  if (wanted < 0 || wanted > count) wanted = count;
  std::vector<int64_t> rows(wanted);
  for (int64_t i = 0; i < wanted; ++i) rows[i] = i * count / wanted;
  return rows;
}

}  // namespace diptych
