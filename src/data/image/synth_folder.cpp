#include "data/image/synth_folder.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>

#include "diptych/core/io/fs.h"
#include "diptych/core/io/hash.h"
#include "diptych/core/text.h"

namespace diptych {
namespace synth_folder {

namespace fs = std::filesystem;
constexpr uint64_t kMaxFile = 1 << 30;

void write_plain(const fs::path& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary);
  out << bytes;
  if (!out.flush()) throw OutputError(escape_for_log(path.string(), 200), "cannot be written", "is the disk full?");
}

std::string chained(const std::string& hash, const std::string& bytes) { return xxh128(hash + xxh128(bytes)); }

// Writes images and set.jsonl and returns what synth.json says of them.
Json write_all(const fs::path& directory, const Json& options, const std::function<void(const SynthSink&)>& draw) {
  make_directories(directory / "images");
  std::string lines, images_hash;
  draw([&](const SynthPicture& picture) {
    const std::string file = picture.id + ".jpg";
    write_plain(directory / "images" / file, picture.jpeg);
    images_hash = chained(images_hash, picture.jpeg);
    lines += dump_line({{"id", picture.id},
                        {"image", file},
                        {"split", picture.split},
                        {"captions", picture.captions},
                        {"meta", picture.meta}}) +
             "\n";
  });
  write_plain(directory / "set.jsonl", lines);
  Json marker = options;
  marker["set_sha256"] = sha256(lines);
  marker["images_xxh128"] = images_hash;
  return marker;
}

// What synth.json would say of the files that are there; every image that set.jsonl names is read.
Json found_in(const fs::path& directory, const Json& options) {
  const std::string lines = read_file(directory / "set.jsonl", kMaxFile);
  std::string images_hash;
  int64_t images = 0;
  for (const std::string& line : split(lines, '\n')) {
    if (line.empty()) continue;
    const std::string name = parse_json(line, "set.jsonl")["image"].get<std::string>();
    images_hash = chained(images_hash, read_file(directory / "images" / name, kMaxFile));
    ++images;
  }
  if (std::distance(fs::directory_iterator(directory / "images"), fs::directory_iterator()) != images) return nullptr;
  Json found = options;
  found["set_sha256"] = sha256(lines);
  found["images_xxh128"] = images_hash;
  return found;
}

// Names and contents of all files but synth.json, in order of name.
Json files_marker(const fs::path& directory, const Json& options) {
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(directory))
    if (entry.is_regular_file() && entry.path().lexically_relative(directory) != "synth.json")
      names.push_back(entry.path().lexically_relative(directory).string());
  std::sort(names.begin(), names.end());
  std::string hash;
  for (const std::string& name : names) hash = chained(chained(hash, name), read_file(directory / name, kMaxFile));
  Json marker = options;
  marker["files"] = names.size();
  marker["files_xxh128"] = hash;
  return marker;
}

// What synth.json says, or would say, of the files in a folder.
using Marker = std::function<Json(const fs::path&)>;

bool is_empty_or_absent(const fs::path& directory) {
  std::error_code error;
  const auto status = fs::status(directory, error);
  if (!fs::exists(status)) return true;
  return fs::is_directory(status) && fs::is_empty(directory, error) && !error;
}

// Returns when the folder holds this corpus; otherwise says what stands in the way.
void require_same(const fs::path& directory, const Json& options, const Marker& found) {
  const std::string where = escape_for_log(directory.string(), 200);
  const std::string remedy = "give another folder with -o, or remove this one";
  Json marker;
  try {
    marker = load_json(directory / "synth.json", 1 << 20);
  } catch (const Error&) {
    throw UsageError(where, "is not empty, and holds no generated corpus", remedy);
  }
  for (const auto& [key, value] : options.items())
    if (!marker.is_object() || marker.value(key, Json()) != value)
      throw UsageError(where,
                       concat("holds a corpus made with other options: ", key, " is ",
                              escape_for_log(marker.is_object() ? marker.value(key, Json()).dump() : "absent"),
                              ", asked for ", value.dump()),
                       remedy);
  try {
    if (found(directory) == marker) return;
  } catch (const std::exception&) {
    // missing or unreadable files: changed, as below
  }
  throw UsageError(where, "holds this corpus, but files were changed, added or removed since it was written", remedy);
}

// A folder that is removed again unless it reached its place.
class Draft {
 public:
  explicit Draft(const fs::path& target) : target_(target), path_(target.string() + concat(".partial-", ::getpid())) {
    fs::remove_all(path_);
    make_directories(path_);
  }
  ~Draft() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  Draft(const Draft&) = delete;
  Draft& operator=(const Draft&) = delete;
  const fs::path& path() const { return path_; }
  void move_into_place() {
    std::error_code error;
    fs::rename(path_, target_, error);
    if (error) throw OutputError(escape_for_log(target_.string(), 200), concat("cannot be created: ", error.message()));
    path_.clear();
  }

 private:
  fs::path target_, path_;
};

// Fills a folder by `write`, which returns its marker, unless it holds this very corpus by `found`.
void write_folder(const fs::path& directory, const Json& options, const Marker& write, const Marker& found) {
  fs::path target = fs::absolute(directory).lexically_normal();
  if (!target.has_filename()) target = target.parent_path();
  if (!is_empty_or_absent(target)) return require_same(target, options, found);
  Draft draft(target);
  const Json marker = write(draft.path());
  write_file_atomically(draft.path() / "synth.json", marker.dump(2) + "\n");
  draft.move_into_place();
}

}  // namespace synth_folder

void write_synth_folder(const std::filesystem::path& directory, const Json& options,
                        const std::function<void(const SynthSink&)>& draw) {
  using namespace synth_folder;
  write_folder(
      directory, options, [&](const fs::path& draft) { return write_all(draft, options, draw); },
      [&](const fs::path& there) { return found_in(there, options); });
}

void write_synth_files(const std::filesystem::path& directory, const Json& options,
                       const std::function<void(const FileSink&)>& write) {
  using namespace synth_folder;
  const Marker found = [&](const fs::path& there) { return files_marker(there, options); };
  const Marker write_draft = [&](const fs::path& draft) {
    write([&](const std::string& path, const std::string& bytes) {
      make_directories((draft / path).parent_path());
      write_plain(draft / path, bytes);
    });
    return found(draft);
  };
  write_folder(directory, options, write_draft, found);
}

std::string synth_id(const char* split, size_t number) {
  char text[40];
  std::snprintf(text, sizeof text, "%s-%05zu", split, number);
  return text;
}

}  // namespace diptych
