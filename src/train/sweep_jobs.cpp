#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <deque>
#include <fstream>
#include <optional>
#include <thread>

#include "diptych/core/io/fs.h"
#include "diptych/core/log.h"
#include "diptych/core/signals.h"
#include "diptych/core/text.h"
#include "diptych/report/run_record.h"
#include "diptych/train/run_directory.h"
#include "diptych/train/sweep.h"
#include "sweep_damage.h"

extern char** environ;

namespace diptych {
namespace {

namespace fs = std::filesystem;
using SteadyClock = std::chrono::steady_clock;
using Words = std::vector<std::string>;
constexpr auto kPoll = std::chrono::milliseconds(50);
constexpr const char* kMarker = "sweep.yaml";

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

/// Files of one job. The log is locked while a process writes it: the job inherits the lock and keeps it when the sweep
/// is killed, so that the next sweep sees a job that still runs.
struct JobPlace {
  fs::path run, log, exit_record;
  explicit JobPlace(const fs::path& sweep, const SweepPoint& point) : run(job_directory(sweep, point)) {
    const std::string name = run.filename().string();
    log = sweep / "logs" / (name + ".log");
    exit_record = sweep / "logs" / (name + ".exit");
  }
};

class LogFile {
 public:
  explicit LogFile(const fs::path& path)
      : fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0666)) {
    if (fd_ < 0) throw OutputError(path.string(), concat("cannot be opened: ", std::strerror(errno)));
  }
  ~LogFile() { ::close(fd_); }
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;
  bool lock() const { return ::flock(fd_, LOCK_EX | LOCK_NB) == 0; }
  int fd() const { return fd_; }

 private:
  int fd_;
};

bool is_log_held(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return false;
  const bool held = ::flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  ::close(fd);
  return held;
}

std::string evaluation_split(const SweepPlan& plan) { return plan.split == "none" ? "test" : plan.split; }

fs::path evaluation_file(const SweepPlan& plan, const fs::path& run, const std::string& protocol) {
  const std::string split = evaluation_split(plan);
  return run / "eval" / (split == "test" ? protocol : protocol + "-" + split) / "metrics.json";
}

/// Protocols whose numbers the job still lacks.
Words missing_protocols(const SweepPlan& plan, const fs::path& run) {
  Words out;
  if (!plan.own_protocol.empty() && !is_there(evaluation_file(plan, run, plan.own_protocol)))
    out.push_back(plan.own_protocol);
  for (const std::string& each : plan.protocols)
    if (each != plan.own_protocol && !is_there(evaluation_file(plan, run, each))) out.push_back(each);
  return out;
}

std::optional<int> recorded_exit(const fs::path& file) {
  if (!is_there(file)) return {};
  const auto code = parse_integer(trim(read_file(file, 64, ErrorClass::out)));
  return code ? static_cast<int>(*code) : 1;
}

JobStatus status_at(const SweepPlan& plan, const JobPlace& place) {
  if (is_log_held(place.log)) return {JobState::running, 0};
  const auto exit_record = recorded_exit(place.exit_record);
  const JobStatus failed{JobState::failed, exit_record.value_or(1)};
  if (!is_run_directory(place.run)) return exit_record ? failed : JobStatus{};
  const RunStatus status = read_job(place.run, [&] { return read_run_status(place.run); });
  switch (status.state) {
    case RunState::running:
      return {JobState::running, 0};
    case RunState::done:
      if (missing_protocols(plan, place.run).empty()) return {JobState::finished, 0};
      return exit_record ? failed : JobStatus{JobState::interrupted, 0};
    case RunState::failed:
      return {JobState::failed, status.code};
    case RunState::interrupted:
      return {JobState::interrupted, 128 + status.code};
    case RunState::crashed:
      break;
  }
  return exit_record ? failed : JobStatus{JobState::interrupted, 0};
}

/// A job of an array (--job) has the machine, or its share of it, to itself.
int64_t jobs_at_once(const SweepPlan& plan, const SweepRequest& request) {
  if (request.only > 0) return 1;
  return request.jobs > 0 ? request.jobs : plan.spec.jobs;
}

/// --threads of one job; 0 leaves the choice to its configuration.
int64_t threads_of_job(const SweepPlan& plan, const SweepRequest& request, const SweepPoint& point) {
  const int64_t at_once = jobs_at_once(plan, request);
  if (request.threads == 0 && (point.threads > 0 || at_once == 1)) return 0;
  const int64_t all = request.threads > 0 ? request.threads : std::thread::hardware_concurrency();
  return std::max<int64_t>(1, all / at_once);
}

Words train_command(const SweepPlan& plan, const SweepRequest& request, const SweepPoint& point, const fs::path& run) {
  Words out = {request.program, "train", "--config",   plan.spec.base, "--run-dir", run.string(),
               "--resume",      "auto",  "--progress", "plain",        "--color",   "never"};
  if (const int64_t threads = threads_of_job(plan, request, point); threads > 0)
    out.insert(out.end(), {"--threads", number_text(threads)});
  out.insert(out.end(), point.overrides.begin(), point.overrides.end());
  return out;
}

Words evaluate_command(const SweepPlan& plan, const SweepRequest& request, const SweepPoint& point, const fs::path& run,
                       const std::string& protocol) {
  Words out = {request.program,        "evaluate", run.string(), "--protocol", protocol, "--split",
               evaluation_split(plan), "--color",  "never"};
  if (const int64_t threads = threads_of_job(plan, request, point); threads > 0)
    out.insert(out.end(), {"--threads", number_text(threads)});
  return out;
}

/// The step that brings the job forward; empty when nothing is left to do.
Words next_command(const SweepPlan& plan, const SweepRequest& request, const SweepPoint& point, const JobPlace& place) {
  if (!is_run_directory(place.run) || read_run_status(place.run).state != RunState::done)
    return train_command(plan, request, point, place.run);
  const Words missing = missing_protocols(plan, place.run);
  return missing.empty() ? Words{} : evaluate_command(plan, request, point, place.run, missing.front());
}

/// Starts our own program with its output in the log, in a process group of its own: Ctrl-C reaches the sweep alone,
/// which passes it on once.
pid_t spawn(const Words& words, const LogFile& log) {
  std::vector<char*> argv;
  for (const std::string& each : words) argv.push_back(const_cast<char*>(each.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, log.fd(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, log.fd(), STDERR_FILENO);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (error != 0) throw OutputError("sweep", concat("a job cannot be started: ", std::strerror(error)));
  return pid;
}

/// The last line of the log that names an error, or its last line.
std::string last_error_line(const fs::path& log) {
  constexpr uint64_t kTail = 1 << 16;
  std::error_code ignored;
  const uint64_t size = fs::file_size(log, ignored);
  std::ifstream file(log, std::ios::binary);
  if (!ignored && size > kTail) file.seekg(static_cast<std::streamoff>(size - kTail));
  std::string last, error;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("error[")) error = line;
    if (!trim(line).empty()) last = line;
  }
  return error.empty() ? last : error;
}

class JobRunner {
 public:
  JobRunner(const SweepPlan& plan, const SweepRequest& request) : plan_(plan), request_(request) {}

  void run() {
    queue();
    while (!waiting_.empty() || !running_.empty()) {
      if (!passed_on_ && signals::pending() != 0) pass_on(signals::pending());
      while (!stopping_ && !waiting_.empty() && static_cast<int64_t>(running_.size()) < jobs_at_once(plan_, request_)) {
        const SweepPoint* point = waiting_.front();
        waiting_.pop_front();
        start(*point);
      }
      if (running_.empty() && stopping_) break;
      std::this_thread::sleep_for(kPoll);
      reap();
      show_progress(false);
    }
    show_progress(true);
    if (passed_on_) throw Interrupted{signals::pending()};
  }

 private:
  struct Running {
    const SweepPoint* point;
    JobPlace place;
    pid_t pid;  // 0: started by an earlier sweep
    Words command;
    SteadyClock::time_point start;
  };

  void queue() {
    for (const SweepPoint& point : plan_.points) {
      if (request_.only > 0 && point.number != request_.only) continue;
      ++total_;
      const JobStatus status = status_at(plan_, JobPlace(request_.directory, point));
      if (status.state == JobState::finished) {
        ++finished_;
      } else if (status.state == JobState::failed && !request_.retry_failed) {
        ++failed_;
        log::warn(concat("job ", point.name(), " failed before (exit ", status.exit_code,
                         ") and is left alone; --retry-failed repeats it: ", point.text));
      } else {
        waiting_.push_back(&point);
      }
    }
    if (finished_ > 0) log::info(concat(finished_, " of ", total_, " jobs are finished already"));
  }

  void start(const SweepPoint& point) {
    JobPlace place(request_.directory, point);
    const LogFile log_file(place.log);
    if (!log_file.lock() || (is_run_directory(place.run) && read_run_status(place.run).state == RunState::running)) {
      log::info(concat("job ", point.name(), " still runs, started by an earlier sweep: waiting for it"));
      running_.push_back({&point, std::move(place), 0, {}, SteadyClock::now()});
      return;
    }
    std::error_code ignored;
    fs::remove(place.exit_record, ignored);
    if (!is_run_directory(place.run)) fs::remove_all(place.run, ignored);  // killed while it was being made
    const Words command = next_command(plan_, request_, point, place);
    if (command.empty()) return finish(point, place, SteadyClock::now());  // finished while it was waited for
    log::info(concat("job ", point.name(), is_there(place.run) ? " resumed: " : " started: ", point.text));
    const pid_t pid = spawn(command, log_file);
    running_.push_back({&point, std::move(place), pid, command, SteadyClock::now()});
  }

  void reap() {
    for (size_t i = 0; i < running_.size();) {
      const Running& each = running_[i];
      int status = 0;
      if (each.pid == 0 ? status_at(plan_, each.place).state == JobState::running
                        : ::waitpid(each.pid, &status, WNOHANG) == 0) {
        ++i;
        continue;
      }
      const Running ended = std::move(running_[i]);
      running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
      if (ended.pid == 0)
        waiting_.push_front(ended.point);
      else
        end(ended, status);
    }
  }

  void end(const Running& job, int status) {
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    if (code > 128) {
      log::info(concat("job ", job.point->name(), " stopped by signal ", code - 128, " after saving"));
      return;
    }
    if (stopping_ && WIFSIGNALED(status)) return;  // before it could catch the signal: it had not begun
    const bool killed = WIFSIGNALED(status);
    if (code != 0 && !killed) return fail(job, code, concat("exit ", code));
    const Words next = next_command(plan_, request_, *job.point, job.place);
    if (killed && !next.empty())  // with its results there, the job had done its work
      return fail(job, code, concat("killed by signal ", WTERMSIG(status)));
    if (next == job.command) return fail(job, 1, "exit 0, but its results are not there");
    if (next.empty()) return finish(*job.point, job.place, job.start);
    if (stopping_) return;
    const LogFile log_file(job.place.log);
    log_file.lock();
    running_.push_back({job.point, job.place, spawn(next, log_file), next, job.start});
  }

  void finish(const SweepPoint& point, const JobPlace& place, SteadyClock::time_point start) {
    ++finished_, ++finished_now_;
    log::info(concat("job ", point.name(), " finished in ",
                     duration_text(std::chrono::duration<double>(SteadyClock::now() - start).count()), ": ", point.text,
                     selection_text(place.run)));
  }

  std::string selection_text(const fs::path& run) const {
    if (plan_.selection.empty()) return "";
    const RunRecord record = read_job(run, [&] { return read_run_record(run); });
    const MetricsRow* row = record.best_row();
    const double* value = row ? row->find(plan_.selection.substr(4)) : nullptr;
    return value ? concat(" (", plan_.selection, " ", fixed_text(*value, 1), ")") : "";
  }

  void fail(const Running& job, int code, const std::string& how) {
    ++failed_;
    try {
      write_file_atomically(job.place.exit_record, number_text(int64_t{code}) + "\n");
    } catch (const OutputError& error) {
      log::warn(error.what());  // the next start repeats the job instead of leaving it alone
    }
    log::error(concat("job ", job.point->name(), " failed (", how, "): ", job.point->text));
    log::error("  " + last_error_line(job.place.log));
    log::error("  log: " + job.place.log.string());
    if (!request_.fail_fast || stopping_) return;
    log::info("--fail-fast: the other jobs are stopped after saving");
    stop(SIGTERM);
  }

  void stop(int signal) {
    stopping_ = true;
    for (const Running& each : running_)
      if (each.pid > 0) ::kill(each.pid, signal);
  }

  void pass_on(int signal) {
    passed_on_ = true;
    log::info(concat("signal ", signal, ": passed on to ", running_.size(), " jobs, which save and stop"));
    stop(signal);
    std::erase_if(running_, [](const Running& each) { return each.pid == 0; });
  }

  void show_progress(bool last) {
    std::string line = concat("sweep ", plan_.spec.name, ": ", finished_, " of ", total_, " jobs finished, ",
                              running_.size(), " running", failed_ > 0 ? concat(", ", failed_, " failed") : "");
    if (const auto left = static_cast<double>(waiting_.size() + running_.size()); finished_now_ > 0 && left > 0) {
      const double seconds = std::chrono::duration<double>(SteadyClock::now() - begin_).count();
      line += " ETA " + duration_text(left * seconds / static_cast<double>(finished_now_));
    }
    log::progress(line, last);
  }

  const SweepPlan& plan_;
  const SweepRequest& request_;
  std::deque<const SweepPoint*> waiting_;
  std::vector<Running> running_;
  size_t total_ = 0, finished_ = 0, finished_now_ = 0, failed_ = 0;
  bool stopping_ = false, passed_on_ = false;
  SteadyClock::time_point begin_ = SteadyClock::now();
};

/// True if the folder holds nothing but a sweep's own entries: an empty one, one of a start that was killed at once,
/// one that has lost its sweep.yaml.
bool is_free_for_a_sweep(const fs::path& directory) {
  std::error_code ignored;
  return std::ranges::all_of(fs::directory_iterator(directory, ignored), [](const fs::directory_entry& entry) {
    const std::string name = entry.path().filename().string();
    return name == "jobs" || name == "logs" || name == "run.lock" || name.starts_with("sweep.") ||
           name == "report.html" || name == "summary.md" || name.starts_with(".tmp-");
  });
}

/// Makes the directory, or takes it over from an earlier start of the same sweep.
void prepare_directory(const SweepPlan& plan, const SweepRequest& request) {
  const fs::path& directory = request.directory;
  std::error_code ignored;
  if (is_there(directory) && !fs::is_directory(directory, ignored))
    throw OutputError(directory.string(), "exists and is not a directory", "name another --run-dir");
  if (!is_there(directory / kMarker) && !is_free_for_a_sweep(directory))
    throw UsageError(directory.string(), "exists, is not empty and holds no sweep", "name another --run-dir");
  make_directories(directory / "jobs");
  make_directories(directory / "logs");
  const std::string text = to_yaml(plan.spec);
  if (!is_there(directory / kMarker) || read_file(directory / kMarker, 16 << 20, ErrorClass::out) != text)
    write_file_atomically(directory / kMarker, text);
}

ErrorClass class_of(int code) {
  switch (code) {
    case 2:
      return ErrorClass::cfg;
    case 3:
      return ErrorClass::dat;
    case 4:
      return ErrorClass::ckp;
    case 5:
      return ErrorClass::out;
    case 6:
      return ErrorClass::num;
    case 7:
      return ErrorClass::dst;
    case 8:
      return ErrorClass::mem;
    case 9:
      return ErrorClass::chk;
    default:
      return ErrorClass::bug;
  }
}

}  // namespace

fs::path default_sweep_path(const SweepSpec& spec) { return fs::path("runs") / "sweeps" / spec.name; }

fs::path job_directory(const fs::path& sweep, const SweepPoint& point) {
  const fs::path own = sweep / "jobs" / point.name();
  if (is_there(own)) return own;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(sweep / "jobs", ignored))
    if (const std::string name = entry.path().filename().string(); name.ends_with("-" + point.hash.substr(0, 8)))
      return sweep / "jobs" / name;
  return own;
}

JobStatus job_status(const SweepPlan& plan, const SweepRequest& request, const SweepPoint& point) {
  return status_at(plan, JobPlace(request.directory, point));
}

std::vector<Words> job_commands(const SweepPlan& plan, const SweepRequest& request, const SweepPoint& point) {
  const fs::path run = job_directory(request.directory, point);
  std::vector<Words> out = {train_command(plan, request, point, run)};
  for (const std::string& each : plan.protocols)
    if (each != plan.own_protocol) out.push_back(evaluate_command(plan, request, point, run, each));
  return out;
}

std::string shell_line(const Words& words) {
  const auto is_safe = [](unsigned char c) {
    return (c < 128 && std::isalnum(c)) ||
           std::string_view("_./:=,@%+-").find(static_cast<char>(c)) != std::string::npos;
  };
  Words quoted;
  for (const std::string& each : words) {
    if (!each.empty() && std::ranges::all_of(each, is_safe)) {
      quoted.push_back(each);
      continue;
    }
    std::string text = "'";
    for (const char c : each) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
    quoted.push_back(text + "'");
  }
  return join(quoted, " ");
}

void run_jobs(const SweepPlan& plan, const SweepRequest& request) {
  prepare_directory(plan, request);
  std::optional<RunLock> lock;
  if (request.only == 0) {
    lock.emplace(request.directory);
    remove_stale_staging(request.directory);
    remove_stale_staging(request.directory / "logs");
  }
  JobRunner(plan, request).run();
}

void throw_first_failure(const SweepPlan& plan, const SweepRequest& request) {
  size_t failed = 0, total = 0;
  const SweepPoint* first = nullptr;
  JobStatus first_status;
  for (const SweepPoint& point : plan.points) {
    if (request.only > 0 && point.number != request.only) continue;
    ++total;
    const JobStatus status = job_status(plan, request, point);
    if (status.state == JobState::finished) continue;
    failed += status.state == JobState::failed;
    const bool is_failure = status.state == JobState::failed || status.exit_code > 128;
    if (is_failure && !first) first = &point, first_status = status;
  }
  if (!first) return;
  if (first_status.exit_code > 128) throw Interrupted{first_status.exit_code - 128};
  const JobPlace place(request.directory, *first);
  throw Error(class_of(first_status.exit_code), request.directory.string(),
              concat(failed, " of ", total, " jobs failed; the first: ", first->name(), " (exit ",
                     first_status.exit_code, "): ", escape_for_log(first->text, 300)),
              concat("its log is ", place.log.string(), "; --retry-failed repeats what failed"));
}

}  // namespace diptych
