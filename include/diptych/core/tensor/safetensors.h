#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "diptych/core/error.h"

namespace diptych {

/// What a safetensors file holds: tensors by name, and string metadata.
struct TensorFile {
  std::map<std::string, at::Tensor> tensors;
  std::map<std::string, std::string> metadata;
};

/// Reads a safetensors file as strictly as the format's rules: header <= 100 MB and <= the file, valid UTF-8 JSON
/// starting with '{', no duplicate names, known dtypes, offsets contiguous from 0 without hole or overlap, sizes that
/// match shapes (checked multiplication), no trailing bytes. Pickle, TorchScript and torch zip archives are recognised
/// and refused with the conversion command. throws Error of class `error_class` (CKP by default).
TensorFile read_safetensors(const std::filesystem::path& path, ErrorClass error_class = ErrorClass::ckp);

/// Names, dtypes and shapes only; nothing is allocated for the data.
struct TensorInfo {
  std::string dtype;  // "F32", "I64", ...
  std::vector<int64_t> shape;
  uint64_t begin = 0, bytes = 0;  // where its data lies in the file
};
struct TensorFileInfo {
  std::map<std::string, TensorInfo> tensors;
  std::map<std::string, std::string> metadata;
  uint64_t file_bytes = 0;
};
TensorFileInfo read_safetensors_header(const std::filesystem::path& path, ErrorClass error_class = ErrorClass::ckp);

/// The file's bytes, piece by piece, to `sink`: header padded to 8 bytes, tensors in name order, made contiguous.
void write_safetensors(const TensorFile& file, const std::function<void(const void*, size_t)>& sink);
/// Atomic write to a path. throws OutputError.
void write_safetensors(const TensorFile& file, const std::filesystem::path& path);

}  // namespace diptych
