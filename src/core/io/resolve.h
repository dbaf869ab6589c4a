#pragma once
#include <filesystem>
#include <string>

// The two ways to stay inside a root, apart so that both are tested.

namespace diptych::resolving {

enum class Outcome { found, missing, outside, unsupported, failed };
struct Resolved {
  Outcome outcome;
  std::filesystem::path path;  // if found
  int error_number = 0;
};
/// The kernel refuses every step that would leave the root, also by links (Linux >= 5.6; else `unsupported`).
Resolved by_kernel(const std::filesystem::path& root, const std::string& relative);
/// Real paths compared component by component.
Resolved by_real_path(const std::filesystem::path& root, const std::string& relative);

}  // namespace diptych::resolving
