#include "server.h"

#include <malloc.h>
#include <sys/resource.h>
#include <torch/torch.h>
#include <torch/version.h>

#include <chrono>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <sstream>

namespace diptych::benchmark {
namespace {

struct Usage {
  double wall, cpu;
  int64_t faults;
};

Usage usage_now() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  const auto wall = std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  return {wall, seconds(usage.ru_utime) + seconds(usage.ru_stime), usage.ru_minflt + usage.ru_majflt};
}

// A line "VmRSS:   1234 kB" of /proc/self/status, in MB.
double memory_mb(const char* key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind(key, 0) == 0) return std::atof(line.c_str() + std::strlen(key) + 1) / 1024;
  return 0;
}

// Gives back what setting up a case left over, so that the peak is that of the work and its inputs.
void forget_peak() {
  malloc_trim(0);
  std::ofstream("/proc/self/clear_refs") << 5;
}

struct Made {
  Case work;
  double memory_before;
  bool warm = false;
};

std::string measure(Made& made, int repeats) {
  if (made.work.reset) made.work.reset();
  if (!made.warm || made.work.warm_up_always) made.work.run();
  made.warm = true;
  const Usage before = usage_now();
  for (int i = 0; i < repeats; ++i) made.work.run();
  const Usage after = usage_now();
  std::string check;
  for (const double value : made.work.check()) {
    char text[40];
    std::snprintf(text, sizeof text, "%s%.9g", check.empty() ? "" : ",", value);
    check += text;
  }
  char answer[200];
  std::snprintf(answer, sizeof answer, "%.6f %.6f %ld ", after.wall - before.wall, after.cpu - before.cpu,
                static_cast<long>(after.faults - before.faults));
  char memory[40];
  std::snprintf(memory, sizeof memory, " %.1f", memory_mb("VmHWM") - made.memory_before);
  return answer + check + memory;
}

std::string info(const Settings& settings, const std::string& flags) {
  std::ostringstream json;
  json << "{\"torch\": \"" << TORCH_VERSION << "\", \"cpu_capability\": \"" << at::get_cpu_capability()
       << "\", \"threads\": " << settings.threads << ", \"allocator\": \""
       << (settings.tuned_allocator ? "tuned" : "default") << "\", \"flags\": \"" << flags << "\"}";
  return json.str();
}

}  // namespace

Settings apply_arguments(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string key = argv[i], value = argv[i + 1];
    if (key == "--threads") settings.threads = std::atoi(value.c_str());
    if (key == "--allocator") settings.tuned_allocator = value == "tuned";
  }
  if (settings.tuned_allocator) {  // as diptych's own main does
    mallopt(M_MMAP_MAX, 0);
    mallopt(M_TRIM_THRESHOLD, INT_MAX);
  }
  at::set_num_threads(settings.threads);
  return settings;
}

void serve(const Cases& cases, const Settings& settings, const std::string& flags) {
  at::mm(at::ones({256, 256}), at::ones({256, 256}));  // the library's own memory is nobody's peak
  std::map<std::string, Made> made;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string name;
    int repeats = 1;
    words >> name >> repeats;
    if (name == "info") {
      std::cout << info(settings, flags) << std::endl;
      continue;
    }
    try {
      if (!made.contains(name)) {
        const double before = memory_mb("VmRSS");
        made.emplace(name, Made{cases.at(name)(), before});
        forget_peak();
      }
      std::cout << measure(made.at(name), repeats) << std::endl;
    } catch (const std::exception& error) {
      std::string text = error.what();
      std::cout << "error " << text.substr(0, text.find('\n')) << std::endl;
    }
  }
}

}  // namespace diptych::benchmark
