#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "diptych/core/error.h"

namespace diptych {

/// SHA-256, 64 lower-case hex digits.
class Sha256 {
 public:
  Sha256();
  void update(const void* data, size_t size);
  std::string hex();  // ends the computation

 private:
  uint32_t state_[8];
  uint8_t block_[64];
  uint64_t bytes_ = 0;
};
std::string sha256(std::string_view bytes);
/// throws Error of class `error_class` if the file cannot be read.
std::string sha256_of_file(const std::filesystem::path& path, ErrorClass error_class = ErrorClass::dat);
/// Fast 128-bit content hash (XXH3), 32 hex digits: data fingerprints and cache keys.
std::string xxh128(std::string_view bytes);
/// CRC-32 as in zip and PNG files.
uint32_t crc32_of(std::string_view bytes);

}  // namespace diptych
