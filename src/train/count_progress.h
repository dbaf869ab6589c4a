#pragma once
#include <chrono>
#include <string>

#include "diptych/core/log.h"
#include "diptych/core/text.h"

namespace diptych {

/// Progress of a pass over a known number of things: "encode images 512/1000 70/s ETA 0:00:07".
class CountProgress {
 public:
  CountProgress(std::string what, int64_t total, int64_t begun_at = 0)
      : what_(std::move(what)), total_(total), begun_at_(begun_at), start_(Clock::now()) {}
  void at(int64_t done) const {
    const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
    const double rate = seconds > 0 ? static_cast<double>(done - begun_at_) / seconds : 0;
    const double left = rate > 0 ? static_cast<double>(total_ - done) / rate : 0;
    log::progress(
        concat(what_, " ", done, "/", total_, " ", static_cast<int64_t>(rate), "/s ETA ", duration_text(left)),
        done == total_);
  }

 private:
  using Clock = std::chrono::steady_clock;
  std::string what_;
  int64_t total_, begun_at_;
  Clock::time_point start_;
};

}  // namespace diptych
