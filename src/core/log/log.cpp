#include "diptych/core/log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace diptych::log {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kLongestLine = 8192;
constexpr double kRedrawInterval_s = 0.1, kFileErrorInterval_s = 60;
constexpr const char* kFilePattern = "%Y-%m-%d %H:%M:%S.%e %l: %v";

bool environment_wants_color() {
  const char* refusal = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  return (!refusal || !*refusal) && terminal && std::string_view(terminal) != "dumb";
}

size_t terminal_width() {
  winsize size = {};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : 80;
}

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

// The first `columns` characters: a wide character may spoil the picture, never the text.
std::string_view first_characters(std::string_view text, size_t columns) {
  size_t count = 0;
  for (size_t i = 0; i < text.size(); ++i)
    if (!is_continuation(text[i]) && ++count > columns) return text.substr(0, i);
  return text;
}
size_t count_characters(std::string_view text) {
  return text.size() - static_cast<size_t>(std::ranges::count_if(text, is_continuation));
}

// One line without control characters. Names and captions are escaped where they enter a message (core/text.h); this
// keeps what slipped through off the terminal.
std::string safe_line(std::string_view line) {
  std::string out;
  for (const char c : line.substr(0, kLongestLine)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f)
      out += c;
    else if (c == '\t')
      out += ' ';
    else
      out += {'\\', 'x', "0123456789abcdef"[byte >> 4], "0123456789abcdef"[byte & 15]};
  }
  return line.size() > kLongestLine ? out + "..." : out;
}

std::vector<std::string> safe_lines(std::string_view text) {
  std::vector<std::string> out;
  for (;;) {
    const size_t end = text.find('\n');
    out.push_back(safe_line(text.substr(0, end)));
    if (end == std::string_view::npos || end + 1 == text.size()) return out;
    text.remove_prefix(end + 1);
  }
}

spdlog::level::level_enum spdlog_level(Level level) {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warn:
      return spdlog::level::warn;
    default:
      return spdlog::level::err;
  }
}

/// True at most once per interval, and the first time.
class Rhythm {
 public:
  bool due(double interval_s) {
    const auto now = Clock::now();
    if (last_ && std::chrono::duration<double>(now - *last_).count() < interval_s) return false;
    last_ = now;
    return true;
  }
  void restart() { last_.reset(); }

 private:
  std::optional<Clock::time_point> last_;
};

/// stderr, shared by log lines and the progress line. Plain writes: a blank line over the old bar needs no escape
/// codes.
class Terminal {
 public:
  bool color = false;

  void line(Level level, std::string_view text) {
    erase_bar();
    const std::string label = level == Level::debug   ? "debug: "
                              : level == Level::warn  ? "warning: "
                              : level == Level::error ? "error: "
                                                      : "";
    // "error[CFG] ..." and "warning[...] ..." say already what they are.
    const bool labelled = text.starts_with("error[") || text.starts_with("warning[");
    const char* paint = level == Level::warn ? "\033[33m" : level == Level::error ? "\033[31m" : "";
    std::string out = labelled ? "" : label;
    if (color && *paint && !out.empty()) out = paint + out + "\033[0m";
    write(out + std::string(text) + "\n");
  }
  void bar(std::string_view text, bool last) {
    const std::string_view shown = first_characters(text, terminal_width() - 1);
    const size_t columns = count_characters(shown);
    std::string out = "\r" + std::string(shown);
    if (drawn_ > columns) out += std::string(drawn_ - columns, ' ') + "\r" + std::string(shown);
    drawn_ = columns;
    write(out);
    if (last) end_bar();
  }
  void end_bar() {
    if (drawn_ > 0) write("\n");
    drawn_ = 0;
  }

 private:
  void erase_bar() {
    if (drawn_ > 0) write("\r" + std::string(drawn_, ' ') + "\r");
    drawn_ = 0;
  }
  static void write(const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), stderr);
    std::fflush(stderr);
  }
  size_t drawn_ = 0;  // columns of the progress line that stands on the terminal
};

/// Everything behind the free functions. spdlog formats and writes the files; the terminal is a sink of ours, because
/// the progress line must be cleared first.
class Logger {
 public:
  Logger() : logger_("diptych") {
    logger_.set_level(spdlog::level::trace);
    logger_.flush_on(spdlog::level::info);
    logger_.set_error_handler([this](const std::string& message) { note_file_error(message); });
    terminal_.color = stderr_is_terminal() && environment_wants_color();
  }

  void put(Level level, std::string_view text) {
    const std::lock_guard lock(mutex_);
    for (const std::string& line : safe_lines(text)) {
      if (level >= least_) terminal_.line(level, line);
      if (level >= std::min(least_, Level::info)) to_files(level, line);
    }
    report_file_error();
  }

  void progress(std::string_view text, bool last) {
    const std::lock_guard lock(mutex_);
    const std::string line = safe_line(text);
    const bool bar = mode_ == Progress::bar || (mode_ == Progress::automatic && stderr_is_terminal());
    if (line.empty()) {
      if (last) terminal_.end_bar();
    } else if (mode_ != Progress::off) {
      if (last || screen_rhythm_.due(bar ? kRedrawInterval_s : interval_s_))
        bar ? terminal_.bar(line, last) : terminal_.line(Level::info, line);
    }
    if (!line.empty() && (last || file_rhythm_.due(interval_s_))) to_files(Level::info, line);
    if (last) screen_rhythm_.restart(), file_rhythm_.restart();
    report_file_error();
  }

  void add_file(const std::string& path) {
    const std::lock_guard lock(mutex_);
    try {
      auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path);
      sink->set_pattern(kFilePattern);
      logger_.sinks().push_back(std::move(sink));
    } catch (const spdlog::spdlog_ex& error) {
      file_error_ = error.what();
    }
    report_file_error();
  }
  void close_files() {
    const std::lock_guard lock(mutex_);
    logger_.flush();
    logger_.sinks().clear();
  }

  void set_level(Level least) {
    with_lock([&] { least_ = least; });
  }
  void set_mode(Progress mode) {
    with_lock([&] { mode_ = mode; });
  }
  void set_interval(double seconds) {
    with_lock([&] { interval_s_ = seconds; });
  }
  void set_color(bool on) {
    with_lock([&] { terminal_.color = on; });
  }

 private:
  void with_lock(const auto& action) {
    const std::lock_guard lock(mutex_);
    action();
  }
  void to_files(Level level, const std::string& line) {
    // Foreign text is an argument, never the format string.
    if (!logger_.sinks().empty()) logger_.log(spdlog_level(level), "{}", line);
  }
  void note_file_error(const std::string& message) { file_error_ = message; }
  void report_file_error() {
    if (!file_error_.empty() && error_rhythm_.due(kFileErrorInterval_s))
      terminal_.line(Level::warn, safe_line("the log file cannot be written: " + file_error_));
    file_error_.clear();
  }

  std::mutex mutex_;
  spdlog::logger logger_;
  Terminal terminal_;
  Level least_ = Level::info;
  Progress mode_ = Progress::automatic;
  double interval_s_ = 30;
  Rhythm screen_rhythm_, file_rhythm_, error_rhythm_;
  std::string file_error_;
};

Logger& logger() {
  static Logger instance;
  return instance;
}

}  // namespace

void set_level(Level least) { logger().set_level(least); }
void add_file(const std::string& path) { logger().add_file(path); }
void close_files() { logger().close_files(); }

void debug(std::string_view text) { logger().put(Level::debug, text); }
void info(std::string_view text) { logger().put(Level::info, text); }
void warn(std::string_view text) { logger().put(Level::warn, text); }
void error(std::string_view text) { logger().put(Level::error, text); }

void set_progress(Progress mode) { logger().set_mode(mode); }
void set_progress_interval(double plain_interval_s) { logger().set_interval(plain_interval_s); }
void progress(std::string_view line, bool last) { logger().progress(line, last); }

void set_color(bool on) { logger().set_color(on); }
bool stderr_is_terminal() { return isatty(STDERR_FILENO) == 1; }

}  // namespace diptych::log
