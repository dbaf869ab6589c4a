#pragma once
#include <filesystem>
#include <vector>

#include "diptych/core/error.h"

namespace diptych {

/// read(), with a remedy that holds within a sweep: what is damaged or of another version can be trained again.
template <class F>
auto read_job(const std::filesystem::path& run, F read) -> decltype(read()) {
  try {
    return read();
  } catch (const CheckpointError& error) {
    std::vector<Issue> issues = error.issues();
    for (Issue& issue : issues)
      issue.hint = "restore the file from a copy, or remove " + run.string() + ": the sweep then runs this job again";
    throw CheckpointError(std::move(issues));
  }
}

}  // namespace diptych
