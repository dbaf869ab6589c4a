#include "diptych/core/tensor/torch_archive.h"

#include <ATen/ops/as_strided.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/ne.h>
#include <c10/core/ScalarType.h>

#include <algorithm>
#include <cctype>
#include <cstring>
#include <functional>
#include <map>
#include <optional>

#include "core/io/posix.h"
#include "core/io/zip_reader.h"
#include "core/tensor/unpickler.h"
#include "core/tensor/view_fault.h"
#include "diptych/core/io/fs.h"
#include "diptych/core/text.h"

// The two layouts: torch/serialization.py. Zip: PREFIX/data.pkl, PREFIX/data/KEY for every storage, PREFIX/byteorder.
// Legacy: pickles of a magic number, the protocol version, the machine, the object and the list of storage keys, then
// every storage as a count of 8 bytes and its numbers.

namespace diptych {

namespace archive {

constexpr uint64_t kMaxPickle = 256 << 20, kMaxLegacy = uint64_t{16} << 30;
constexpr std::string_view kLegacyMagic{"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15};
constexpr int64_t kLegacyProtocol = 1001;
constexpr uint64_t kMaxCopies = 8;  // how often the file's bytes may be repeated by tensors that share storages

/// Messages about one file, with the line that mends it.
class Complainer {
 public:
  explicit Complainer(const std::filesystem::path& path) : path_(path) {}

  [[noreturn]] void damaged(const std::string& message) const {
    posix::raise(ErrorClass::ckp, posix::shown(path_), message, "the file is damaged: get it anew");
  }
  [[noreturn]] void refuse(const std::string& message, bool is_script = false) const {
    posix::raise(ErrorClass::ckp, posix::shown(path_), message, rewrite(is_script));
  }
  [[noreturn]] void refuse(const pickle::BadPickle& bad) const {
    if (bad.forbidden.empty()) damaged("its pickle " + bad.message);
    refuse(concat("refers to ", escape_for_log(bad.forbidden),
                  ", which is not among the few functions that rebuild tensors; nothing was executed"));
  }

 private:
  std::string rewrite(bool is_script) const {
    const std::string name = path_.filename().native();
    const bool plain = std::all_of(name.begin(), name.end(),
                                   [](unsigned char c) { return std::isalnum(c) || std::strchr("._-+", c); });
    const std::string file = plain ? name : "FILE", stem = plain ? path_.stem().native() : "FILE";
    const std::string load = is_script ? concat("torch.jit.load('", file, "', map_location='cpu').state_dict()")
                                       : concat("torch.load('", file, "', map_location='cpu', weights_only=False)");
    return concat(
        "if you trust where it comes from (Python will execute what it holds): python3 -c \"import torch; s = ", load,
        "; s = s.get('state_dict', s); torch.save({k: v.detach().clone() for k, v in s.items() if "
        "torch.is_tensor(v)}, '",
        stem, ".plain.pth')\", then import ", stem, ".plain.pth");
  }
  std::filesystem::path path_;
};

struct StorageType {
  const char* name;
  at::ScalarType type;
};
constexpr StorageType kStorageTypes[] = {{"DoubleStorage", at::kDouble}, {"FloatStorage", at::kFloat},
                                         {"HalfStorage", at::kHalf},     {"BFloat16Storage", at::kBFloat16},
                                         {"LongStorage", at::kLong},     {"IntStorage", at::kInt},
                                         {"ShortStorage", at::kShort},   {"CharStorage", at::kChar},
                                         {"ByteStorage", at::kByte},     {"BoolStorage", at::kBool}};

at::ScalarType type_of(const pickle::Storage& storage) {
  for (const StorageType& each : kStorageTypes)
    if (storage.type == each.name) return each.type;
  return at::kFloat;  // not reached: the unpickler knows no others
}

/// Bytes other than 0 and 1 are no legal bool.
at::Tensor legal(const at::Tensor& storage) {
  return storage.scalar_type() == at::kBool ? storage.view(at::kByte).ne(0) : storage;
}

/// Gives the numbers of a storage, [count].
using StorageSource = std::function<at::Tensor(const pickle::Storage&)>;

// --- what a pickle holds

const pickle::Value* find(const pickle::Dict& dict, std::string_view key) {
  for (const auto& [name, value] : dict.entries)
    if (const auto* text = std::get_if<std::string>(&*name); text && *text == key) return value;
  return nullptr;
}

const pickle::Dict* dict_at(const pickle::Dict& dict, std::string_view key) {
  const pickle::Value* found = find(dict, key);
  return found ? std::get_if<pickle::Dict>(found) : nullptr;
}

bool holds_tensors(const pickle::Dict& dict) {
  return std::ranges::any_of(dict.entries,
                             [](const auto& entry) { return std::holds_alternative<pickle::Tensor>(*entry.second); });
}

/// "a.b" is the entry b of the entry a, or an entry whose name has the dot.
const pickle::Dict* descend(const pickle::Dict& dict, std::string_view key) {
  if (const pickle::Dict* whole = dict_at(dict, key)) return whole;
  for (size_t dot = key.find('.'); dot != std::string_view::npos; dot = key.find('.', dot + 1))
    if (const pickle::Dict* outer = dict_at(dict, key.substr(0, dot)))
      if (const pickle::Dict* inner = descend(*outer, key.substr(dot + 1))) return inner;
  return nullptr;
}

std::string shown_entry(const pickle::Value& key, const pickle::Value& value) {
  const auto* name = std::get_if<std::string>(&key);
  return concat(name ? escape_for_log(*name) : pickle::kind_of(key), " (", pickle::kind_of(value), ")");
}

std::string entries_text(const pickle::Dict& dict) {
  constexpr size_t kShown = 20;
  std::vector<std::string> out;
  for (const auto& [name, value] : dict.entries) {
    if (out.size() == kShown) {
      out.push_back(concat("... (", dict.entries.size(), " in all)"));
      break;
    }
    out.push_back(shown_entry(*name, *value));
  }
  return join(out, ", ");
}

/// The dictionary of tensors that was asked for, or that must be meant.
const pickle::Dict& choose(const pickle::Value& root, std::string& key, const Complainer& complain) {
  const auto* whole = std::get_if<pickle::Dict>(&root);
  if (!whole) complain.refuse(concat("holds ", pickle::kind_of(root), ", expected a dictionary of tensors"));
  if (!key.empty()) {
    if (const pickle::Dict* found = descend(*whole, key)) return *found;
    throw CheckpointError("--key " + escape_for_log(key),
                          "no such dictionary in the file; it holds: " + entries_text(*whole));
  }
  if (holds_tensors(*whole)) return *whole;
  std::vector<std::string> found;
  for (const char* usual : {"state_dict", "model_state_dict", "model", "net", "weights"})
    if (const pickle::Dict* inner = dict_at(*whole, usual); inner && holds_tensors(*inner)) found.push_back(usual);
  if (found.size() != 1)
    throw CheckpointError(
        "", concat("it is not clear which entry holds the tensors; the file holds: ", entries_text(*whole)),
        "name it: --key " + (found.empty() ? std::string("NAME") : found.front()));
  key = found.front();
  return *dict_at(*whole, key);
}

// --- tensors

/// Empty if the tensor lies inside its storage.
std::string fault_of(const pickle::Tensor& tensor) {
  int64_t first = 0;
  if (tensor.offset < 0 || tensor.storage.view_offset < 0 ||
      __builtin_add_overflow(tensor.offset, tensor.storage.view_offset, &first))
    return concat("storage of ", tensor.storage.count, " elements, offset ", tensor.offset);
  return view_fault(tensor.storage.count, first, tensor.sizes, tensor.strides);
}

/// Empty unless two names are one tensor.
std::string place_of(const pickle::Tensor& tensor) {
  return concat(tensor.storage.key, "/", tensor.storage.view_offset, "/", tensor.offset, "/",
                at::IntArrayRef(tensor.sizes), at::IntArrayRef(tensor.strides));
}

/// The entries beside the one that `key` leads to.
std::vector<std::string> entries_beside(const pickle::Value& root, const std::string& key) {
  std::vector<std::string> out;
  const auto* whole = std::get_if<pickle::Dict>(&root);
  if (!whole || key.empty()) return out;
  for (const auto& [name, value] : whole->entries) {
    const auto* text = std::get_if<std::string>(&*name);
    if (!text || *text != key.substr(0, key.find('.'))) out.push_back(shown_entry(*name, *value));
  }
  return out;
}

TorchArchive take(const pickle::Value& root, const TorchArchiveOptions& options, const StorageSource& source,
                  uint64_t file_bytes, const Complainer& complain) {
  TorchArchive out;
  out.key = options.key;
  const pickle::Dict& dict = choose(root, out.key, complain);
  out.dropped = entries_beside(root, out.key);
  std::map<std::string, std::string> first;  // place -> name
  uint64_t bytes = 0;
  for (const auto& [key, value] : dict.entries) {
    const auto* name = std::get_if<std::string>(&*key);
    const auto* tensor = std::get_if<pickle::Tensor>(&*value);
    const std::string shown = name ? escape_for_log(*name) : pickle::kind_of(*key);
    if (!name || !tensor) {
      out.dropped.push_back(shown_entry(*key, *value));
      continue;
    }
    if (const std::string fault = fault_of(*tensor); !fault.empty())
      complain.damaged(concat("tensor '", shown, "': ", fault));
    const at::Tensor storage = source(tensor->storage);
    uint64_t size = c10::elementSize(type_of(tensor->storage));
    for (const int64_t each : tensor->sizes) size *= static_cast<uint64_t>(each);  // at most the storage's bytes
    bytes += size;
    if (bytes > kMaxCopies * file_bytes) complain.damaged("its tensors repeat the same numbers too often");
    const at::Tensor view =
        at::as_strided(storage, tensor->sizes, tensor->strides, tensor->offset + tensor->storage.view_offset);
    if (!out.content.tensors.emplace(*name, view.clone(at::MemoryFormat::Contiguous)).second)
      complain.damaged(concat("tensor '", shown, "' occurs twice"));
    if (const auto [known, is_new] = first.emplace(place_of(*tensor), *name); !is_new && size > 0)
      out.ties.push_back(concat(shown, " = ", escape_for_log(known->second)));
  }
  if (out.content.tensors.empty())
    throw CheckpointError("", "no tensors there; the file holds: " + entries_text(dict), "name the entry: --key NAME");
  return out;
}

// --- the zip layout

/// "archive/" if archive/data.pkl is the only one.
std::string prefix_of(const ZipReader& zip, const Complainer& complain) {
  std::vector<std::string> found;
  for (const auto& [name, member] : zip.members())
    if (name == "data.pkl" || name.ends_with("/data.pkl")) found.push_back(name.substr(0, name.size() - 8));
  if (found.size() != 1)
    complain.refuse(concat("is a zip archive with ", found.size(), " members data.pkl, a torch archive has one"));
  if (zip.holds(found.front() + "constants.pkl"))
    complain.refuse("is a TorchScript archive: it holds a program beside the weights", true);
  return found.front();
}

TorchArchive read_zip(const std::filesystem::path& path, const TorchArchiveOptions& options,
                      const Complainer& complain) {
  const ZipReader zip(path, ErrorClass::ckp);
  const std::string prefix = prefix_of(zip, complain);
  if (zip.holds(prefix + "byteorder"))
    if (const std::string order = zip.read(prefix + "byteorder", 64); order != "little")
      complain.refuse(concat("its numbers are ", escape_for_log(order), "-endian"));
  const std::string bytes = zip.read(prefix + "data.pkl", kMaxPickle);
  size_t at = 0;
  pickle::Pickle content;
  try {
    content = pickle::read(bytes, at);
  } catch (const pickle::BadPickle& bad) {
    complain.refuse(bad);
  }
  if (at != bytes.size()) complain.damaged(concat("its pickle ends at byte ", at, " of ", bytes.size()));
  std::map<std::string, at::Tensor> storages;
  const StorageSource source = [&](const pickle::Storage& storage) {
    const at::ScalarType type = type_of(storage);
    at::Tensor& known = storages[storage.key];
    if (known.defined() && (known.scalar_type() != type || known.numel() != storage.count))
      complain.damaged(concat("storage '", escape_for_log(storage.key), "' has two types or sizes"));
    if (known.defined()) return known;
    const std::string name = prefix + "data/" + storage.key;
    const auto member = zip.members().find(name);
    uint64_t size = 0;
    if (__builtin_mul_overflow(static_cast<uint64_t>(storage.count), c10::elementSize(type), &size) ||
        member == zip.members().end() || member->second.size != size)
      complain.damaged(concat("storage '", escape_for_log(storage.key), "' of ", storage.count, " elements of ",
                              storage.type, ": member '", escape_for_log(name), "' has ",
                              member == zip.members().end() ? std::string("no") : concat(member->second.size),
                              " bytes"));
    known = at::empty({storage.count}, type);
    if (size > 0) zip.read_into(name, known.mutable_data_ptr(), size);
    return known = legal(known);
  };
  return take(*content.root, options, source, zip.file_bytes(), complain);
}

// --- the legacy layout

/// Every storage type by key, from the values of the pickle.
std::map<std::string, const pickle::Storage*> storages_of(const pickle::Pickle& content) {
  std::map<std::string, const pickle::Storage*> out;
  for (const pickle::Value& value : content.values)
    if (const auto* storage = std::get_if<pickle::Storage>(&value)) out.emplace(storage->key, storage);
  return out;
}

void check_machine(const pickle::Value& value, const Complainer& complain) {
  const auto* machine = std::get_if<pickle::Dict>(&value);
  const pickle::Value* little = machine ? find(*machine, "little_endian") : nullptr;
  const bool* flag = little ? std::get_if<bool>(little) : nullptr;
  if (!flag || !*flag) complain.refuse("its numbers are not little-endian");
}

TorchArchive read_legacy(const std::filesystem::path& path, const TorchArchiveOptions& options,
                         const Complainer& complain) {
  const std::string bytes = read_file(path, kMaxLegacy, ErrorClass::ckp);
  size_t at = kLegacyMagic.size();
  pickle::Pickle content, keys;
  try {
    const pickle::Pickle protocol = pickle::read(bytes, at);
    const auto* number = std::get_if<int64_t>(&*protocol.root);
    if (!number || *number != kLegacyProtocol) complain.refuse("is of an unknown version of the legacy layout");
    check_machine(*pickle::read(bytes, at).root, complain);
    content = pickle::read(bytes, at);
    keys = pickle::read(bytes, at);
  } catch (const pickle::BadPickle& bad) {
    complain.refuse(bad);
  }
  const auto declared = storages_of(content);
  const auto* list = std::get_if<pickle::List>(&*keys.root);
  if (!list) complain.damaged("its list of storages is missing");
  std::map<std::string, at::Tensor> storages;
  for (const pickle::ValuePtr each : list->items) {
    const auto* key = std::get_if<std::string>(&*each);
    const auto known = key ? declared.find(*key) : declared.end();
    int64_t count = 0;
    if (known == declared.end() || bytes.size() - at < sizeof count)
      complain.damaged("its list of storages does not fit its tensors, or it is cut");
    std::memcpy(&count, bytes.data() + at, sizeof count), at += sizeof count;
    const at::ScalarType type = type_of(*known->second);
    uint64_t size = 0;
    if (count != known->second->count ||
        __builtin_mul_overflow(static_cast<uint64_t>(count), c10::elementSize(type), &size) || size > bytes.size() - at)
      complain.damaged(concat("storage '", escape_for_log(*key), "' has ", count, " elements, declared are ",
                              known->second->count, "; the file has ", bytes.size() - at, " bytes more (cut file?)"));
    at::Tensor& storage = storages[*key] = at::empty({count}, type);
    if (size > 0) std::memcpy(storage.mutable_data_ptr(), bytes.data() + at, size);
    storage = legal(storage);
    at += size;
  }
  if (at != bytes.size()) complain.damaged(concat(bytes.size() - at, " bytes are left over at its end"));
  const StorageSource source = [&](const pickle::Storage& storage) {
    const auto found = storages.find(storage.key);
    if (found == storages.end() || found->second.scalar_type() != type_of(storage) ||
        found->second.numel() != storage.count)
      complain.damaged(concat("storage '", escape_for_log(storage.key), "' is missing or has another type or size"));
    return found->second;
  };
  return take(*content.root, options, source, bytes.size(), complain);
}

}  // namespace archive

TorchArchive read_torch_archive(const std::filesystem::path& path, const TorchArchiveOptions& options) {
  const archive::Complainer complain(path);
  uint64_t size = 0;
  std::string start;
  {
    const posix::Descriptor file = posix::open_regular(path, ErrorClass::ckp, &size);
    start.resize(std::min<uint64_t>(size, 512));
    posix::read_exactly(file, 0, start.data(), start.size(), path, ErrorClass::ckp);
  }
  try {
    if (start.starts_with("PK\x03\x04")) return archive::read_zip(path, options, complain);
    if (start.starts_with(archive::kLegacyMagic)) return archive::read_legacy(path, options, complain);
  } catch (const CheckpointError& error) {
    if (!error.issues().front().where.empty()) throw;
    const Issue& issue = error.issues().front();  // the place was not known where it was found
    throw CheckpointError(posix::shown(path), issue.message, issue.hint);
  }
  if (start.size() > 262 && start.compare(257, 5, "ustar") == 0)
    complain.refuse("is a tar archive: torch.save of before 2017");
  if (start.size() > 2 && start[0] == '\x80' && start[1] >= 1 && start[1] <= 5)
    complain.refuse("is a Python pickle, but none that torch.save wrote");
  if (start.starts_with("version https://git-lfs"))
    throw CheckpointError(posix::shown(path), "is a Git LFS pointer, not the file itself",
                          "fetch it with `git lfs pull`");
  throw CheckpointError(posix::shown(path), "is no PyTorch file (.pt, .pth)",
                        "a safetensors file needs no import: name it in model.image.weights");
}

}  // namespace diptych
