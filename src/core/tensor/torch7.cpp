#include "diptych/core/tensor/torch7.h"

#include <ATen/ops/as_strided.h>
#include <ATen/ops/empty.h>
#include <c10/core/ScalarType.h>
#include <c10/core/TensorOptions.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstring>
#include <functional>
#include <unordered_map>

#include "core/io/posix.h"
#include "core/tensor/view_fault.h"
#include "diptych/core/io/fs.h"
#include "diptych/core/text.h"

// The layout (torch7: File.lua, and the write methods of Tensor and Storage). An object is its type as int32, then
//
//   nil       nothing                        boolean   int32, 0 or 1
//   number    float64                        string    int32 length, bytes
//   table     int32 index; when that is new: int32 count, then so many pairs of key and value
//   torch     int32 index; when that is new: string "V 1", string class (files of old versions: the class alone), then
//     tensor    int32 D, int64 sizes [D], int64 strides [D], int64 offset (from 1), the storage as an object or nil
//     storage   int64 count, numbers
//
// An index that occurred before stands for the object read then.

namespace diptych {
namespace torch7 {

constexpr uint64_t kMaxBytes = uint64_t{4} << 30;
constexpr int kMaxDepth = 100;
constexpr size_t kMaxObjects = 4'000'000, kMaxClassName = 256;
constexpr size_t kLeastEntryBytes = 8;  // of a table: two types
constexpr const char* kDamaged = "the file is damaged, or no .t7 file in the binary form: get it anew";

enum class Type : int32_t { nil, number, string, table, torch, boolean, function, old_function, recursive_function };

struct ElementType {
  std::string_view name;
  at::ScalarType type;
};
constexpr ElementType kElementTypes[] = {{"Double", at::kDouble}, {"Float", at::kFloat}, {"Long", at::kLong},
                                         {"Int", at::kInt},       {"Short", at::kShort}, {"Char", at::kChar},
                                         {"Byte", at::kByte}};

/// "an object of class X" taken apart: torch.<element>Tensor or torch.<element>Storage.
struct Class {
  const ElementType* element = nullptr;  // null: another class
  bool is_storage = false;
};
Class class_of(std::string_view name) {
  for (const ElementType& each : kElementTypes)
    for (const bool is_storage : {false, true})
      if (name == concat("torch.", each.name, is_storage ? "Storage" : "Tensor")) return {&each, is_storage};
  return {};
}

std::string kind_of(const Torch7Value& value) {
  if (const auto* table = std::get_if<Torch7Table>(&value))
    return concat("a table of ", table->entries.size(), " entries");
  constexpr const char* kNames[] = {"nil", "a boolean", "a number", "a string", "a table", "a tensor"};
  return kNames[value.index()];
}

/// Bytes that can be read anywhere: a file, or what was read of one.
struct Source {
  size_t size;
  std::function<void(size_t at, void* to, size_t count)> read;  // at + count <= size
};

enum class Numbers { read, skipped };  // of storages; skipped: they are on the device meta

class Reader {
 public:
  Reader(Source source, Numbers numbers, const std::filesystem::path& path, ErrorClass error_class)
      : source_(std::move(source)), numbers_(numbers), path_(path), error_class_(error_class) {}

  Torch7File read() {
    refuse_text_form();
    file_.root = read_object(0).value;
    if (left() != 0) fail(at_, concat(left(), " bytes follow the object"));
    return std::move(file_);
  }

 private:
  enum class Kind { plain, table, tensor, storage };
  struct Known {
    Torch7Value* value;
    Kind kind;
  };

  [[noreturn]] void fail(size_t at, const std::string& message, const std::string& hint = kDamaged) const {
    posix::raise(error_class_, posix::shown(path_), concat("byte ", at, ": ", message), hint);
  }
  void refuse_text_form() const {
    char start[3] = {};
    source_.read(0, start, std::min(source_.size, sizeof start));
    if (std::isdigit(static_cast<unsigned char>(start[0])) && (start[1] == '\n' || start[2] == '\n'))
      fail(0, "this is the text form of a .t7 file; only the binary form is read",
           "write it anew in Lua Torch: torch.save('NAME.t7', torch.load('OLD.t7', 'ascii'))");
  }

  // --- bytes

  size_t left() const { return source_.size - at_; }
  template <class T>
  T take(const char* what) {
    if (left() < sizeof(T)) fail(at_, concat("the file ends within ", what));
    T out;
    source_.read(at_, &out, sizeof out);
    at_ += sizeof out;
    return out;
  }
  /// A count of things of at least `least_bytes` each that follow.
  template <class T>
  size_t take_count(const char* what, size_t least_bytes) {
    const size_t at = at_;
    const auto count = take<T>(what);
    if (count < 0 || static_cast<uint64_t>(count) > left() / least_bytes)
      fail(at, concat("the ", what, " is ", static_cast<int64_t>(count), ", but ", left(), " bytes are left"));
    return static_cast<size_t>(count);
  }
  std::string take_text(const char* what, size_t most = SIZE_MAX) {
    const size_t at = at_, length = take_count<int32_t>(what, 1);
    if (length > most) fail(at, concat("the ", what, " is ", length, ", allowed are ", most));
    std::string out(length, '\0');
    source_.read(at_, out.data(), length);
    at_ += length;
    return out;
  }

  // --- objects

  Known keep(Torch7Value value, Kind kind = Kind::plain) {
    if (++objects_ > kMaxObjects) fail(at_, concat("more than ", kMaxObjects, " objects"));
    return {&file_.values.emplace_back(std::move(value)), kind};
  }
  bool take_boolean() {
    const size_t at = at_;
    const auto value = take<int32_t>("a boolean");
    if (value != 0 && value != 1) fail(at, concat("a boolean is ", value));
    return value == 1;
  }

  Known read_object(int depth) {
    const size_t at = at_;
    const auto type = take<int32_t>("the type of an object");
    switch (static_cast<Type>(type)) {
      case Type::nil:
        return keep({});
      case Type::number:
        return keep(take<double>("a number"));
      case Type::string:
        return keep(take_text("length of a string"));
      case Type::boolean:
        return keep(take_boolean());
      case Type::table:
      case Type::torch:
        return read_indexed(at, static_cast<Type>(type), depth);
      case Type::function:
      case Type::old_function:
      case Type::recursive_function:
        fail(at, "a Lua function; only data is read, and nothing is executed",
             "save the tensors alone in Lua Torch: torch.save('NAME.t7', TENSOR)");
      default:
        fail(at, concat("no object has the type ", type));
    }
  }

  Known read_indexed(size_t at, Type type, int depth) {
    const auto index = take<int32_t>("the index of an object");
    if (const auto found = known_.find(index); found != known_.end()) {
      if ((found->second.kind == Kind::table) != (type == Type::table))
        fail(at, concat("object ", index, " is referred to as another type than it has"));
      return found->second;
    }
    if (index < 1) fail(at, concat("the index of an object is ", index));
    return type == Type::table ? read_table(index, depth) : read_torch(index, depth);
  }

  Known read_table(int32_t index, int depth) {
    const size_t at = at_;
    if (depth == kMaxDepth) fail(at, concat("tables nest more than ", kMaxDepth, " deep"));
    const size_t count = take_count<int32_t>("number of entries of a table", kLeastEntryBytes);
    const Known known = known_[index] = keep(Torch7Table{}, Kind::table);
    Torch7Table table;
    for (size_t i = 0; i < count; ++i) {
      Torch7Table::Key key = read_key();
      table.entries.emplace_back(std::move(key), read_object(depth + 1).value);
    }
    require_different_keys(table, at);
    *known.value = std::move(table);
    return known;
  }
  Torch7Table::Key read_key() {
    const size_t at = at_;
    if (++objects_ > kMaxObjects) fail(at_, concat("more than ", kMaxObjects, " objects"));
    const auto type = take<int32_t>("the type of a key");
    switch (static_cast<Type>(type)) {
      case Type::number: {
        const auto key = take<double>("a key");
        if (std::isnan(key)) fail(at, "a key is not a number");
        return key;
      }
      case Type::string:
        return take_text("length of a key");
      case Type::boolean:
        return take_boolean();
      default:
        fail(at, concat("a key of type ", type, "; keys are numbers, strings or booleans"));
    }
  }
  void require_different_keys(const Torch7Table& table, size_t at) const {
    std::vector<const Torch7Table::Key*> keys;
    for (const auto& [key, value] : table.entries) keys.push_back(&key);
    std::ranges::sort(keys, [](const auto* a, const auto* b) { return *a < *b; });
    if (std::ranges::adjacent_find(keys, [](const auto* a, const auto* b) { return *a == *b; }) != keys.end())
      fail(at, "a table has a key twice");
  }

  Known read_torch(int32_t index, int depth) {
    const size_t at = at_;
    std::string name = take_text("length of a class name", kMaxClassName);
    if (name.starts_with("V ")) {
      if (name != "V 1") fail(at, concat("objects of version '", escape_for_log(name), "' are not known"));
      name = take_text("length of a class name", kMaxClassName);
    }
    const Class found = class_of(name);
    if (!found.element)
      fail(at,
           concat("an object of class '", escape_for_log(name),
                  "'; read are tensors and storages of Double, Float, Long, Int, Short, Char and Byte"),
           "save the tensors alone in Lua Torch: torch.save('NAME.t7', TENSOR:float())");
    return found.is_storage ? read_storage(index, found.element->type)
                            : read_tensor(index, found.element->type, at, depth);
  }

  at::Tensor empty(int64_t count, at::ScalarType type) const {
    return at::empty({count}, at::dtype(type).device(numbers_ == Numbers::read ? at::kCPU : at::kMeta));
  }

  Known read_storage(int32_t index, at::ScalarType type) {
    const size_t item = c10::elementSize(type);
    const size_t count = take_count<int64_t>("number of elements of a storage", item);
    at::Tensor out = empty(static_cast<int64_t>(count), type);
    if (numbers_ == Numbers::read && count > 0) source_.read(at_, out.mutable_data_ptr(), count * item);
    at_ += count * item;
    return known_[index] = keep(std::move(out), Kind::storage);
  }

  Known read_tensor(int32_t index, at::ScalarType type, size_t at, int depth) {
    const Known known = known_[index] = keep({}, Kind::tensor);
    const size_t dimensions = take_count<int32_t>("number of dimensions of a tensor", 2 * sizeof(int64_t));
    std::vector<int64_t> sizes, strides;
    for (size_t i = 0; i < dimensions; ++i) sizes.push_back(take<int64_t>("the sizes of a tensor"));
    for (size_t i = 0; i < dimensions; ++i) strides.push_back(take<int64_t>("the strides of a tensor"));
    const int64_t offset = std::max<int64_t>(take<int64_t>("the offset of a tensor"), INT64_MIN + 1) - 1;
    const size_t storage_at = at_;
    const Known storage = read_object(depth + 1);
    const bool is_nil = std::holds_alternative<std::monostate>(*storage.value) && storage.kind == Kind::plain;
    if (!is_nil && storage.kind != Kind::storage) fail(storage_at, "a tensor's numbers are no storage");
    at::Tensor numbers = is_nil ? empty(0, type) : std::get<at::Tensor>(*storage.value);
    if (numbers.scalar_type() != type) fail(storage_at, "a tensor's storage is of another type than the tensor");
    if (dimensions == 0) {  // Lua Torch's empty tensor
      *known.value = empty(0, type);
      return known;
    }
    if (const std::string fault = view_fault(numbers.numel(), offset, sizes, strides); !fault.empty())
      fail(at, concat("a tensor of sizes ", c10::IntArrayRef(sizes), " is impossible: ", fault));
    *known.value = at::as_strided(numbers, sizes, strides, offset);
    return known;
  }

  const Source source_;
  const Numbers numbers_;
  const std::filesystem::path path_;
  const ErrorClass error_class_;
  size_t at_ = 0, objects_ = 0;
  Torch7File file_;
  std::unordered_map<int32_t, Known> known_;
};

const at::Tensor& only_tensor(const Torch7File& file, const std::filesystem::path& path, ErrorClass error_class) {
  if (const auto* tensor = std::get_if<at::Tensor>(file.root)) return *tensor;
  posix::raise(error_class, posix::shown(path), concat("holds ", kind_of(*file.root), ", needed is a tensor"));
}

}  // namespace torch7

const Torch7Value* Torch7Table::find(std::string_view key) const {
  for (const auto& [name, value] : entries)
    if (const auto* text = std::get_if<std::string>(&name); text && *text == key) return value;
  return nullptr;
}

Torch7File read_torch7(const std::filesystem::path& path, ErrorClass error_class) {
  return parse_torch7(read_file(path, torch7::kMaxBytes, error_class), path, error_class);
}

Torch7File parse_torch7(std::string_view bytes, const std::filesystem::path& path, ErrorClass error_class) {
  const torch7::Source source{bytes.size(), [bytes](size_t at, void* to, size_t count) {
                                if (count > 0) std::memcpy(to, bytes.data() + at, count);
                              }};
  return torch7::Reader(source, torch7::Numbers::read, path, error_class).read();
}

at::Tensor read_torch7_tensor(const std::filesystem::path& path, ErrorClass error_class) {
  return torch7::only_tensor(read_torch7(path, error_class), path, error_class).contiguous();
}

at::Tensor read_torch7_tensor_header(const std::filesystem::path& path, ErrorClass error_class) {
  uint64_t size = 0;
  const posix::Descriptor file = posix::open_regular(path, error_class, &size);
  if (size > torch7::kMaxBytes)
    posix::raise(error_class, posix::shown(path), "is larger than " + posix::limit_text(torch7::kMaxBytes));
  const torch7::Source source{
      size, [&](size_t at, void* to, size_t count) { posix::read_exactly(file, at, to, count, path, error_class); }};
  const Torch7File header = torch7::Reader(source, torch7::Numbers::skipped, path, error_class).read();
  return torch7::only_tensor(header, path, error_class);
}

}  // namespace diptych
