#include "diptych/core/signals.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "diptych/core/error.h"

namespace diptych {
namespace {

/// Runs `body` in a child process and returns its wait status: handlers and flags are process-wide.
int status_of(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}
int exit_code_of(const std::function<int()>& body) {
  const int status = status_of(body);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

TEST(Signals, NothingIsPendingAtTheStart) {
  EXPECT_EQ(exit_code_of([] {
              signals::install();
              signals::throw_if_pending();
              return signals::pending();
            }),
            0);
}

TEST(Signals, TheFirstSetsTheFlag) {
  for (const int each : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) {
    EXPECT_EQ(exit_code_of([each] {
                signals::install();
                raise(each);
                return signals::pending();
              }),
              each);
  }
}

TEST(Signals, ThrowsWhatStopped) {
  EXPECT_EQ(exit_code_of([] {
              signals::install();
              raise(SIGTERM);
              try {
                signals::throw_if_pending();
              } catch (const Interrupted& interrupted) {
                return 128 + interrupted.signal;
              }
              return 0;
            }),
            143);
}

TEST(Signals, TheSecondKillsByItsDefaultAction) {
  EXPECT_EQ(exit_code_of([] {
              signals::install();
              raise(SIGTERM);
              raise(SIGINT);
              return 0;
            }),
            -SIGINT);
}

TEST(Signals, BrokenPipesAndFileLimitsDoNotKill) {
  EXPECT_EQ(exit_code_of([] {
              signals::install();
              int ends[2];
              if (pipe(ends) != 0) return 1;
              close(ends[0]);
              if (write(ends[1], "x", 1) != -1) return 2;
              raise(SIGXFSZ);
              return 0;
            }),
            0);
}

}  // namespace
}  // namespace diptych
