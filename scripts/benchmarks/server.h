#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

// A contestant of scripts/benchmark: a process that reads `name repeats` lines on stdin, runs the case once for warm-up
// and `repeats` times for the measurement, and answers on stdout
//
//   wall_seconds cpu_seconds page_faults check peak_mb
//
// wall, cpu and faults are those of all repeats together; check is one or more numbers joined by commas that must equal
// the peers'; peak_mb is the largest resident memory since the case was made, less what it was before that: inputs and
// work. `info` is answered by one line of JSON. The end of the input ends the process.
namespace diptych::benchmark {

/// One piece of work, already set up.
struct Case {
  std::function<void()> reset;  // before each request; may be empty
  std::function<void()> run;    // one repetition: what is timed
  std::function<std::vector<double>()> check;
  bool warm_up_always = true;  // false: only before the first request (slow cases without state)
};
using Cases = std::map<std::string, std::function<Case()>>;

struct Settings {
  int threads = 1;
  bool tuned_allocator = true;
};
/// `--threads N`, `--allocator tuned|default`: applied at once (allocator first).
Settings apply_arguments(int argc, char** argv);
/// Answers until stdin ends.
void serve(const Cases& cases, const Settings& settings, const std::string& flags);

// One file each.
void add_calibration(Cases& cases);
void add_training(Cases& cases);
void add_optimizers(Cases& cases);
void add_retrieval(Cases& cases);
void add_text(Cases& cases);

}  // namespace diptych::benchmark
