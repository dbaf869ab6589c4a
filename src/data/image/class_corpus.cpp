#include "diptych/data/image/class_corpus.h"

#include <cstdio>

#include "data/image/shapes.h"
#include "data/image/synth_folder.h"
#include "diptych/core/text.h"

namespace diptych {
namespace class_corpus {

using shapes::Colour, shapes::Shape;

constexpr int kVersion = 1;  // of the generator: raise it when the same options give other pictures or words
constexpr int kCaptions = 10;
constexpr int kShapes = std::size(enum_names(Shape{})), kColours = std::size(enum_names(Colour{}));

/// A shape in a colour, in the order of the manifest.
struct Class {
  std::string name;  // "007.green_triangle"
  Shape shape;
  Colour colour;
  const char* split;
};

/// Test and validation classes lie on diagonals of shape against colour: each shape once, four of the six colours.
std::vector<Class> all_classes() {
  std::vector<Class> classes;
  for (int shape = 0; shape < kShapes; ++shape)
    for (int colour = 0; colour < kColours; ++colour) {
      const int diagonal = (shape + colour) % kColours;
      Class each{"", static_cast<Shape>(shape), static_cast<Colour>(colour),
                 diagonal == 0   ? "test"
                 : diagonal == 1 ? "val"
                                 : "train"};
      char number[16];
      std::snprintf(number, sizeof number, "%03zu", classes.size() + 1);
      each.name = concat(number, ".", enum_text(each.colour), "_", enum_text(each.shape));
      classes.push_back(std::move(each));
    }
  return classes;
}

/// {C} colour, {S} shape, {Z} size, {P} place.
constexpr const char* kWordings[kCaptions] = {"a {C} {S}",
                                              "this {S} is {C}",
                                              "a {Z} {C} {S} {P}",
                                              "the picture shows a {S} whose colour is {C}",
                                              "{P} lies a {C} {S}",
                                              "a {S}, {C} and {Z}",
                                              "one {C} {S} on a light ground",
                                              "this one has the form of a {S} and is {C} all over",
                                              "we see a {Z} {S} in {C}",
                                              "a {C} shape, which is a {S}, {P}"};

std::string say(std::string_view wording, const shapes::Object& object) {
  constexpr const char* kPlaces[] = {"on the left", "on the right", "at the top", "at the bottom", "in the centre"};
  std::string out;
  for (size_t i = 0; i < wording.size(); ++i) {
    if (wording[i] != '{') {
      out += wording[i];
      continue;
    }
    const char what = wording[i + 1];
    out += what == 'C'   ? std::string(enum_text(object.colour))
           : what == 'S' ? std::string(enum_text(object.shape))
           : what == 'Z' ? std::string(object.is_large ? "large" : "small")
                         : std::string(kPlaces[static_cast<size_t>(object.place)]);
    i += 2;
  }
  return out;
}

std::string captions_text(const shapes::Object& object, Random random) {
  std::string out;
  for (const int64_t i : permutation(kCaptions, random)) out += say(kWordings[i], object) + "\n";
  return out;
}

void write_lists(const std::vector<Class>& classes, const FileSink& sink) {
  std::string manifest, train, val, both, test;
  for (size_t i = 0; i < classes.size(); ++i) {
    const std::string_view split = classes[i].split;
    const std::string line = concat(i + 1, "\n");  // numbers for training, names for testing, as in the release
    manifest += classes[i].name + "\n";
    if (split == "test") test += classes[i].name + "\n";
    if (split == "train") train += line;
    if (split == "val") val += line;
    if (split != "test") both += line;
  }
  sink("manifest.txt", manifest), sink("trainids.txt", train), sink("valids.txt", val);
  sink("trainvalids.txt", both), sink("testclasses.txt", test);
}

void write_pictures(const std::vector<Class>& classes, const ClassCorpusOptions& options, const FileSink& sink) {
  const auto seed = static_cast<uint64_t>(options.seed), synth = static_cast<uint64_t>(Stream::synth);
  for (size_t c = 0; c < classes.size(); ++c)
    for (int64_t i = 0; i < options.images; ++i) {
      const uint64_t stream = c * 1000003 + static_cast<uint64_t>(i);
      Random random(seed, {synth, 30, stream});
      const shapes::Object object{classes[c].shape, classes[c].colour, random.chance(0.5),
                                  static_cast<shapes::Place>(random.below(5))};
      const std::string file =
          concat(classes[c].name, "/", synth_id(classes[c].name.c_str() + 4, static_cast<size_t>(i)));
      sink("text_c10/" + file + ".txt", captions_text(object, Random(seed, {synth, 31, stream})));
      sink("images/" + file + ".jpg", shapes::draw({object}, options.size, Random(seed, {synth, 32, stream})).jpeg);
    }
}

}  // namespace class_corpus

void write_class_corpus(const std::filesystem::path& directory, const ClassCorpusOptions& options) {
  Json marker = {{"generator", "classes"}, {"version", class_corpus::kVersion}};
  for (const Row& row : rows_of(options)) marker[row.key] = *parse_integer(row.value);
  write_synth_files(directory, marker, [&](const FileSink& sink) {
    const auto classes = class_corpus::all_classes();
    class_corpus::write_lists(classes, sink);
    class_corpus::write_pictures(classes, options, sink);
  });
}

}  // namespace diptych
