#pragma once
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "support/slurp.h"

namespace diptych::testing {

struct ProcessResult {
  int exit_code = -1;  // of the program, or -1
  int signal = 0;      // that killed it, or 0
  std::string out, err;
};

/// Runs the program under test in `directory`. `while_running(pid)` is called every 20 ms and may send signals.
inline ProcessResult run_program(const std::vector<std::string>& arguments, const std::filesystem::path& directory,
                                 const std::function<void(pid_t)>& while_running = {}, int limit_s = 240) {
  const auto out = directory / ".stdout", err = directory / ".stderr";
  const pid_t pid = fork();
  if (pid == 0) {
    if (chdir(directory.c_str()) != 0) _exit(126);
    const auto redirect = [](const std::filesystem::path& file, int descriptor) {
      const int fd = open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
      if (fd >= 0) dup2(fd, descriptor);
    };
    redirect(out, STDOUT_FILENO), redirect(err, STDERR_FILENO);
    setenv("OMP_WAIT_POLICY", "passive", 1);
    std::vector<char*> argv = {const_cast<char*>(DIPTYCH_PROGRAM)};
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    execv(DIPTYCH_PROGRAM, argv.data());
    _exit(127);
  }
  ProcessResult result;
  const auto start = std::chrono::steady_clock::now();
  int status = 0;
  while (waitpid(pid, &status, WNOHANG) == 0) {
    if (while_running) while_running(pid);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    if (std::chrono::steady_clock::now() - start > std::chrono::seconds(limit_s)) kill(pid, SIGKILL);
  }
  if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
  result.out = slurp(out), result.err = slurp(err);
  std::filesystem::remove(out), std::filesystem::remove(err);
  return result;
}

}  // namespace diptych::testing
