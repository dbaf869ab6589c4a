#include <algorithm>

#include "data/image/shapes.h"

namespace diptych::shapes {
namespace scenes {

constexpr uint64_t kShapes = 4, kColours = 6, kPlaces = 5, kSizes = 2, kSingles = kShapes * kColours * kPlaces * kSizes;
constexpr double kShareOfSingles = 0.25, kShareOfPairs = 0.45;

Object single(uint64_t number) {
  const uint64_t size = number / (kShapes * kColours * kPlaces);
  return {static_cast<Shape>(number % kShapes), static_cast<Colour>(number / kShapes % kColours), size == 1,
          static_cast<Place>(number / (kShapes * kColours) % kPlaces)};
}

Scene several(size_t count, Random& random) {
  static const std::vector<Place> layouts[] = {{Place::left, Place::right},
                                               {Place::top, Place::bottom},
                                               {Place::left, Place::centre, Place::right},
                                               {Place::top, Place::centre, Place::bottom}};
  const auto& places = layouts[2 * (count - 2) + random.below(2)];
  const auto colours = permutation(kColours, Random(random.next()));
  Scene scene;
  for (size_t i = 0; i < count; ++i)
    scene.push_back(
        {static_cast<Shape>(random.below(kShapes)), static_cast<Colour>(colours[i]), random.chance(0.5), places[i]});
  return scene;
}

size_t object_count(Random& random) {
  const double u = random.uniform();
  return u < kShareOfSingles ? 1 : u < kShareOfSingles + kShareOfPairs ? 2 : 3;
}

// Words that are in one description and not in the other, counted without their order.
int64_t different_words(const Scene& a, const Scene& b) {
  int64_t count[kShapes + kColours + kSizes + kPlaces] = {};
  const auto add = [&](const Scene& scene, int64_t by) {
    for (const Object& each : scene) {
      count[static_cast<size_t>(each.shape)] += by;
      count[kShapes + static_cast<size_t>(each.colour)] += by;
      count[kShapes + kColours + each.is_large] += by;
      count[kShapes + kColours + kSizes + static_cast<size_t>(each.place)] += by;
    }
  };
  add(a, 1), add(b, -1);
  int64_t words = 0;
  for (const int64_t each : count) words += std::max<int64_t>(each, 0);
  return words;
}

// Attributes that differ, object by object.
int64_t different_attributes(const Scene& a, const Scene& b) {
  int64_t count = 0;
  for (size_t i = 0; i < a.size(); ++i)
    count += (a[i].shape != b[i].shape) + (a[i].colour != b[i].colour) + (a[i].is_large != b[i].is_large) +
             (a[i].place != b[i].place);
  return count;
}

// One attribute, such as the shape of a small object, must not decide alone, and neither must the order of the words:
// the corpus is to tell working models from broken ones, not good ones from better ones. `ease` lowers the requirement.
bool can_stand_beside(const Scene& a, const Scene& b, int64_t ease) {
  if (a.size() != b.size()) return true;
  constexpr int64_t kLeast[] = {2, 3, 5};  // differing attributes, by the number of objects
  return different_attributes(a, b) >= std::max<int64_t>(1, kLeast[a.size() - 1] - ease) && different_words(a, b) >= 1;
}

}  // namespace scenes

std::vector<Scene> training_scenes(int64_t count, uint64_t seed) {
  using namespace scenes;
  Random random(seed, {static_cast<uint64_t>(Stream::synth), 0});
  std::vector<Scene> out;
  std::vector<int64_t> singles;
  for (int64_t i = 0; i < count; ++i) {
    const size_t objects = object_count(random);
    if (objects > 1) {
      out.push_back(several(objects, random));
      continue;
    }
    if (singles.empty()) singles = permutation(kSingles, Random(random.next()));
    out.push_back({single(static_cast<uint64_t>(singles.back()))});
    singles.pop_back();
  }
  return out;
}

std::vector<Scene> distinct_scenes(int64_t count, uint64_t seed, uint64_t split) {
  using namespace scenes;
  Random random(seed, {static_cast<uint64_t>(Stream::synth), split});
  std::vector<Scene> out;
  constexpr int64_t kTries = 5000, kMostEase = 4;  // tries in a row without a new description
  for (int64_t tries = 0, ease = 0; static_cast<int64_t>(out.size()) < count; ++tries) {
    if (tries > kTries) tries = 0, ++ease;
    if (ease > kMostEase)
      throw UsageError("shapes",
                       concat("only ", out.size(), " different descriptions were found; ", count, " are needed"),
                       "fewer val_images or test_images");
    const size_t objects = object_count(random);
    const Scene scene = objects == 1 ? Scene{single(random.below(kSingles))} : several(objects, random);
    const auto fits = [&](const Scene& other) { return can_stand_beside(scene, other, ease); };
    if (!std::all_of(out.begin(), out.end(), fits)) continue;
    out.push_back(scene);
    tries = 0;
  }
  return out;
}

}  // namespace diptych::shapes
