#include "diptych/data/image/synth.h"

#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "data/image/shapes.h"
#include "diptych/core/io/fs.h"
#include "diptych/core/io/hash.h"
#include "diptych/core/io/json.h"

namespace diptych {
namespace fs = std::filesystem;
namespace shapes {

constexpr int kVersion = 1;  // of the generator: raise it when the same options give other pictures or words
constexpr uint64_t kMaxFile = 1 << 30;

struct Part {
  const char* split;
  std::vector<Scene> scenes;
};

std::vector<Part> parts_of(const ShapesOptions& options) {
  const auto seed = static_cast<uint64_t>(options.seed);
  return {{"train", training_scenes(options.images, seed)},
          {"val", distinct_scenes(options.val_images, seed, 1)},
          {"test", distinct_scenes(options.test_images, seed, 2)}};
}

std::string id_of(const char* split, size_t number) {
  char text[40];
  std::snprintf(text, sizeof text, "%s-%05zu", split, number);
  return text;
}

Json objects_of(const Scene& scene) {
  Json objects = Json::array();
  for (const Object& each : scene)
    objects.push_back({{"shape", enum_text(each.shape)},
                       {"colour", enum_text(each.colour)},
                       {"size", each.is_large ? "large" : "small"},
                       {"place", enum_text(each.place)}});
  return objects;
}

void write_plain(const fs::path& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary);
  out << bytes;
  if (!out.flush()) throw OutputError(escape_for_log(path.string(), 200), "cannot be written", "is the disk full?");
}

std::string chained(const std::string& hash, const std::string& bytes) { return xxh128(hash + xxh128(bytes)); }

Json options_json(const ShapesOptions& options) {
  Json json = {{"generator", "shapes"}, {"version", kVersion}};
  for (const Row& row : rows_of(options)) json[row.key] = *parse_integer(row.value);
  return json;
}

// Writes images and set.jsonl and returns what synth.json says of them.
Json write_all(const fs::path& directory, const ShapesOptions& options) {
  make_directories(directory / "images");
  std::string lines, images_hash;
  uint64_t stream = 0;
  for (const Part& part : parts_of(options))
    for (size_t i = 0; i < part.scenes.size(); ++i, ++stream) {
      const std::string id = id_of(part.split, i);
      const Random drawing(static_cast<uint64_t>(options.seed), {static_cast<uint64_t>(Stream::synth), 10, stream});
      const Random wording(static_cast<uint64_t>(options.seed), {static_cast<uint64_t>(Stream::synth), 11, stream});
      const std::string jpeg = draw_jpeg(part.scenes[i], options.size, drawing);
      write_plain(directory / "images" / (id + ".jpg"), jpeg);
      images_hash = chained(images_hash, jpeg);
      lines += dump_line({{"id", id},
                          {"image", id + ".jpg"},
                          {"split", part.split},
                          {"captions", captions_of(part.scenes[i], options.captions, wording)},
                          {"meta", {{"objects", objects_of(part.scenes[i])}}}}) +
               "\n";
    }
  write_plain(directory / "set.jsonl", lines);
  Json marker = options_json(options);
  marker["set_sha256"] = sha256(lines);
  marker["images_xxh128"] = images_hash;
  return marker;
}

// What synth.json would say of the files that are there; every image that set.jsonl names is read.
Json found_in(const fs::path& directory, const ShapesOptions& options) {
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
  Json found = options_json(options);
  found["set_sha256"] = sha256(lines);
  found["images_xxh128"] = images_hash;
  return found;
}

bool is_empty_or_absent(const fs::path& directory) {
  std::error_code error;
  const auto status = fs::status(directory, error);
  if (!fs::exists(status)) return true;
  return fs::is_directory(status) && fs::is_empty(directory, error) && !error;
}

// Returns when the folder holds this corpus; otherwise says what stands in the way.
void require_same(const fs::path& directory, const ShapesOptions& options) {
  const std::string where = escape_for_log(directory.string(), 200);
  const std::string remedy = "give another folder with -o, or remove this one";
  Json marker;
  try {
    marker = load_json(directory / "synth.json", 1 << 20);
  } catch (const Error&) {
    throw UsageError(where, "is not empty, and holds no generated corpus", remedy);
  }
  const Json wanted = options_json(options);
  for (const auto& [key, value] : wanted.items())
    if (!marker.is_object() || marker.value(key, Json()) != value)
      throw UsageError(where,
                       concat("holds a corpus made with other options: ", key, " is ",
                              escape_for_log(marker.is_object() ? marker.value(key, Json()).dump() : "absent"),
                              ", asked for ", value.dump()),
                       remedy);
  try {
    if (found_in(directory, options) == marker) return;
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

}  // namespace shapes

void write_shapes_corpus(const fs::path& directory, const ShapesOptions& options) {
  fs::path target = fs::absolute(directory).lexically_normal();
  if (!target.has_filename()) target = target.parent_path();
  if (!shapes::is_empty_or_absent(target)) return shapes::require_same(target, options);
  shapes::Draft draft(target);
  const Json marker = shapes::write_all(draft.path(), options);
  write_file_atomically(draft.path() / "synth.json", marker.dump(2) + "\n");
  draft.move_into_place();
}

}  // namespace diptych
