#include "data/image/positions_scene.h"

#include <cmath>

#include "diptych/core/text.h"

namespace diptych::shapes {
namespace positions {

constexpr uint64_t kShapes = 4, kFrameShapes = 3, kColours = 6;  // a cross is no frame
constexpr double kMargin = 0.11;
constexpr double kSmall = 0.065, kLarge = 0.085;                               // radii where size does not matter
constexpr double kNear = 0.2, kFar = 0.24, kAside = 0.06;                      // distance of neighbours
constexpr double kLeastRadius = 0.04, kMostRadius = 0.1, kGrowth = 1.6;        // larger_smaller
constexpr double kInner = 0.05, kFrame = 0.18, kApart = 0.325, kSlack = 0.01;  // inside_outside

struct Kind {
  Shape shape;
  Colour colour;
};

/// Runs through all combinations of an X and a Y of another colour, so that in every block of shapes * 6 pairs each
/// kind is X once and Y once: Y is X with its shape and its colour moved on, by other amounts in every block.
class Combinations {
 public:
  Combinations(uint64_t shapes, Random random) : shapes_(shapes), random_(random) {}
  std::array<Kind, 2> next() {
    if (kinds_.empty()) begin_block();
    const auto x = static_cast<uint64_t>(kinds_.back());
    kinds_.pop_back();
    const uint64_t shape = x % shapes_, colour = x / shapes_;
    return {{{static_cast<Shape>(shape), static_cast<Colour>(colour)},
             {static_cast<Shape>((shape + moved_shape_) % shapes_),
              static_cast<Colour>((colour + moved_colour_) % kColours)}}};
  }

 private:
  void begin_block() {
    if (moves_.empty()) moves_ = permutation(static_cast<int64_t>(shapes_ * (kColours - 1)), Random(random_.next()));
    const auto move = static_cast<uint64_t>(moves_.back());
    moves_.pop_back();
    moved_shape_ = move % shapes_, moved_colour_ = 1 + move / shapes_;
    kinds_ = permutation(static_cast<int64_t>(shapes_ * kColours), Random(random_.next()));
  }

  uint64_t shapes_, moved_shape_ = 0, moved_colour_ = 0;
  Random random_;
  std::vector<int64_t> moves_, kinds_;
};

struct Place {
  double x, y;
};
double distance(const Place& a, const Place& b) { return std::hypot(a.x - b.x, a.y - b.y); }

Figure figure_at(const Kind& kind, const Place& place, double radius, bool is_frame = false) {
  return {kind.shape, kind.colour, place.x, place.y, radius, is_frame};
}
Place anywhere(double margin, Random& random) {
  const double x = random.uniform(margin, 1 - margin);
  return {x, random.uniform(margin, 1 - margin)};
}

using Figures = std::array<Figure, 2>;  // X, Y
/// The figures for which the relation's first word holds, and those for which the second does.
using Opposites = std::array<Figures, 2>;

// X and Y in two places side by side, or one above the other.
Opposites neighbours(const std::array<Kind, 2>& kinds, bool upright, Random& random) {
  const double gap = random.uniform(kNear, kFar), aside = random.uniform(-kAside, kAside);
  const double along = random.uniform(kMargin, 1 - kMargin - gap);
  const double across = random.uniform(kMargin + kAside, 1 - kMargin - kAside);
  const auto place = [&](double far, double side) { return upright ? Place{side, far} : Place{far, side}; };
  const Place first = place(along, across), second = place(along + gap, across + aside);
  const double x = random.chance(0.5) ? kSmall : kLarge, y = random.chance(0.5) ? kSmall : kLarge;
  return {{{figure_at(kinds[0], first, x), figure_at(kinds[1], second, y)},
           {figure_at(kinds[0], second, x), figure_at(kinds[1], first, y)}}};
}

/// Factor on the radius by which all shapes look equally large.
double size_factor(Shape shape) { return shape == Shape::triangle ? 1.15 : shape == Shape::cross ? 1.1 : 1; }

Opposites sizes(const std::array<Kind, 2>& kinds, Random& random) {
  const double small = kLeastRadius * std::pow(kMostRadius / kLeastRadius, random.uniform()), large = small * kGrowth;
  const double x = size_factor(kinds[0].shape), y = size_factor(kinds[1].shape);
  constexpr double kReach = 1.15 * 1.15;  // of the largest shape, the triangle, in radii
  const double needed = (large + small) * kReach + 0.03, margin = large * kReach + 0.01;
  Place first = anywhere(margin, random), second = anywhere(margin, random);
  while (distance(first, second) < needed) first = anywhere(margin, random), second = anywhere(margin, random);
  return {{{figure_at(kinds[0], first, large * x), figure_at(kinds[1], second, small * y)},
           {figure_at(kinds[0], first, small * x), figure_at(kinds[1], second, large * y)}}};
}

// A frame Y around X, and the same with one of the two elsewhere.
Opposites nesting(const std::array<Kind, 2>& kinds, Random& random) {
  constexpr double kEdge = 0.235;
  Place here = anywhere(kEdge, random), there = anywhere(kEdge, random);
  while (distance(here, there) < kApart) here = anywhere(kEdge, random), there = anywhere(kEdge, random);
  const double dx = random.uniform(-kSlack, kSlack), dy = random.uniform(-kSlack, kSlack);
  const auto inner = [&](const Place& place) { return figure_at(kinds[0], {place.x + dx, place.y + dy}, kInner); };
  const auto frame = [&](const Place& place) { return figure_at(kinds[1], place, kFrame, /*is_frame=*/true); };
  if (random.chance(0.5)) return {{{inner(here), frame(here)}, {inner(there), frame(here)}}};
  return {{{inner(here), frame(here)}, {inner(here), frame(there)}}};
}

std::string name_of(const Figure& figure) {
  return concat("a ", enum_text(figure.colour), " ", enum_text(figure.shape));
}

/// "X <first> Y", or its opposite "X <second> Y"; the same is said by "Y <second> X" and "Y <first> X".
std::array<std::string, 2> words_of(Relation relation) {
  switch (relation) {
    case Relation::left_right:
      return {"to the left of", "to the right of"};
    case Relation::above_below:
      return {"above", "below"};
    case Relation::larger_smaller:
      return {"larger than", "smaller than"};
    case Relation::inside_outside:
      break;
  }
  return {"inside", "outside"};
}

/// Captions 0 and 1 of the scene where the first word holds, then of the other.
using Said = std::array<std::array<std::string, 2>, 2>;

Said exchanging(Relation relation, const Figures& figures, Random& random) {
  const std::string x = name_of(figures[0]), y = name_of(figures[1]);
  const auto [first, second] = words_of(relation);
  const auto says = [](const std::string& a, const std::string& word, const std::string& b) {
    return concat(a, " ", word, " ", b);
  };
  std::array<std::string, 2> holds = {says(x, first, y), says(y, second, x)};
  std::array<std::string, 2> opposite = {says(x, second, y), says(y, first, x)};  // another word, the same names
  if (random.chance(0.5)) std::swap(opposite[0], opposite[1]);                    // the same word, names exchanged
  if (random.chance(0.5)) std::swap(holds[0], holds[1]), std::swap(opposite[0], opposite[1]);
  return {holds, opposite};
}

Said of_frames(const Figures& figures, Random& random) {
  const std::string x = name_of(figures[0]), y = name_of(figures[1]);
  const auto says = [&](const char* word) {
    return std::array{concat(x, " ", word, " ", y), concat(y, " with ", x, " ", word, " it")};
  };
  Said said = {says("inside"), says("outside")};
  if (random.chance(0.5))
    for (auto& each : said) std::swap(each[0], each[1]);
  return said;
}

Opposites drawn(Relation relation, const std::array<Kind, 2>& kinds, Random& random) {
  switch (relation) {
    case Relation::left_right:
      return neighbours(kinds, false, random);
    case Relation::above_below:
      return neighbours(kinds, true, random);
    case Relation::larger_smaller:
      return sizes(kinds, random);
    case Relation::inside_outside:
      break;
  }
  return nesting(kinds, random);
}

PositionPair pair_of(Relation relation, const std::array<Kind, 2>& kinds, Random& random) {
  const Opposites figures = drawn(relation, kinds, random);
  const Said said =
      relation == Relation::inside_outside ? of_frames(figures[0], random) : exchanging(relation, figures[0], random);
  const bool first_holds = random.chance(0.5);
  const size_t a = first_holds ? 0 : 1;
  return {relation, first_holds, {{{figures[a], said[a]}, {figures[1 - a], said[1 - a]}}}};
}

}  // namespace positions

std::vector<PositionPair> position_pairs(int64_t count, uint64_t seed, uint64_t split) {
  using namespace positions;
  const auto stream = [&](uint64_t what) {
    return Random(seed, {static_cast<uint64_t>(Stream::synth), 20, split, what});
  };
  constexpr auto relations = enum_names(Relation{});
  std::vector<Combinations> kinds;
  for (const auto& [relation, name] : relations)
    kinds.emplace_back(relation == Relation::inside_outside ? kFrameShapes : kShapes,
                       stream(1 + static_cast<uint64_t>(relation)));
  Random random = stream(0);
  std::vector<PositionPair> pairs;
  for (int64_t i = 0; i < count; ++i) {
    const size_t which = static_cast<size_t>(i) % relations.size();
    pairs.push_back(pair_of(relations[which].first, kinds[which].next(), random));
  }
  return pairs;
}

}  // namespace diptych::shapes
