#pragma once
#include <ATen/core/Tensor.h>

#include <deque>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "diptych/core/error.h"

// Reads what Lua Torch's torch.save wrote (`.t7`), the form in which Reed et al. released CUB-200-2011 and Oxford-102
// Flowers (CVPR 2016) and MIT-States its metadata. Such a file is a graph of Lua objects.

namespace diptych {

struct Torch7Value;

/// A Lua table. Lists are tables with the keys 1, 2, ..., n.
struct Torch7Table {
  using Key = std::variant<bool, double, std::string>;
  std::vector<std::pair<Key, const Torch7Value*>> entries;  // in the file's order, keys all different
  /// The value of a key that is text; nullptr without one.
  const Torch7Value* find(std::string_view key) const;
};

/// nil, a boolean, a number, text (any bytes), a table, or a tensor. A storage that stands alone is a tensor of one
/// dimension. Tensors that share a storage in the file share memory here, strides as in the file.
struct Torch7Value : std::variant<std::monostate, bool, double, std::string, Torch7Table, at::Tensor> {
  using variant::variant;
};

/// All objects of a file. They lie side by side rather than in each other: tables may contain themselves.
struct Torch7File {
  std::deque<Torch7Value> values;
  const Torch7Value* root = nullptr;
};

/// Reads a `.t7` file: the binary form, little endian, with longs of 8 bytes; torch.save's default on 64-bit machines.
/// Tensors and storages of Double, Float, Long, Int, Short, Char (int8) and Byte. Nothing is executed: functions and
/// objects of other classes are refused by name. Every length is checked against the bytes that are left before memory
/// is taken, so that this stays proportional to the file; tables nest at most 100 deep, a file holds at most four
/// million objects.
/// throws Error of class `error_class`: the file, the byte offset, what is there and what is needed
Torch7File read_torch7(const std::filesystem::path& path, ErrorClass error_class = ErrorClass::dat);
/// The same of bytes in memory; `path` is for messages.
Torch7File parse_torch7(std::string_view bytes, const std::filesystem::path& path,
                        ErrorClass error_class = ErrorClass::dat);

/// The tensor that a file holds as its only object, contiguous, in the type of the file. throws as above.
at::Tensor read_torch7_tensor(const std::filesystem::path& path, ErrorClass error_class = ErrorClass::dat);
/// Its sizes and type alone, a tensor on the device meta: everything is checked as above, but no numbers are read.
at::Tensor read_torch7_tensor_header(const std::filesystem::path& path, ErrorClass error_class = ErrorClass::dat);

}  // namespace diptych
