#include "diptych/core/tensor/safetensors_stream.h"

#include <ATen/ops/empty.h>
#include <c10/core/ScalarType.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <optional>

#include "core/io/posix.h"
#include "diptych/core/io/fs.h"
#include "diptych/core/io/json.h"
#include "diptych/core/text.h"

// Layout: 8 bytes little-endian length of the header, the header (JSON, padded by blanks), the tensors' bytes. The
// rules are those of the format's reference implementation, plus: names of at most 512 printable bytes, no unknown
// keys.

namespace diptych {

static_assert(std::endian::native == std::endian::little, "tensors are read and written as they lie in memory");

namespace {

constexpr uint64_t kMaxHeaderBytes = 100'000'000;
constexpr size_t kMaxNameBytes = 512, kMaxDimensions = 64;
constexpr const char* kMetadataKey = "__metadata__";

struct StoredType {
  const char* name;
  at::ScalarType type;
};
constexpr StoredType kStoredTypes[] = {
    {"F64", at::kDouble}, {"F32", at::kFloat}, {"F16", at::kHalf}, {"BF16", at::kBFloat16}, {"I64", at::kLong},
    {"I32", at::kInt},    {"I16", at::kShort}, {"I8", at::kChar},  {"U8", at::kByte},       {"BOOL", at::kBool}};

struct Extent {
  TensorInfo info;
  at::ScalarType type;
  uint64_t begin, end;  // within the data part
};

struct Header {
  std::map<std::string, Extent> tensors;
  std::map<std::string, std::string> metadata;
  uint64_t data_at = 0, file_bytes = 0;
};

bool is_good_tensor_name(const std::string& name) {
  if (name.empty() || name.size() > kMaxNameBytes || find_invalid_utf8(name)) return false;
  if (std::any_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; })) return false;
  const auto parts = split(name, '/');
  return std::find(parts.begin(), parts.end(), "..") == parts.end();
}

/// a * b unless it does not fit.
std::optional<uint64_t> checked_product(uint64_t a, uint64_t b) {
  uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

/// One file while its header is checked: every complaint is of one class and names the path.
class HeaderReader {
 public:
  HeaderReader(const std::filesystem::path& path, ErrorClass error_class)
      : path_(path), error_class_(error_class), file_(posix::open_regular(path, error_class, &header_.file_bytes)) {}

  Header read() {
    refuse_other_formats();
    const std::string text = header_text();
    const Json json = parse_json(text, posix::shown(path_) + " (header)", error_class_);
    for (const auto& [name, entry] : json.items()) {
      if (name == kMetadataKey)
        read_metadata(entry);
      else
        read_entry(name, entry);
    }
    check_extents();
    return std::move(header_);
  }
  const posix::Descriptor& file() const { return file_; }

 private:
  [[noreturn]] void fail(const std::string& message, const std::string& hint = "") const {
    posix::raise(error_class_, posix::shown(path_), message, hint);
  }
  [[noreturn]] void fail_at(const std::string& name, const std::string& message) const {
    fail(concat("tensor '", escape_for_log(name), "': ", message),
         "the file is damaged, or its writer is wrong: get it anew");
  }

  void refuse_other_formats() const {
    std::string start(std::min<uint64_t>(header_.file_bytes, 512), '\0');
    posix::read_exactly(file_, 0, start.data(), start.size(), path_, error_class_);
    const auto begins = [&](std::string_view magic) {
      return std::string_view(start).substr(0, magic.size()) == magic;
    };
    // A header of 384 bytes begins like a pickle, but its length ends in zero bytes.
    const bool pickle =
        start.size() > 7 && start[0] == '\x80' && start[1] >= 1 && start[1] <= 5 && (start[2] || start[3] || start[4]);
    if (begins("PK\x03\x04"))
      fail("is a zip archive (PyTorch .pt or .pth, TorchScript, or .npz), not safetensors", conversion());
    if (pickle) fail("is a Python pickle (PyTorch .pt or .pth of the older kind), not safetensors", conversion());
    if (start.size() > 262 && start.compare(257, 5, "ustar") == 0)
      fail("is a tar archive (PyTorch .pt or .pth of the oldest kind), not safetensors", conversion());
    if (begins("version https://git-lfs"))
      fail("is a Git LFS pointer, not the file itself", "fetch it with `git lfs pull`");
    if (begins("\x89HDF")) fail("is an HDF5 file, not safetensors");
    if (begins("GGUF")) fail("is a GGUF file, not safetensors");
  }

  /// A line for a shell, where Python and PyTorch are at home; nothing of the file is executed by us.
  std::string conversion() const {
    const std::string name = path_.filename().native();
    const bool plain =
        std::all_of(name.begin(), name.end(), [](unsigned char c) { return isalnum(c) || strchr("._-+", c); });
    const std::string from = plain ? name : "FILE", to = plain ? path_.filename().stem().native() : "FILE";
    return concat(
        "rewrite it with Python: python3 -c \"import torch; from safetensors.torch import save_file; save_file({k: "
        "v.clone().contiguous() for k, v in torch.load('",
        from, "', map_location='cpu', weights_only=True).items()}, '", to, ".safetensors')\"");
  }

  std::string header_text() {
    const uint64_t size = header_.file_bytes;
    if (size < 8) fail(concat("holds ", size, " bytes; a safetensors file begins with 8 bytes of header size"));
    uint64_t length = 0;
    posix::read_exactly(file_, 0, &length, sizeof length, path_, error_class_);
    if (length > kMaxHeaderBytes)
      fail(concat("is no safetensors file: its header would have ", length, " bytes, allowed are ", kMaxHeaderBytes));
    if (length > size - 8) fail(concat("is cut: its header has ", length, " bytes, the file only ", size));
    std::string text(length, '\0');
    posix::read_exactly(file_, 8, text.data(), length, path_, error_class_);
    if (text.empty() || text[0] != '{') fail("is no safetensors file: the header does not begin with '{'");
    header_.data_at = 8 + length;
    return text;
  }

  void read_metadata(const Json& entry) {
    if (!entry.is_object()) fail("the header's __metadata__ is not a map of text");
    for (const auto& [key, value] : entry.items()) {
      if (!value.is_string()) fail(concat("the header's __metadata__ '", escape_for_log(key), "' is not text"));
      header_.metadata[key] = value.get<std::string>();
    }
  }

  void read_entry(const std::string& name, const Json& entry) {
    if (!is_good_tensor_name(name))
      fail_at(name, concat("a name has 1 to ", kMaxNameBytes, " printable bytes and no '..' between slashes"));
    if (!entry.is_object() || entry.size() != 3 || !entry.contains("dtype") || !entry.contains("shape") ||
        !entry.contains("data_offsets"))
      fail_at(name, "needed are dtype, shape and data_offsets, nothing else");
    Extent extent{{}, at::kFloat, 0, 0};
    extent.type = read_dtype(name, entry["dtype"], extent.info);
    read_shape(name, entry["shape"], extent.info);
    read_offsets(name, entry["data_offsets"], extent);
    check_size(name, extent);
    header_.tensors.emplace(name, std::move(extent));
  }

  at::ScalarType read_dtype(const std::string& name, const Json& dtype, TensorInfo& info) const {
    if (!dtype.is_string()) fail_at(name, "dtype is not text");
    info.dtype = dtype.get<std::string>();
    for (const auto& stored : kStoredTypes)
      if (info.dtype == stored.name) return stored.type;
    fail_at(name, concat("dtype '", escape_for_log(info.dtype),
                         "' is not known; known: F64 F32 F16 BF16 I64 I32 I16 I8 U8 BOOL"));
  }

  void read_shape(const std::string& name, const Json& shape, TensorInfo& info) const {
    if (!shape.is_array() || shape.size() > kMaxDimensions)
      fail_at(name, concat("shape is not a list of at most ", kMaxDimensions, " sizes"));
    for (const Json& size : shape) {
      if (!size.is_number_unsigned() || size.get<uint64_t>() > INT64_MAX)
        fail_at(name, concat("shape holds ", dump_line(size), ", which is no size"));
      info.shape.push_back(size.get<int64_t>());
    }
  }

  void read_offsets(const std::string& name, const Json& offsets, Extent& extent) const {
    const bool two =
        offsets.is_array() && offsets.size() == 2 && offsets[0].is_number_unsigned() && offsets[1].is_number_unsigned();
    if (!two) fail_at(name, "data_offsets is not [begin, end]");
    extent.begin = offsets[0].get<uint64_t>(), extent.end = offsets[1].get<uint64_t>();
    if (extent.begin > extent.end || extent.end > header_.file_bytes - header_.data_at)
      fail_at(name, concat("data_offsets [", extent.begin, ", ", extent.end, "] leave the file's ",
                           header_.file_bytes - header_.data_at, " bytes of data (cut file?)"));
  }

  void check_size(const std::string& name, const Extent& extent) const {
    std::optional<uint64_t> bytes = c10::elementSize(extent.type);
    for (const int64_t size : extent.info.shape)
      if (bytes) bytes = checked_product(*bytes, static_cast<uint64_t>(size));
    if (!bytes) fail_at(name, concat("shape ", at::IntArrayRef(extent.info.shape), " overflows"));
    if (*bytes != extent.end - extent.begin)
      fail_at(name, concat("shape ", at::IntArrayRef(extent.info.shape), " of ", extent.info.dtype, " takes ", *bytes,
                           " bytes, data_offsets give ", extent.end - extent.begin));
  }

  /// Contiguous from 0 to the end of the file, without hole or overlap.
  void check_extents() const {
    std::vector<const std::pair<const std::string, Extent>*> in_order;
    for (const auto& entry : header_.tensors) in_order.push_back(&entry);
    std::sort(in_order.begin(), in_order.end(), [](const auto* a, const auto* b) {
      return std::pair(a->second.begin, a->second.end) < std::pair(b->second.begin, b->second.end);
    });
    uint64_t end = 0;
    for (const auto* entry : in_order) {
      const Extent& extent = entry->second;
      if (extent.begin != end)
        fail_at(entry->first,
                concat("begins at byte ", extent.begin, " of the data, ",
                       extent.begin < end ? "overlapping" : "leaving a hole after", " what ends at ", end));
      end = extent.end;
    }
    if (const uint64_t data = header_.file_bytes - header_.data_at; end != data)
      fail(concat("has ", data - end, " trailing bytes after its last tensor"));
  }

  std::filesystem::path path_;
  ErrorClass error_class_;
  Header header_;
  posix::Descriptor file_;
};

void check_bools(const at::Tensor& tensor, const std::string& name, const std::filesystem::path& path,
                 ErrorClass error_class) {
  const auto* bytes = static_cast<const uint8_t*>(tensor.const_data_ptr());
  const auto* end = bytes + tensor.numel();
  if (const auto* bad = std::find_if(bytes, end, [](uint8_t byte) { return byte > 1; }); bad != end)
    posix::raise(error_class, posix::shown(path),
                 concat("tensor '", escape_for_log(name), "': a BOOL is stored as byte ", int64_t{*bad},
                        ", allowed are 0 and 1"));
}

at::Tensor plain_copy(const at::Tensor& tensor) { return tensor.detach().resolve_neg().cpu().contiguous(); }

const char* dtype_name(const at::Tensor& tensor, const std::string& name) {
  for (const auto& stored : kStoredTypes)
    if (tensor.scalar_type() == stored.type && tensor.layout() == at::kStrided) return stored.name;
  throw ShapeError(
      concat("write_safetensors: tensor '", name, "' is of type ", tensor.toString(), ", which the format lacks"));
}

std::string header_of(const TensorFile& file) {
  Json header = Json::object();
  if (!file.metadata.empty()) header[kMetadataKey] = file.metadata;
  auto& entries = header.get_ref<Json::object_t&>();
  uint64_t offset = 0;
  for (const auto& [name, tensor] : file.tensors) {
    if (!is_good_tensor_name(name) || name == kMetadataKey)
      throw ShapeError(concat("write_safetensors: '", escape_for_log(name), "' cannot be the name of a tensor"));
    if (!tensor.defined()) throw ShapeError(concat("write_safetensors: tensor '", name, "' is undefined"));
    const uint64_t end = offset + tensor.numel() * tensor.element_size();
    entries.emplace_back(
        name,
        Json{{"dtype", dtype_name(tensor, name)}, {"shape", tensor.sizes().vec()}, {"data_offsets", {offset, end}}});
    offset = end;
  }
  std::string text = header.dump(-1, ' ', false, Json::error_handler_t::replace);
  text.append((8 - text.size() % 8) % 8, ' ');
  if (text.size() > kMaxHeaderBytes)
    throw ShapeError(concat("write_safetensors: a header of ", text.size(), " bytes is too long"));
  return text;
}

}  // namespace

TensorFile read_safetensors(const std::filesystem::path& path, ErrorClass error_class) {
  HeaderReader reader(path, error_class);
  Header header = reader.read();
  TensorFile file;
  for (const auto& [name, extent] : header.tensors) {
    at::Tensor tensor = at::empty(extent.info.shape, extent.type);
    if (extent.end > extent.begin)
      posix::read_exactly(reader.file(), header.data_at + extent.begin, tensor.mutable_data_ptr(),
                          extent.end - extent.begin, path, error_class);
    if (extent.type == at::kBool) check_bools(tensor, name, path, error_class);
    file.tensors.emplace(name, std::move(tensor));
  }
  file.metadata = std::move(header.metadata);
  return file;
}

TensorFileInfo read_safetensors_header(const std::filesystem::path& path, ErrorClass error_class) {
  Header header = HeaderReader(path, error_class).read();
  TensorFileInfo file;
  for (auto& [name, extent] : header.tensors) {
    extent.info.begin = header.data_at + extent.begin, extent.info.bytes = extent.end - extent.begin;
    file.tensors.emplace(name, std::move(extent.info));
  }
  file.metadata = std::move(header.metadata);
  file.file_bytes = header.file_bytes;
  return file;
}

void write_safetensors(const TensorFile& file, const TensorFill& fill, const ByteSink& sink) {
  const std::string header = header_of(file);
  const uint64_t length = header.size();
  sink(&length, sizeof length);
  sink(header.data(), header.size());
  for (const auto& [name, tensor] : file.tensors) {
    const size_t needed = static_cast<size_t>(tensor.numel()) * tensor.element_size();
    if (tensor.is_meta()) {
      size_t given = 0;
      fill(name, [&](const void* data, size_t size) { given += size, sink(data, size); });
      if (given != needed)
        throw ShapeError(concat("write_safetensors: '", name, "' needs ", needed, " bytes; was given ", given));
      continue;
    }
    const at::Tensor plain = plain_copy(tensor);
    if (needed > 0) sink(plain.const_data_ptr(), needed);
  }
}

void write_safetensors(const TensorFile& file, const ByteSink& sink) {
  const TensorFill none = [](const std::string& name, const ByteSink&) {
    throw ShapeError(concat("write_safetensors: '", name, "' is a meta tensor, which holds nothing"));
  };
  write_safetensors(file, none, sink);
}

void write_safetensors(const TensorFile& file, const std::filesystem::path& path) {
  write_file_atomically(path, [&](const ByteSink& sink) { write_safetensors(file, sink); });
}

}  // namespace diptych
