#include <ATen/ATen.h>

#include <cstring>
#include <exception>
#include <map>
#include <optional>

#include "core/io/posix.h"
#include "core/io/zip_reader.h"
#include "core/tensor/feature_array.h"
#include "core/tensor/npy.h"
#include "diptych/core/error.h"
#include "diptych/core/io/fs.h"
#include "diptych/core/io/json.h"
#include "diptych/core/tensor/safetensors.h"
#include "diptych/core/text.h"

namespace diptych::features {
namespace {

namespace fs = std::filesystem;
constexpr auto kData = ErrorClass::dat;

/// Rows that lie one after the other in a file, from `begin`.
class PlainRows {
 public:
  PlainRows(fs::path path, uint64_t begin, const std::vector<int64_t>& shape, at::ScalarType type)
      : path_(std::move(path)), file_(posix::open_regular(path_, kData)), begin_(begin), shape_(shape), type_(type) {}

  at::Tensor operator()(const std::vector<int64_t>& which) const {
    std::vector<int64_t> sizes = shape_;
    sizes[0] = static_cast<int64_t>(which.size());
    at::Tensor out = at::empty(sizes, type_);
    if (which.empty()) return out;
    const size_t row_bytes = out.nbytes() / which.size();
    auto* to = static_cast<char*>(out.mutable_data_ptr());
    for (size_t i = 0; i < which.size();) {  // neighbours are read together
      size_t next = i + 1;
      while (next < which.size() && which[next] == which[next - 1] + 1) ++next;
      posix::read_exactly(file_, begin_ + static_cast<uint64_t>(which[i]) * row_bytes, to + i * row_bytes,
                          (next - i) * row_bytes, path_, kData);
      i = next;
    }
    return out;
  }

 private:
  fs::path path_;
  posix::Descriptor file_;
  uint64_t begin_;
  std::vector<int64_t> shape_;
  at::ScalarType type_;
};

std::optional<at::ScalarType> float_type(std::string_view dtype) {
  if (dtype == "<f4" || dtype == "F32") return at::kFloat;
  if (dtype == "<f2" || dtype == "F16") return at::kHalf;
  if (dtype == "<f8" || dtype == "F64") return at::kDouble;
  if (dtype == "BF16") return at::kBFloat16;
  return {};
}

FeatureArray array_at(const fs::path& path, std::string name, uint64_t begin, const std::vector<int64_t>& shape,
                      const std::string& dtype) {
  FeatureArray out{std::move(name), shape, dtype, {}, {}};
  if (shape.empty()) return out;  // refused by its shape
  const auto rows = std::make_shared<PlainRows>(path, begin, shape, float_type(dtype).value());
  out.fetch = [rows](const std::vector<int64_t>& which) { return (*rows)(which); };
  return out;
}

// --- .npy and .npz

/// One element of numpy's UTF-32 text, without the padding zeros.
std::string utf8_of(const char* data, size_t letters, const std::function<void(const std::string&)>& complain) {
  std::string out;
  for (size_t i = 0; i < letters; ++i) {
    uint32_t c = 0;
    std::memcpy(&c, data + 4 * i, 4);
    if (c == 0) break;  // numpy cannot hold a text with a zero in it either
    if (c > 0x10FFFF || (c >= 0xD800 && c < 0xE000)) complain("holds a text that is no Unicode");
    if (c < 0x80) {
      out += static_cast<char>(c);
      continue;
    }
    const int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    out += static_cast<char>((0xF0 << (3 - more) & 0xFF) | c >> (6 * more));
    for (int shift = 6 * (more - 1); shift >= 0; shift -= 6) out += static_cast<char>(0x80 | (c >> shift & 0x3F));
  }
  return out;
}

/// Texts or integers of one dimension.
std::vector<std::string> npy_ids(const NpyHeader& header, std::string_view data,
                                 const std::function<void(const std::string&)>& complain) {
  const bool bytes = header.descr.starts_with("|S"), letters = header.descr.starts_with("<U");
  if (header.shape.size() != 1 || (!bytes && !letters && header.descr != "<i4" && header.descr != "<i8"))
    complain(concat("of shape ", header.shape_text, " and dtype ", header.descr,
                    " holds no ids: needed are texts (|S or <U) or integers (<i4, <i8), one dimension"));
  std::vector<std::string> out;
  out.reserve(static_cast<size_t>(header.count));
  for (int64_t i = 0; i < header.count; ++i) {
    const char* item = data.data() + static_cast<size_t>(i) * header.item_bytes;
    if (bytes) {
      std::string text(item, header.item_bytes);
      text.resize(text.find_last_not_of('\0') + 1);
      out.push_back(std::move(text));
    } else if (letters) {
      out.push_back(utf8_of(item, header.item_bytes / 4, complain));
    } else if (header.item_bytes == 4) {
      int32_t number = 0;
      std::memcpy(&number, item, 4);
      out.push_back(std::to_string(number));
    } else {
      int64_t number = 0;
      std::memcpy(&number, item, 8);
      out.push_back(std::to_string(number));
    }
  }
  return out;
}

/// A header and its data inside [begin, begin + size) of a file. `name` is for messages.
NpyHeader npy_header_at(const fs::path& path, const posix::Descriptor& file, uint64_t begin, uint64_t size,
                        const std::string& name) {
  std::string start(std::min<uint64_t>(size, kMaxNpyHeader), '\0');
  posix::read_exactly(file, begin, start.data(), start.size(), path, kData);
  const auto complain = [&](const std::string& message) { fail(path, concat(name, message)); };
  const NpyHeader header = parse_npy_header(start, complain);
  if (header.bytes != size - header.data_at)
    complain(concat("of shape ", header.shape_text, " and dtype ", header.descr, " should have ", header.bytes,
                    " bytes of data, but has ", size - header.data_at, " (cut file?)"));
  return header;
}

void require_float(const fs::path& path, const NpyHeader& header) {
  if (!float_type(header.descr))
    fail(path, concat("has dtype ", escape_for_log(header.descr), ", needed is <f4, <f2 or <f8"),
         "rewrite it with numpy: numpy.save(FILE, array.astype('float32'))");
}

/// The arrays of an .npz. One that cannot be read disturbs only whoever asks for it.
class NpzMembers {
 public:
  explicit NpzMembers(const fs::path& path) : path_(path), zip_(path, kData), file_(posix::open_regular(path, kData)) {
    for (const auto& [member, about] : zip_.members()) {
      const std::string name = member.substr(0, member.size() - (member.ends_with(".npy") ? 4 : 0));
      names_.push_back(name);
      try {
        headers_.emplace(name, header_of(member, about.size, about.deflated));
      } catch (const DataError&) {
        unreadable_.emplace(name, std::current_exception());
      }
    }
  }
  const std::vector<std::string>& names() const { return names_; }
  const std::map<std::string, NpyHeader>& headers() const { return headers_; }
  /// throws what is wrong with the array, if there is such a one and it cannot be read.
  void require_readable(const std::string& name) const {
    if (const auto found = unreadable_.find(name); found != unreadable_.end()) std::rethrow_exception(found->second);
  }
  /// The ids' bytes are read whole, checksum included.
  std::vector<std::string> ids(const std::string& name) const {
    const std::string member = zip_.read(name + ".npy", kMaxIdsBytes);
    const auto complain = [&](const std::string& message) {
      fail(path_, concat("array '", escape_for_log(name), "' ", message));
    };
    const NpyHeader header = parse_npy_header(member, complain);
    if (header.bytes != member.size() - header.data_at) complain("changed while it was read");
    return npy_ids(header, std::string_view(member).substr(header.data_at), complain);
  }

 private:
  NpyHeader header_of(const std::string& member, uint64_t size, bool deflated) const {
    const std::string shown = concat("'", escape_for_log(member), "' ");
    if (deflated)
      fail(path_, concat("array ", shown, "is compressed, so that its rows cannot be found"),
           "write it with numpy.savez instead of numpy.savez_compressed");
    const uint64_t begin = zip_.stored_at(member);
    NpyHeader header = npy_header_at(path_, file_, begin, size, concat("array ", shown));
    header.data_at += begin;
    return header;
  }

  fs::path path_;
  ZipReader zip_;
  posix::Descriptor file_;
  std::vector<std::string> names_;
  std::map<std::string, NpyHeader> headers_;
  std::map<std::string, std::exception_ptr> unreadable_;
};

// --- .safetensors

std::string tensor_bytes(const fs::path& path, const TensorInfo& info) {
  if (info.bytes > kMaxIdsBytes) fail(path, concat("its ids take ", info.bytes, " bytes"));
  std::string bytes(info.bytes, '\0');
  posix::read_exactly(posix::open_regular(path, kData), info.begin, bytes.data(), bytes.size(), path, kData);
  return bytes;
}

std::vector<std::string> texts_of_json(const Json& json, const std::string& where) {
  std::vector<std::string> out;
  if (!json.is_array()) throw DataError(where, "is no JSON list of texts");
  for (const Json& each : json) {
    if (!each.is_string() && !each.is_number_integer())
      throw DataError(where, concat("entry ", out.size(), " is neither text nor an integer"));
    out.push_back(each.is_string() ? each.get<std::string>() : each.dump());
  }
  return out;
}

std::vector<std::string> tensor_ids(const fs::path& path, const std::string& name, const TensorInfo& info) {
  const std::string where = concat(posix::shown(path), ", tensor '", escape_for_log(name), "'");
  if (info.dtype == "U8") return texts_of_json(parse_json(tensor_bytes(path, info), where), where);
  if (info.shape.size() != 1 || (info.dtype != "I64" && info.dtype != "I32"))
    throw DataError(where, concat("of ", info.dtype, " and shape ", at::IntArrayRef(info.shape),
                                  " holds no ids: needed is a JSON list of texts in U8, or [N] of I64 or I32"));
  const NpyHeader header{info.dtype == "I64" ? "<i8" : "<i4", info.shape, info.shape[0], info.bytes, 0,
                         info.dtype == "I64" ? size_t{8} : 4, ""};
  return npy_ids(header, tensor_bytes(path, info),
                 [&](const std::string& message) { throw DataError(where, message); });
}

// --- ids alone

std::vector<std::string> ids_of_lines(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  if (text.ends_with('\n')) text.remove_suffix(1);
  std::vector<std::string> out;
  if (text.empty()) return out;
  for (std::string& line : split(text, '\n')) {
    if (line.ends_with('\r')) line.pop_back();
    out.push_back(std::move(line));
  }
  return out;
}

}  // namespace

FeatureArray open_npy(const fs::path& path) {
  uint64_t size = 0;
  const posix::Descriptor file = posix::open_regular(path, kData, &size);
  const NpyHeader header = npy_header_at(path, file, 0, size, "");
  require_float(path, header);
  return array_at(path, path.filename().string(), header.data_at, header.shape, header.descr);
}

FeatureArray open_npz(const fs::path& path, const FeatureFileOptions& options) {
  const NpzMembers members(path);
  for (const char* usual : {"features", "embeddings"})
    members.require_readable(options.array.empty() ? usual : options.array);
  std::vector<Candidate> floats;
  for (const auto& [name, header] : members.headers())
    if (float_type(header.descr)) floats.push_back({name, header.shape.size()});
  const std::string name = choose_array(path, options, floats, members.names());
  const NpyHeader& header = members.headers().at(name);
  FeatureArray out = array_at(path, name, header.data_at, header.shape, header.descr);
  if (!options.ids_file.empty()) return out;
  members.require_readable(options.ids);
  if (!members.headers().contains(options.ids)) fail_without_ids(path, options, members.names());
  out.ids = members.ids(options.ids);
  return out;
}

FeatureArray open_safetensors(const fs::path& path, const FeatureFileOptions& options) {
  const TensorFileInfo info = read_safetensors_header(path, kData);
  std::vector<Candidate> floats;
  std::vector<std::string> all;
  for (const auto& [name, tensor] : info.tensors) {
    all.push_back(name);
    if (float_type(tensor.dtype)) floats.push_back({name, tensor.shape.size()});
  }
  const std::string name = choose_array(path, options, floats, all);
  const TensorInfo& tensor = info.tensors.at(name);
  FeatureArray out = array_at(path, name, tensor.begin, tensor.shape, tensor.dtype);
  if (!options.ids_file.empty()) return out;
  const auto ids = info.tensors.find(options.ids);
  if (ids == info.tensors.end()) fail_without_ids(path, options, all);
  out.ids = tensor_ids(path, options.ids, ids->second);
  return out;
}

std::vector<std::string> read_ids_file(const fs::path& path) {
  const std::string ending = lower_ascii(path.extension().string()), bytes = read_file(path, kMaxIdsBytes);
  if (ending == ".json") return texts_of_json(parse_json(bytes, posix::shown(path)), posix::shown(path));
  if (ending != ".npy") return ids_of_lines(bytes);
  const auto complain = [&](const std::string& message) { fail(path, message); };
  const NpyHeader header = parse_npy_header(bytes, complain);
  if (header.bytes != bytes.size() - header.data_at)
    complain(concat("of shape ", header.shape_text, " has ", bytes.size() - header.data_at, " bytes of data"));
  return npy_ids(header, std::string_view(bytes).substr(header.data_at), complain);
}

}  // namespace diptych::features
