#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace diptych {

/// Builds an uncompressed .npz (zip of .npy) in memory: for ranks and embeddings that Python reads with numpy.load.
class NpzWriter {
 public:
  void add(const std::string& name, const std::vector<int64_t>& values);
  void add(const std::string& name, const std::vector<int32_t>& values);
  void add(const std::string& name, const std::vector<float>& values, const std::vector<int64_t>& shape);
  /// Fixed-width bytes (dtype |S<longest>), UTF-8.
  void add(const std::string& name, const std::vector<std::string>& values);
  /// The archive's bytes; the writer is empty afterwards.
  std::string finish();

 private:
  void add_member(const std::string& name, const std::string& descr, const std::vector<int64_t>& shape,
                  const void* data, size_t bytes);
  struct Member {
    std::string name;
    uint32_t crc, size, offset;
  };
  std::string archive_;
  std::vector<Member> members_;
};

}  // namespace diptych
