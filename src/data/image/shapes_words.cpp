#include "data/image/shapes.h"

namespace diptych::shapes {
namespace words {

std::string place_phrase(Place place, Random& random) {
  const auto one_of = [&](const char* a, const char* b) { return std::string(random.chance(0.5) ? a : b); };
  switch (place) {
    case Place::left:
      return one_of("on the left", "at the left side");
    case Place::right:
      return one_of("on the right", "at the right side");
    case Place::top:
      return one_of("at the top", "in the upper part");
    case Place::bottom:
      return one_of("at the bottom", "in the lower part");
    case Place::centre:
      return one_of("in the centre", "in the middle");
  }
  return "";
}

std::string object_phrase(const Object& object, Random& random) {
  const bool common = random.chance(0.5);
  const char* size = object.is_large ? (common ? "large" : "big") : (common ? "small" : "little");
  return concat("a ", size, " ", enum_text(object.colour), " ", enum_text(object.shape));
}

struct Wording {
  const char* beginning;
  bool place_first, reversed;
};
constexpr Wording kWordings[] = {{"", false, false}, {"there is ", false, false},
                                 {"", true, false},  {"we see ", false, true},
                                 {"", true, true},   {"a picture with ", false, true}};

// "there is a small red circle on the left and a big blue square on the right"
std::string caption(const Scene& scene, const Wording& wording, Random& random) {
  std::string text = wording.beginning;
  for (size_t i = 0; i < scene.size(); ++i) {
    const Object& object = scene[wording.reversed ? scene.size() - 1 - i : i];
    if (i > 0) text += i + 1 == scene.size() ? " and " : ", ";
    const std::string what = object_phrase(object, random), where = place_phrase(object.place, random);
    text += wording.place_first ? where + " " + what : what + " " + where;
  }
  return text;
}

}  // namespace words

std::vector<std::string> captions_of(const Scene& scene, int64_t count, Random random) {
  const auto order = permutation(std::size(words::kWordings), Random(random.next()));
  std::vector<std::string> captions;
  for (int64_t i = 0; i < count; ++i)
    captions.push_back(words::caption(scene, words::kWordings[order[i % std::ssize(order)]], random));
  return captions;
}

}  // namespace diptych::shapes
