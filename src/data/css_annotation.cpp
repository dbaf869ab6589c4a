#include "data/css_annotation.h"

#include <bit>
#include <cstdio>
#include <unordered_map>

#include "core/io/pickle_reader.h"
#include "diptych/core/error.h"
#include "diptych/core/text.h"

namespace diptych::css {
namespace {

// ------------------------------------------------------------------------------------------------ writing

/// Writes values in pickle protocol 2. Containers are opened and closed around their items.
class PickleWriter {
 public:
  void raw(std::string_view bytes) { out_ += bytes; }
  void open_list() { raw("]("); }
  void close_list() { raw("e"); }
  void open_dict() { raw("}("); }
  void close_dict() { raw("u"); }
  void integer(int64_t value) {
    if (value >= 0 && value < 256) {
      raw("K"), little_endian(static_cast<uint64_t>(value), 1);
    } else {
      raw("\x8a\x08"), little_endian(static_cast<uint64_t>(value), 8);
    }
  }
  void real(double value) {
    raw("G");
    const auto bits = std::bit_cast<uint64_t>(value);
    for (int shift = 56; shift >= 0; shift -= 8) out_ += static_cast<char>(bits >> shift);
  }
  /// A text that was written before is referred to.
  void text(const std::string& value) {
    const auto [known, is_new] = number_of_.emplace(value, number_of_.size());
    raw(is_new ? "X" : "j");
    if (is_new) {
      little_endian(value.size(), 4);
      raw(value), raw("r");
    }
    little_endian(known->second, 4);
  }
  std::string take() { return std::move(out_); }

 private:
  void little_endian(uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out_ += static_cast<char>(value >> (8 * i));
  }
  std::string out_;
  std::unordered_map<std::string, uint64_t> number_of_;
};

void write_integers(PickleWriter& pickle, const char* key, const std::vector<int64_t>& values) {
  pickle.text(key);
  pickle.open_list();
  for (const int64_t value : values) pickle.integer(value);
  pickle.close_list();
}

void write_scene(PickleWriter& pickle, const std::vector<SceneObject>& scene) {
  pickle.open_list();
  for (const SceneObject& object : scene) {
    pickle.open_dict();
    pickle.text("color"), pickle.text(object.color);
    pickle.text("shape"), pickle.text(object.shape);
    pickle.text("size"), pickle.text(object.size);
    pickle.text("pos"), pickle.real(object.y), pickle.real(object.x), pickle.raw("\x86");
    pickle.close_dict();
  }
  pickle.close_list();
}

void write_split(PickleWriter& pickle, const char* name, const SplitAnnotation& split) {
  pickle.text(name);
  pickle.open_dict();
  pickle.text("objects_img");
  pickle.open_list();
  for (const auto& scene : split.objects) write_scene(pickle, scene);
  pickle.close_list();
  write_integers(pickle, "labels", split.labels);
  pickle.text("mods");
  pickle.open_list();
  for (const TextEdit& edit : split.edits) {
    pickle.open_dict();
    pickle.text("to_str"), pickle.text(edit.text);
    write_integers(pickle, "from", edit.from);
    write_integers(pickle, "to", edit.to);
    pickle.close_dict();
  }
  pickle.close_list();
  pickle.close_dict();
}

std::string npy_header() {
  std::string text = "{'descr': '|O', 'fortran_order': False, 'shape': (), }";
  constexpr size_t kBefore = 10, kAlignment = 64;
  while ((kBefore + text.size() + 1) % kAlignment != 0) text += ' ';
  text += '\n';
  std::string out = "\x93NUMPY\x01";
  out += '\0';
  out += static_cast<char>(text.size() & 0xff);
  out += static_cast<char>(text.size() >> 8);
  return out + text;
}

// ------------------------------------------------------------------------------------------------ reading

using pickled::Value;

// More would take gigabytes; a file can name one part a million times.
constexpr size_t kMostObjects = 5'000'000, kMostImages = 2'000'000, kMostPairs = 5'000'000;
constexpr size_t kMostKeys = 1000;  // of a dictionary

/// Where a value stands, for messages: train, mods, 12.
struct Position {
  const char* split = "";
  const char* list = "";
  int64_t index = -1;
};

class AnnotationParser {
 public:
  explicit AnnotationParser(const std::string& file) : file_(file) {}

  Annotation parse(const Value& root) {
    Annotation out;
    out.train = split(entry(root, "train", {}), "train");
    out.test = split(entry(root, "test", {}), "test");
    return out;
  }

 private:
  [[noreturn]] void fail(const Position& at, const std::string& message) const {
    std::string where = escape_for_log(file_, 200);
    if (at.split[0] != '\0') where += concat(" ", at.split);
    if (at.list[0] != '\0') where += concat(".", at.list);
    if (at.index >= 0) where += concat("[", at.index, "]");
    throw DataError(where, message);
  }

  const Value* find(const Value& value, std::string_view key, const Position& at) const {
    const auto* dict = value.as<pickled::Dict>();
    if (!dict) fail(at, concat("expected a dictionary; got ", kind_of(value), " at byte ", value.at));
    if (dict->entries.size() > kMostKeys) fail(at, concat("a dictionary of ", dict->entries.size(), " keys"));
    const Value* found = nullptr;  // the last one, as in Python
    for (const auto& [name, content] : dict->entries)
      if (const auto* text = name->as<std::string>(); text && *text == key) found = content;
    return found;
  }
  const Value& entry(const Value& value, std::string_view key, const Position& at) const {
    if (const Value* found = find(value, key, at)) return *found;
    fail(at, concat("key '", key, "' is missing"));
  }
  const std::vector<const Value*>& items(const Value& value, std::string_view key, const Position& at) const {
    const auto* list = value.as<pickled::List>();
    if (!list) fail(at, concat("'", key, "' must be a list; it is ", kind_of(value), " at byte ", value.at));
    return list->items;
  }
  std::string text(const Value& value, std::string_view key, const Position& at) const {
    const Value& found = entry(value, key, at);
    const auto* out = found.as<std::string>();
    if (!out) fail(at, concat("'", key, "' must be a text; it is ", kind_of(found), " at byte ", found.at));
    if (out->size() > 1 << 16) fail(at, concat("'", key, "' has ", out->size(), " bytes"));
    return *out;
  }
  int64_t integer(const Value& value, std::string_view key, const Position& at) const {
    if (const auto* out = value.as<int64_t>()) return *out;
    fail(at, concat("'", key, "' must hold integers; there is ", kind_of(value), " at byte ", value.at));
  }
  double real(const Value& value, const Position& at) const {
    if (const auto* number = value.as<double>()) return *number;
    return static_cast<double>(integer(value, "pos", at));
  }

  SplitAnnotation split(const Value& value, const char* name) {
    SplitAnnotation out;
    const auto& scenes = items(entry(value, "objects_img", {name}), "objects_img", {name});
    if (scenes.size() > kMostImages) fail({name}, concat(scenes.size(), " images; at most ", kMostImages, " are read"));
    for (const Value* each : scenes)
      out.objects.push_back(scene(*each, {name, "objects_img", static_cast<int64_t>(out.objects.size())}));
    read_labels(value, name, out);
    for (const Value* each : items(entry(value, "mods", {name}), "mods", {name}))
      out.edits.push_back(edit(*each, {name, "mods", static_cast<int64_t>(out.edits.size())}, out.objects.size()));
    return out;
  }

  std::vector<SceneObject> scene(const Value& value, const Position& at) {
    std::vector<SceneObject> out;
    const auto& objects = items(value, "objects_img", at);
    if (objects_ += objects.size(); objects_ > kMostObjects)
      fail(at, concat("more than ", kMostObjects, " objects in all scenes"));
    for (const Value* object : objects) {
      const auto& pos = items(entry(*object, "pos", at), "pos", at);
      if (pos.size() != 2) fail(at, concat("'pos' must be (y, x); it has ", pos.size(), " numbers"));
      out.push_back({text(*object, "color", at), text(*object, "shape", at), text(*object, "size", at),
                     real(*pos[0], at), real(*pos[1], at)});
    }
    return out;
  }

  void read_labels(const Value& value, const char* name, SplitAnnotation& out) const {
    const Value* labels = find(value, "labels", {name});
    if (!labels || labels->as<pickled::None>()) {
      for (size_t i = 0; i < out.objects.size(); ++i) out.labels.push_back(static_cast<int64_t>(i));
      return;
    }
    const auto& values = items(*labels, "labels", {name});
    if (values.size() != out.objects.size())
      fail({name}, concat(values.size(), " labels for ", out.objects.size(), " scenes"));
    for (const Value* each : values) out.labels.push_back(integer(*each, "labels", {name}));
  }

  TextEdit edit(const Value& value, const Position& at, size_t images) {
    TextEdit out{text(value, "to_str", at), {}, {}};
    for (const auto& [key, rows] : {std::pair{"from", &out.from}, std::pair{"to", &out.to}})
      for (const Value* each : items(entry(value, key, at), key, at)) {
        const int64_t image = integer(*each, key, at);
        if (image < 0 || image >= static_cast<int64_t>(images))
          fail(at, concat("'", key, "' names image ", image, "; there are ", images, ", numbered from 0"));
        if (++pairs_ > 2 * kMostPairs) fail(at, concat("more than ", kMostPairs, " pairs in all"));
        rows->push_back(image);
      }
    if (out.from.size() != out.to.size())
      fail(at, concat("'from' names ", out.from.size(), " images and 'to' ", out.to.size(), "; they go in pairs"));
    return out;
  }

  const std::string& file_;
  size_t objects_ = 0, pairs_ = 0;
};

}  // namespace

std::string annotation_bytes(const Annotation& annotation) {
  using namespace std::string_view_literals;
  PickleWriter pickle;
  pickle.raw(npy_header());
  pickle.raw(
      "\x80\x02"
      "cnumpy.core.multiarray\n_reconstruct\n"
      "cnumpy\nndarray\nK\0\x85U\x01"
      "b\x87R"
      "(K\x01)"  // the state: version, no axes, dtype, order, elements
      "cnumpy\ndtype\nU\x02O8K\0K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb\x89"sv);
  pickle.open_list();
  pickle.open_dict();
  write_split(pickle, "train", annotation.train);
  write_split(pickle, "test", annotation.test);
  pickle.close_dict();
  pickle.close_list();
  pickle.raw("tb.");
  return pickle.take();
}

Annotation parse_annotation(std::string_view bytes, const std::string& file) {
  const pickled::Pickle pickle = pickled::read(bytes, file);
  return AnnotationParser(file).parse(*pickle.root);
}

std::string picture_name(std::string_view split, size_t image) {
  char number[24];
  std::snprintf(number, sizeof number, "%06zu", image);
  return concat("css_", split, "_", std::string_view(number), ".png");
}

}  // namespace diptych::css
