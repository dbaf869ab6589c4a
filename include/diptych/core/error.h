#pragma once
#include <stdexcept>
#include <string>
#include <vector>

namespace diptych {

/// What kind of thing went wrong; decides the tag printed in `error[TAG]` and the exit code of the program.
enum class ErrorClass { cli, cfg, dat, img, sec, ckp, out, num, dst, mem, chk, bug };

/// "CLI", "CFG", ... as printed.
const char* tag(ErrorClass error_class);
/// 2 cli cfg, 3 dat img sec, 4 ckp, 5 out, 6 num, 7 dst, 8 mem, 9 chk, 1 bug.
int exit_code(ErrorClass error_class);

/// One complaint: `error[CFG] WHERE: MESSAGE` and an indented hint line. Foreign text is already escaped (text.h).
struct Issue {
  ErrorClass error_class;
  std::string where;    // "configs/a.yaml:14:5", "reid_raw.json record 12 (id 7)", "command line"; may be empty
  std::string message;  // what was given, what is needed
  std::string hint;     // the remedy: nearest name, or the command that mends it; may be empty
};

/// `error[CFG] where: message` plus the hint on a line of its own, indented; "did you mean: ..." and "known: ..." stand
/// as they are, other hints after "hint: ".
std::string to_text(const Issue& issue);

/// Base of everything Diptych throws on purpose: one or more issues of one class of error.
class Error : public std::runtime_error {
 public:
  explicit Error(std::vector<Issue> issues);
  Error(ErrorClass error_class, std::string where, std::string message, std::string hint = "")
      : Error(std::vector<Issue>{{error_class, std::move(where), std::move(message), std::move(hint)}}) {}
  const std::vector<Issue>& issues() const { return issues_; }
  /// The smallest exit code among the issues.
  int exit_code() const;

 private:
  std::vector<Issue> issues_;
};

/// The command line or the configuration is wrong (exit 2). Tag CFG; UsageError::command_line has tag CLI.
struct UsageError : Error {
  using Error::Error;
  UsageError(std::string where, std::string message, std::string hint = "")
      : Error(ErrorClass::cfg, std::move(where), std::move(message), std::move(hint)) {}
  static UsageError command_line(std::string message, std::string hint = "") {
    return UsageError(std::vector<Issue>{{ErrorClass::cli, "command line", std::move(message), std::move(hint)}});
  }
};
/// Data is missing or invalid (exit 3).
struct DataError : Error {
  using Error::Error;
  DataError(std::string where, std::string message, std::string hint = "")
      : Error(ErrorClass::dat, std::move(where), std::move(message), std::move(hint)) {}
};
/// A checkpoint or weight file is missing, corrupt or does not fit (exit 4).
struct CheckpointError : Error {
  using Error::Error;
  CheckpointError(std::string where, std::string message, std::string hint = "")
      : Error(ErrorClass::ckp, std::move(where), std::move(message), std::move(hint)) {}
};
/// Output cannot be written: disk full, not writable, directory in use (exit 5).
struct OutputError : Error {
  using Error::Error;
  OutputError(std::string where, std::string message, std::string hint = "")
      : Error(ErrorClass::out, std::move(where), std::move(message), std::move(hint)) {}
};
/// A number that must be finite is not, or the model has collapsed (exit 6).
struct NumericError : Error {
  using Error::Error;
  NumericError(std::string where, std::string message, std::string hint = "")
      : Error(ErrorClass::num, std::move(where), std::move(message), std::move(hint)) {}
};
/// A check ran and said no: `data check`, `--expect` (exit 9).
struct CheckFailed : Error {
  using Error::Error;
  CheckFailed(std::string where, std::string message, std::string hint = "")
      : Error(ErrorClass::chk, std::move(where), std::move(message), std::move(hint)) {}
};
/// A caller inside Diptych broke a contract: tensor of a wrong shape, label outside the classifier (exit 1).
/// Used by free functions on tensors: "cmpm_loss: x [32, 512] and y [31, 512] differ in rows".
struct ShapeError : Error {
  explicit ShapeError(std::string message) : Error(ErrorClass::bug, "", std::move(message)) {}
};

/// Stopped by a signal after everything was saved (exit 128 + signal). Not an Error: nothing went wrong.
struct Interrupted {
  int signal;
};

/// What the exception in flight means: its issues and exit code. Call inside `catch (...)`. Out-of-memory messages of
/// LibTorch are recognised by type and text and map to 8, unknown exceptions to 1.
struct Verdict {
  int exit_code;
  std::vector<Issue> issues;
};
Verdict verdict_of_current_exception();

}  // namespace diptych
