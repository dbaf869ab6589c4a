#pragma once
#include <cstdlib>
#include <filesystem>
#include <string>

#include "support/slurp.h"

namespace diptych::testing {

/// The first of $DIPTYCH_PYTHON, the project's .venv and python3 that can import `modules` ("a, b"); "" without one.
inline std::string python_with(const std::string& modules) {
  const char* chosen = std::getenv("DIPTYCH_PYTHON");
  for (const std::string& python :
       {std::string(chosen ? chosen : ""), std::string(DIPTYCH_SOURCE_DIR "/.venv/bin/python"), std::string("python3")})
    if (!python.empty() && std::system(("'" + python + "' -c 'import " + modules + "' > /dev/null 2>&1").c_str()) == 0)
      return python;
  return "";
}

/// What FOLDER/SCRIPT prints when it is given `argument`; its error output if it fails.
inline std::string python_answer(const std::string& python, const std::filesystem::path& script,
                                 const std::filesystem::path& argument) {
  const std::string out = script.string() + ".out", err = script.string() + ".err";
  const std::string command =
      "'" + python + "' '" + script.string() + "' '" + argument.string() + "' > '" + out + "' 2> '" + err + "'";
  return std::system(command.c_str()) == 0 ? slurp(out) : "failed: " + slurp(err);
}

}  // namespace diptych::testing
