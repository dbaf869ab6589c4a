#include "core/tensor/feature_array.h"
#include "diptych/core/text.h"

#ifdef DIPTYCH_HAVE_HDF5
#include <ATen/ATen.h>
#include <hdf5.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <mutex>

#include "core/io/posix.h"
#endif

namespace diptych {

#ifndef DIPTYCH_HAVE_HDF5

bool FeatureFile::reads_hdf5() { return false; }
FeatureArray features::open_hdf5(const std::filesystem::path& path, const FeatureFileOptions&) {
  fail(path, "is HDF5, which this build of Diptych does not read",
       "install the library (Debian: apt install libhdf5-dev), then configure and build again; or rewrite the file as "
       ".npy with a text file of ids");
}

#else

bool FeatureFile::reads_hdf5() { return true; }

namespace features {
namespace {

namespace fs = std::filesystem;

/// The library is not thread-safe unless it was built so.
std::mutex& library() {
  static std::mutex mutex;
  return mutex;
}

/// One of the library's handles, closed at the end of its scope.
class Handle {
 public:
  Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  ~Handle() {
    if (id_ >= 0) close_(id_);
  }
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Handle& operator=(Handle&&) = delete;
  operator hid_t() const { return id_; }  // what its functions take

 private:
  hid_t id_;
  herr_t (*close_)(hid_t);
};

struct Dataset {
  Handle dataset, space, type;
  std::vector<int64_t> shape;
  uint64_t count = 1;
};

class Hdf5File {
 public:
  explicit Hdf5File(const fs::path& path) : path_(path), file_(opened(path, bytes_)) {}

  std::vector<std::string> names() const {
    std::vector<std::string> out;
    const auto note = [](hid_t group, const char* name, const H5L_info_t* link, void* into) -> herr_t {
      constexpr size_t kMost = 1000;
      auto& found = *static_cast<std::vector<std::string>*>(into);
      H5O_info_t object;
      if (link->type == H5L_TYPE_HARD && H5Oget_info_by_name(group, name, &object, H5P_DEFAULT) >= 0 &&
          object.type == H5O_TYPE_DATASET)
        found.emplace_back(name);
      return found.size() < kMost ? 0 : 1;
    };
    hsize_t start = 0;
    H5Literate(file_, H5_INDEX_NAME, H5_ITER_INC, &start, note, &out);
    return out;
  }

  /// A dataset that lies in this file: links to other files, and datasets made of them, are refused.
  Dataset dataset(const std::string& name) const {
    const std::string shown = concat("the array '", escape_for_log(name), "' ");
    require_inside(name);
    Handle set(H5Dopen2(file_, name.c_str(), H5P_DEFAULT), H5Dclose);
    if (set < 0) fail(path_, shown + "cannot be opened");
    const Handle plist(H5Dget_create_plist(set), H5Pclose);
    if (plist < 0 || H5Pget_layout(plist) == H5D_VIRTUAL || H5Pget_external_count(plist) != 0)
      fail(path_, shown + "keeps its data in other files, which are not read");
    Handle space(H5Dget_space(set), H5Sclose), type(H5Dget_type(set), H5Tclose);
    const int rank = H5Sget_simple_extent_ndims(space);
    constexpr int kMostDimensions = 8;
    if (type < 0 || rank < 0 || rank > kMostDimensions) fail(path_, shown + "has no simple shape");
    std::vector<hsize_t> sizes(static_cast<size_t>(rank));
    H5Sget_simple_extent_dims(space, sizes.data(), nullptr);
    Dataset out{std::move(set), std::move(space), std::move(type), {}, 1};
    for (const hsize_t size : sizes) {
      if (size > INT64_MAX || __builtin_mul_overflow(out.count, size, &out.count)) fail(path_, shown + "is too large");
      out.shape.push_back(static_cast<int64_t>(size));
    }
    return out;
  }
  bool has(const std::string& name) const {
    if (name.empty() || name.find('\0') != std::string::npos) return false;
    for (size_t at = name.find('/', 1);; at = name.find('/', at + 1)) {
      if (H5Lexists(file_, name.substr(0, at).c_str(), H5P_DEFAULT) <= 0) return false;
      if (at == std::string::npos) return true;
    }
  }
  uint64_t bytes() const { return bytes_; }

 private:
  static Handle opened(const fs::path& path, uint64_t& bytes) {
    posix::open_regular(path, ErrorClass::dat, &bytes);
    H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);  // errors are ours to tell
    Handle file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT), H5Fclose);
    if (file < 0) fail(path, "is no HDF5 file, or a damaged one (cut file?)");
    return file;
  }
  void require_inside(const std::string& name) const {
    for (size_t at = name.find('/', 1);; at = name.find('/', at + 1)) {
      H5L_info_t link;
      if (H5Lget_info(file_, name.substr(0, at).c_str(), &link, H5P_DEFAULT) < 0 || link.type != H5L_TYPE_HARD)
        fail(path_, concat("'", escape_for_log(name.substr(0, at)), "' is a link, which is not followed"));
      if (at == std::string::npos) return;
    }
  }

  fs::path path_;
  uint64_t bytes_ = 0;
  Handle file_;
};

/// Rows of a dataset, converted by the library to float32 (to float64 where they are that, so that nothing is lost
/// before the check for values that are not finite).
class Hdf5Rows {
 public:
  Hdf5Rows(std::shared_ptr<Hdf5File> file, const fs::path& path, Dataset set)
      : path_(path), file_(std::move(file)), set_(std::move(set)), wide_(H5Tget_size(set_.type) > 4) {}

  at::Tensor operator()(const std::vector<int64_t>& which) const {
    std::vector<int64_t> sizes = set_.shape;
    sizes[0] = static_cast<int64_t>(which.size());
    at::Tensor out = at::empty(sizes, wide_ ? at::kDouble : at::kFloat);
    if (which.empty()) return out;
    const size_t row_bytes = out.nbytes() / which.size();
    auto* to = static_cast<char*>(out.mutable_data_ptr());
    const std::lock_guard lock(library());
    for (size_t i = 0; i < which.size();) {
      size_t next = i + 1;
      while (next < which.size() && which[next] == which[next - 1] + 1) ++next;
      read(static_cast<hsize_t>(which[i]), next - i, to + i * row_bytes);
      i = next;
    }
    return out;
  }

 private:
  void read(hsize_t first, size_t count, void* to) const {
    std::vector<hsize_t> from(set_.shape.size(), 0), size(set_.shape.begin(), set_.shape.end());
    from[0] = first, size[0] = count;
    const Handle memory(H5Screate_simple(static_cast<int>(size.size()), size.data(), nullptr), H5Sclose);
    const Handle file(H5Scopy(set_.space), H5Sclose);
    if (H5Sselect_hyperslab(file, H5S_SELECT_SET, from.data(), nullptr, size.data(), nullptr) < 0 ||
        H5Dread(set_.dataset, wide_ ? H5T_NATIVE_DOUBLE : H5T_NATIVE_FLOAT, memory, file, H5P_DEFAULT, to) < 0)
      fail(path_, concat("rows ", first, " to ", first + count - 1,
                         " cannot be read: the file is damaged, or packed by "
                         "a filter that is not installed"));
  }

  fs::path path_;
  std::shared_ptr<Hdf5File> file_;
  Dataset set_;
  bool wide_;
};

std::vector<std::string> integers_of(const fs::path& path, const Dataset& set) {
  std::vector<int64_t> numbers(set.count);
  if (H5Dread(set.dataset, H5T_NATIVE_INT64, H5S_ALL, H5S_ALL, H5P_DEFAULT, numbers.data()) < 0)
    fail(path, "its ids cannot be read: the file is damaged");
  std::vector<std::string> out;
  for (const int64_t each : numbers) out.push_back(std::to_string(each));
  return out;
}

std::vector<std::string> fixed_texts_of(const fs::path& path, const Dataset& set) {
  const size_t width = H5Tget_size(set.type);
  uint64_t bytes = 0;
  if (__builtin_mul_overflow(uint64_t{width}, set.count, &bytes) || bytes > kMaxIdsBytes)
    fail(path, concat("its ids would take ", set.count, " x ", width, " bytes"));
  std::string all(bytes, '\0');
  if (H5Dread(set.dataset, set.type, H5S_ALL, H5S_ALL, H5P_DEFAULT, all.data()) < 0)
    fail(path, "its ids cannot be read: the file is damaged");
  std::vector<std::string> out;
  for (uint64_t i = 0; i < set.count; ++i) {
    std::string text = all.substr(i * width, width);
    text.resize(std::min(text.find('\0'), text.size()));
    if (H5Tget_strpad(set.type) == H5T_STR_SPACEPAD) text.resize(text.find_last_not_of(' ') + 1);
    out.push_back(std::move(text));
  }
  return out;
}

std::vector<std::string> free_texts_of(const fs::path& path, const Dataset& set) {
  std::vector<char*> texts(set.count, nullptr);
  const Handle memory(H5Tcopy(H5T_C_S1), H5Tclose);
  H5Tset_size(memory, H5T_VARIABLE);
  H5Tset_cset(memory, H5Tget_cset(set.type));
  const bool good = H5Dread(set.dataset, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, texts.data()) >= 0;
  std::vector<std::string> out;
  for (const char* text : texts) out.emplace_back(text ? text : "");
  H5Dvlen_reclaim(memory, set.space, H5P_DEFAULT, texts.data());
  if (!good) fail(path, "its ids cannot be read: the file is damaged");
  return out;
}

std::vector<std::string> ids_of(const fs::path& path, const Hdf5File& file, const std::string& name, int64_t rows) {
  const Dataset set = file.dataset(name);
  const H5T_class_t kind = H5Tget_class(set.type);
  if (set.shape.size() != 1 || (kind != H5T_STRING && kind != H5T_INTEGER))
    fail(path,
         concat("the array '", escape_for_log(name), "' holds no ids: needed are texts or integers, one dimension"));
  // The number is compared before memory is taken for it; a dataset may claim any size without holding it.
  if (set.shape[0] != rows || set.count > 64 * file.bytes())
    fail(path, concat("has ", rows, " rows, but '", escape_for_log(name), "' has ", set.shape[0], " ids"),
         "there must be one id for each row, in the same order");
  if (kind == H5T_INTEGER) return integers_of(path, set);
  return H5Tis_variable_str(set.type) > 0 ? free_texts_of(path, set) : fixed_texts_of(path, set);
}

FeatureArray open_here(const fs::path& path, const FeatureFileOptions& options) {
  auto file = std::make_shared<Hdf5File>(path);
  std::vector<std::string> all = file->names();
  for (const std::string& given : {options.array, options.ids})  // below a group: known only by its name
    if (given.find('/') != std::string::npos && file->has(given)) all.push_back(given);
  std::vector<Candidate> floats;
  for (const std::string& name : all)
    if (const Dataset set = file->dataset(name); H5Tget_class(set.type) == H5T_FLOAT)
      floats.push_back({name, set.shape.size()});
  FeatureArray out;
  out.name = choose_array(path, options, floats, all);
  Dataset set = file->dataset(out.name);
  out.shape = set.shape;
  out.dtype = concat("float", 8 * H5Tget_size(set.type));
  if (!out.shape.empty() && options.ids_file.empty()) {
    if (!file->has(options.ids)) fail_without_ids(path, options, all);
    out.ids = ids_of(path, *file, options.ids, out.shape[0]);
  }
  // The last owner closes the handles, under the lock.
  std::shared_ptr<Hdf5Rows> rows(new Hdf5Rows(std::move(file), path, std::move(set)), [](Hdf5Rows* each) {
    const std::lock_guard closing(library());
    delete each;
  });
  out.fetch = [rows](const std::vector<int64_t>& which) { return (*rows)(which); };
  return out;
}

// Reads the file as it will be read later, all rows of it, then ends the process. A file that claims more than
// compression can hold is read as far as that.
[[noreturn]] void read_and_exit(const fs::path& path, const FeatureFileOptions& options, uint64_t bytes) {
  constexpr uint64_t kBestCompression = 1032, kBytesPerSecond = 10 << 20;
  constexpr int64_t kRows = 256;
  const rlimit none{0, 0}, seconds{20 + bytes / kBytesPerSecond, 25 + bytes / kBytesPerSecond};
  setrlimit(RLIMIT_CORE, &none), setrlimit(RLIMIT_CPU, &seconds);
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGXCPU}) std::signal(signal, SIG_DFL);
  library().unlock();  // taken by this very thread, before it became another process
  try {
    const FeatureArray array = open_here(path, options);
    uint64_t row_bytes = 4;
    for (size_t i = 1; i < array.shape.size(); ++i)
      if (__builtin_mul_overflow(row_bytes, static_cast<uint64_t>(array.shape[i]), &row_bytes)) _exit(0);
    const uint64_t held = bytes * kBestCompression / std::max<uint64_t>(row_bytes, 1);
    const int64_t rows = array.shape.empty() ? 0 : std::min<int64_t>(array.shape[0], static_cast<int64_t>(held));
    std::vector<int64_t> which;
    for (int64_t first = 0; first < rows; first += kRows) {
      which.clear();
      for (int64_t row = first; row < std::min(first + kRows, rows); ++row) which.push_back(row);
      array.fetch(which);
    }
  } catch (...) {  // whoever reads it next meets the same, and says so
  }
  _exit(0);
}

// The library trusts what a damaged file says and may crash on it. So a child process reads every file first: a crash
// there is an error message here.
void try_in_a_child(const fs::path& path, const FeatureFileOptions& options) {
  uint64_t bytes = 0;
  posix::open_regular(path, ErrorClass::dat, &bytes);
  const pid_t child = fork();
  if (child == 0) read_and_exit(path, options, bytes);
  if (child < 0) fail(path, "cannot be read: no further process can be started", "end other programs");
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    fail(path, "is damaged: the HDF5 library fails over it", "copy it anew; h5check and h5debug tell more");
}

}  // namespace

FeatureArray open_hdf5(const fs::path& path, const FeatureFileOptions& options) {
  const std::lock_guard lock(library());
  try_in_a_child(path, options);
  return open_here(path, options);
}

}  // namespace features

#endif

}  // namespace diptych
