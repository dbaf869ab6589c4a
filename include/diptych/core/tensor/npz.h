#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "diptych/core/error.h"

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

/// Reads an uncompressed .npz, ours or numpy.savez's, as strictly as the format allows: directory and members lie
/// inside the file, checksums hold, sizes match shapes. Arrays are asked for by name and type. throws Error of class
/// `error_class` naming the file, the array, expected and found.
class NpzReader {
 public:
  explicit NpzReader(std::filesystem::path path, ErrorClass error_class = ErrorClass::dat);
  bool has(const std::string& name) const { return members_.contains(name); }
  std::vector<std::string> names() const;
  std::vector<int32_t> int32s(const std::string& name) const;  // dtype <i4, one dimension
  std::vector<int64_t> int64s(const std::string& name) const;  // dtype <i8, one dimension
  std::vector<float> floats(const std::string& name, std::vector<int64_t>& shape) const;
  std::vector<std::string> strings(const std::string& name) const;  // dtype |S, one dimension, without padding zeros

 private:
  struct Array {
    std::string descr;
    std::vector<int64_t> shape;
    size_t begin = 0, bytes = 0;  // within bytes_
    int64_t count = 1;
  };
  [[noreturn]] void fail(const std::string& message) const;
  template <class T>
  T number_at(size_t offset) const;
  void read_directory();
  void read_member(size_t entry, const std::string& name, uint64_t size);
  Array read_header(const std::string& name, size_t begin, size_t end) const;
  const Array& array(const std::string& name, const std::string& descr) const;
  const Array& list(const std::string& name, const std::string& descr) const;
  template <class T>
  std::vector<T> values(const Array& array) const;

  std::filesystem::path path_;
  ErrorClass error_class_;
  std::string bytes_;
  std::map<std::string, Array> members_;
};

}  // namespace diptych
