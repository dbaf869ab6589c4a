#include "diptych/core/error.h"

#include <cxxabi.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <new>
#include <string_view>
#include <typeinfo>

#include "diptych/core/text.h"

namespace diptych {
namespace {

struct ClassRow {
  const char* tag;
  int exit_code;
};
// In the order of ErrorClass.
constexpr std::array<ClassRow, 12> kClasses = {{{"CLI", 2},
                                                {"CFG", 2},
                                                {"DAT", 3},
                                                {"IMG", 3},
                                                {"SEC", 3},
                                                {"CKP", 4},
                                                {"OUT", 5},
                                                {"NUM", 6},
                                                {"DST", 7},
                                                {"MEM", 8},
                                                {"CHK", 9},
                                                {"BUG", 1}}};

std::string text_of_all(const std::vector<Issue>& issues) {
  std::string out;
  for (const Issue& issue : issues) out += (out.empty() ? "" : "\n") + to_text(issue);
  return out;
}

// LibTorch appends a stack trace to its messages.
std::string without_trace(std::string_view text) {
  return std::string(trim(text.substr(0, text.find("\nException raised from"))));
}

// A failed allocation on the host is a plain c10::Error: only the text tells. Torch is not included here, hence names.
bool means_out_of_memory(std::string_view type_name, std::string_view text) {
  if (type_name.find("OutOfMemoryError") != std::string_view::npos) return true;
  for (const std::string_view phrase :
       {"can't allocate memory", "Storage size calculation overflowed", "DefaultCPUAllocator", "out of memory"})
    if (text.find(phrase) != std::string_view::npos) return true;
  return false;
}

Verdict out_of_memory(const std::string& details) {
  return {exit_code(ErrorClass::mem),
          {{ErrorClass::mem, "", details.empty() ? "out of memory" : "out of memory: " + escape_for_log(details, 300),
            "use a smaller batch (train.batch_size, with train.accumulate) or a smaller evaluation block"}}};
}

Verdict bug(std::string_view type_name, std::string_view text) {
  return {exit_code(ErrorClass::bug),
          {{ErrorClass::bug, "", concat("internal error (", type_name, "): ", escape_for_log(text, 1000)),
            "this is a bug: please report the command, this message and the version (diptych --version)"}}};
}

std::string readable_type(const std::type_info* type) {
  if (!type) return "unknown type";
  int status = 0;
  char* demangled = abi::__cxa_demangle(type->name(), nullptr, nullptr, &status);
  std::string out = demangled ? demangled : type->name();
  std::free(demangled);
  return out;
}

}  // namespace

const char* tag(ErrorClass error_class) { return kClasses[static_cast<size_t>(error_class)].tag; }
int exit_code(ErrorClass error_class) { return kClasses[static_cast<size_t>(error_class)].exit_code; }

std::string to_text(const Issue& issue) {
  std::string out = concat("error[", tag(issue.error_class), "]", issue.where.empty() ? "" : " ", issue.where, ": ");
  out += issue.message;
  if (issue.hint.empty()) return out;
  const bool speaks_for_itself = issue.hint.starts_with("did you mean: ") || issue.hint.starts_with("known: ") ||
                                 issue.hint.starts_with("keys here: ");
  return out + "\n  " + (speaks_for_itself ? "" : "hint: ") + issue.hint;
}

Error::Error(std::vector<Issue> issues) : std::runtime_error(text_of_all(issues)), issues_(std::move(issues)) {}

int Error::exit_code() const {
  int smallest = issues_.empty() ? 1 : 255;
  for (const Issue& issue : issues_) smallest = std::min(smallest, diptych::exit_code(issue.error_class));
  return smallest;
}

Verdict verdict_of_current_exception() {
  const std::string type = readable_type(abi::__cxa_current_exception_type());
  try {
    throw;
  } catch (const Error& error) {
    return {error.exit_code(), error.issues()};
  } catch (const Interrupted& interrupted) {
    return {128 + interrupted.signal, {}};
  } catch (const std::bad_alloc&) {
    return out_of_memory("");
  } catch (const std::exception& error) {
    const std::string text = without_trace(error.what());
    return means_out_of_memory(type, text) ? out_of_memory(text) : bug(type, text);
  } catch (...) {
    return bug(type, "not a std::exception");
  }
}

}  // namespace diptych
