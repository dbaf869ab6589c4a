#pragma once
#include <string>
#include <string_view>

// Logging and progress on stderr, and the run's log file. Neither spdlog nor fmt is visible here (architecture: they
// must not meet torch's include path); text arrives complete and is escaped line by line.
namespace diptych::log {

enum class Level { debug, info, warn, error };

void set_level(Level least);
/// Adds a file sink (plain lines with time stamps). Write errors warn once a minute and never stop the run.
void add_file(const std::string& path);
void close_files();

void debug(std::string_view text);
void info(std::string_view text);
void warn(std::string_view text);
void error(std::string_view text);

/// How progress is shown: a redrawn bar on a terminal, plain lines every 30 s elsewhere, or nothing.
enum class Progress { automatic, bar, plain, off };
void set_progress(Progress mode);
void set_progress_interval(double plain_interval_s);
/// Replaces the progress line (at most 10 redraws a second on a terminal; one line per interval elsewhere; the log file
/// gets the plain lines). `last` forces it out and ends the line.
void progress(std::string_view line, bool last = false);

void set_color(bool on);
bool stderr_is_terminal();

}  // namespace diptych::log
