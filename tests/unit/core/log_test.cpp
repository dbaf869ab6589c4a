#include "diptych/core/log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "support/slurp.h"
#include "support/temp_dir.h"

namespace diptych {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::slurp;
using ::testing::StartsWith;
using testing::TempDir;

/// What `body` writes to stderr as a file, in a child process: the logger is process-wide.
std::string stderr_of(const std::function<void()>& body) {
  const TempDir dir;
  const pid_t child = fork();
  if (child == 0) {
    const int file = open((dir / "stderr").c_str(), O_WRONLY | O_CREAT, 0600);
    dup2(file, STDERR_FILENO);
    body();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  return slurp(dir / "stderr");
}

/// What `body` writes to a terminal of `columns` columns.
std::string terminal_of(unsigned short columns, const std::function<void()>& body) {
  winsize size = {};
  size.ws_col = columns, size.ws_row = 24;
  int terminal = 0;
  const pid_t child = forkpty(&terminal, nullptr, nullptr, &size);
  if (child == 0) {
    body();
    _exit(0);
  }
  std::string out;
  char buffer[4096];
  for (ssize_t n = 0; (n = ::read(terminal, buffer, sizeof buffer)) > 0;) out.append(buffer, static_cast<size_t>(n));
  close(terminal);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  return out;
}

TEST(Log, LinesArePlainOffATerminal) {
  EXPECT_EQ(stderr_of([] {
              log::debug("hidden");
              log::info("shown");
              log::warn("careful");
              log::error("broken");
              log::error("error[CFG] a.yaml:1:1: x");
              log::warn("two\nlines\n");
            }),
            "shown\nwarning: careful\nerror: broken\nerror[CFG] a.yaml:1:1: x\nwarning: two\nwarning: lines\n");
}

TEST(Log, LevelsSelect) {
  EXPECT_EQ(stderr_of([] {
              log::set_level(log::Level::warn);
              log::info("hidden");
              log::warn("shown");
              log::set_level(log::Level::debug);
              log::debug("now too");
            }),
            "warning: shown\ndebug: now too\n");
}

TEST(Log, S9_S10_ForeignTextIsInert) {
  const std::string out = stderr_of([] {
    log::info("a\x1b[2J\rb\a{} {:d} %n %s");
    log::info(std::string(1 << 20, 'x'));
  });
  EXPECT_THAT(out, StartsWith("a\\x1b[2J\\x0db\\x07{} {:d} %n %s\n"));
  EXPECT_LT(out.size(), 9000u);
}

TEST(Log, FileGetsTimedLinesOfEveryLevelFromInfo) {
  const TempDir dir;
  const std::string path = (dir / "run.log").string();
  stderr_of([&] {
    log::set_level(log::Level::error);
    log::add_file(path);
    log::info("first {}");
    log::warn("second");
    log::close_files();
    log::warn("too late");
    log::add_file(path);
    log::info("third");
  });
  const std::string text = slurp(path);
  EXPECT_THAT(text, ::testing::MatchesRegex(
                        "....-..-.. ..:..:..[.]... info: first \\{\\}\n.* warning: second\n.* info: third\n"));
}

TEST(Log, AFileThatCannotBeWrittenWarnsOnceAndGoesOn) {
  const std::string out = stderr_of([] {
    log::add_file("/dev/full");
    for (int i = 0; i < 2000; ++i) log::info("a line that fills the buffer of the stream, so that the failure is seen");
    log::info("still here");
  });
  EXPECT_THAT(out, AllOf(HasSubstr("still here\n"), HasSubstr("warning: the log file cannot be written")));
  EXPECT_EQ(out.find("cannot be written"), out.rfind("cannot be written"));
  EXPECT_THAT(stderr_of([] { log::add_file("/proc/no/such/run.log"); }), HasSubstr("cannot be written"));
}

TEST(Progress, OffATerminalIsOneLineAnInterval) {
  const std::string out = stderr_of([] {
    for (int i = 1; i <= 5; ++i) log::progress("step " + std::to_string(i));
    log::progress("step 6", true);
    log::set_progress_interval(0);
    log::progress("again");
    log::progress("", true);
  });
  EXPECT_EQ(out, "step 1\nstep 6\nagain\n");
}

TEST(Progress, OffPrintsNothing) {
  EXPECT_EQ(stderr_of([] {
              log::set_progress(log::Progress::off);
              log::progress("step 1", true);
            }),
            "");
}

TEST(Progress, FileGetsPlainLines) {
  const TempDir dir;
  const std::string path = (dir / "run.log").string();
  terminal_of(80, [&] {
    log::add_file(path);
    for (int i = 1; i <= 5; ++i) log::progress("step " + std::to_string(i));
    log::progress("step 6", true);
  });
  EXPECT_THAT(slurp(path), AllOf(HasSubstr("info: step 1\n"), Not(HasSubstr("step 2")), HasSubstr("info: step 6\n"),
                                 Not(HasSubstr("\r"))));
}

TEST(Progress, BarIsRedrawnAndClearedBeforeLines) {
  const std::string out = terminal_of(40, [] {
    log::progress("a long first line");
    std::this_thread::sleep_for(std::chrono::milliseconds(120));
    log::progress("short");
    log::info("a log line");
    log::progress("the end", true);
    log::info("after");
  });
  EXPECT_EQ(out,
            "\ra long first line"
            "\rshort            \rshort"
            "\r     \ra log line\r\n"
            "\rthe end\r\nafter\r\n");
}

TEST(Progress, BarIsRedrawnAtMostTenTimesASecond) {
  const auto start = std::chrono::steady_clock::now();
  const std::string out = terminal_of(40, [] {
    for (int i = 0; i < 10'000; ++i) log::progress("step");
  });
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  EXPECT_LE(static_cast<double>(std::ranges::count(out, '\r')), 1 + 10 * seconds);
}

TEST(Progress, BarFitsTheTerminal) {
  EXPECT_EQ(terminal_of(11, [] { log::progress("\u00e90123456789abcdef", true); }), "\r\u00e9012345678\r\n");
}

TEST(Progress, S14_WidthZeroAndNoColourHaveNoEscapeByte) {
  const std::string out = terminal_of(0, [] {
    log::set_color(false);
    log::progress("step 1");
    log::warn("careful");
    log::progress("step 2", true);
  });
  EXPECT_THAT(out, AllOf(HasSubstr("step 1"), HasSubstr("warning: careful"), Not(HasSubstr("\x1b"))));
}

TEST(Color, OnlyOnTerminalsAndNotAgainstNoColor) {
  const auto warn = [] { log::warn("careful"); };
  setenv("TERM", "xterm", 1);
  unsetenv("NO_COLOR");
  EXPECT_EQ(terminal_of(80, warn), "\x1b[33mwarning: \x1b[0mcareful\r\n");
  EXPECT_EQ(stderr_of(warn), "warning: careful\n");
  setenv("NO_COLOR", "1", 1);
  EXPECT_EQ(terminal_of(80, warn), "warning: careful\r\n");
  unsetenv("NO_COLOR");
  EXPECT_EQ(stderr_of([&] { log::set_color(true), warn(); }), "\x1b[33mwarning: \x1b[0mcareful\n");
}

TEST(Log, ThreadsDoNotMixTheirLines) {
  const std::string out = stderr_of([] {
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([t] {
        for (int i = 0; i < 200; ++i) log::info(std::string(50, static_cast<char>('a' + t)));
      });
    for (auto& thread : threads) thread.join();
  });
  std::istringstream lines(out);
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) EXPECT_EQ(line, std::string(50, line.at(0)));
  EXPECT_EQ(count, 800);
}

}  // namespace
}  // namespace diptych
