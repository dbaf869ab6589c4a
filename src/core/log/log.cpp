#include "diptych/core/log.h"
#include <cstdio>
#include <chrono>
#include <unistd.h>
namespace diptych::log {
namespace { Level least = Level::info; FILE* file = nullptr; Progress mode = Progress::automatic; double interval = 30; bool drawn = false; std::chrono::steady_clock::time_point last_time{};
void put(Level l, const char* name, std::string_view t) { if (file) { std::fprintf(file, "%s: %.*s\n", name, int(t.size()), t.data()); std::fflush(file); } if (l < least) return; if (drawn) std::fputs("\r\033[K", stderr), drawn = false; std::fprintf(stderr, "%s%.*s\n", l == Level::info ? "" : l == Level::warn ? "warning: " : l == Level::error ? "error: " : "debug: ", int(t.size()), t.data()); } }
void set_level(Level l) { least = l; }
void add_file(const std::string& p) { file = std::fopen(p.c_str(), "a"); }
void close_files() { if (file) std::fclose(file); file = nullptr; }
void debug(std::string_view t) { put(Level::debug, "debug", t); }
void info(std::string_view t) { put(Level::info, "info", t); }
void warn(std::string_view t) { put(Level::warn, "warn", t); }
void error(std::string_view t) { put(Level::error, "error", t); }
void set_progress(Progress m) { mode = m; }
void set_progress_interval(double s) { interval = s; }
void progress(std::string_view line, bool last) {
  if (mode == Progress::off || line.empty()) return;
  const auto now = std::chrono::steady_clock::now(); const double s = std::chrono::duration<double>(now - last_time).count();
  const bool bar = mode == Progress::bar || (mode == Progress::automatic && stderr_is_terminal());
  if (!last && s < (bar ? 0.1 : interval)) return;
  last_time = now;
  if (bar) { std::fprintf(stderr, "\r\033[K%.*s", int(line.size()), line.data()); drawn = true; if (last) std::fputs("\n", stderr), drawn = false; }
  else std::fprintf(stderr, "%.*s\n", int(line.size()), line.data());
}
void set_color(bool) {}
bool stderr_is_terminal() { return isatty(2); }
}
