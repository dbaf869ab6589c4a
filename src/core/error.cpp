#include "diptych/core/error.h"
#include <new>
#include <algorithm>
#include "diptych/core/text.h"
namespace diptych {
const char* tag(ErrorClass c) { static const char* t[] = {"CLI","CFG","DAT","IMG","SEC","CKP","OUT","NUM","DST","MEM","CHK","BUG"}; return t[static_cast<int>(c)]; }
int exit_code(ErrorClass c) { static const int t[] = {2,2,3,3,3,4,5,6,7,8,9,1}; return t[static_cast<int>(c)]; }
std::string to_text(const Issue& i) { std::string o = concat("error[", tag(i.error_class), "]", i.where.empty() ? "" : " " + i.where, ": ", i.message); if (!i.hint.empty()) o += "\n  hint: " + i.hint; return o; }
namespace { std::string all_text(const std::vector<Issue>& v) { std::string o; for (auto& i : v) o += (o.empty() ? "" : "\n") + to_text(i); return o; } }
Error::Error(std::vector<Issue> issues) : std::runtime_error(all_text(issues)), issues_(std::move(issues)) {}
int Error::exit_code() const { int c = 99; for (auto& i : issues_) c = std::min(c, diptych::exit_code(i.error_class)); return c; }
Verdict verdict_of_current_exception() {
  try { throw; }
  catch (const Error& e) { return {e.exit_code(), e.issues()}; }
  catch (const std::bad_alloc&) { return {8, {{ErrorClass::mem, "", "out of memory", ""}}}; }
  catch (const std::exception& e) { return {1, {{ErrorClass::bug, "", e.what(), "please report"}}}; }
  catch (...) { return {1, {{ErrorClass::bug, "", "unknown exception", ""}}}; }
}
}
