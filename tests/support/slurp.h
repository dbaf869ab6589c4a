#pragma once
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace diptych::testing {

/// The bytes of a file; none where it cannot be read.
inline std::string slurp(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace diptych::testing
