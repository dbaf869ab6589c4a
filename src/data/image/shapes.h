#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "diptych/core/io/json.h"
#include "diptych/core/random.h"
#include "diptych/data/image/synth.h"

// The generated corpus in three steps: what is in a picture (Scene), how it is said, how it is drawn.
namespace diptych::shapes {

enum class Place { left, right, top, bottom, centre };
constexpr auto enum_names(Place) {
  return std::array{std::pair{Place::left, "left"}, std::pair{Place::right, "right"}, std::pair{Place::top, "top"},
                    std::pair{Place::bottom, "bottom"}, std::pair{Place::centre, "centre"}};
}
enum class Shape { circle, square, triangle, cross };
constexpr auto enum_names(Shape) {
  return std::array{std::pair{Shape::circle, "circle"}, std::pair{Shape::square, "square"},
                    std::pair{Shape::triangle, "triangle"}, std::pair{Shape::cross, "cross"}};
}
enum class Colour { red, green, blue, yellow, purple, black };
constexpr auto enum_names(Colour) {
  return std::array{std::pair{Colour::red, "red"},       std::pair{Colour::green, "green"},
                    std::pair{Colour::blue, "blue"},     std::pair{Colour::yellow, "yellow"},
                    std::pair{Colour::purple, "purple"}, std::pair{Colour::black, "black"}};
}

struct Object {
  Shape shape;
  Colour colour;
  bool is_large;
  Place place;
  bool operator==(const Object&) const = default;
};
/// One object anywhere, or two or three of different colours in a row or a column (left, centre, right; top, ...).
using Scene = std::vector<Object>;

/// Training scenes: singles go through all 240 combinations again and again, the others are drawn at random.
std::vector<Scene> training_scenes(int64_t count, uint64_t seed);
/// Scenes for evaluation: any two differ in their words, the order of the words aside, and in as many attributes as can
/// be had for `count` scenes: up to two for single objects, three for pairs, five for three objects. throws UsageError
/// if `count` cannot be found.
std::vector<Scene> distinct_scenes(int64_t count, uint64_t seed, uint64_t split);

/// `count` captions of different wording, each stating everything.
std::vector<std::string> captions_of(const Scene& scene, int64_t count, Random random);

/// A shape anywhere, as large as one likes. Lengths and places are shares of the picture's side, from its upper left
/// corner; a frame is drawn as an outline.
struct Figure {
  Shape shape;
  Colour colour;
  double x, y, radius;
  bool is_frame;
};
constexpr double kFrameThickness = 0.035;
struct Box {
  double left, top, right, bottom;
};
/// What the figure covers.
Box box_of(const Figure& figure);
/// What set.jsonl says of it: [left, top, right, bottom], to four decimals.
Json box_json(const Figure& figure);
/// Equal streams draw equal grounds and equal colours, figure by figure.
std::string draw_jpeg(const std::vector<Figure>& figures, int64_t size, Random random);

/// A scene as it was drawn: every object a little displaced, a little larger or smaller than its words say.
struct Drawing {
  std::string jpeg;
  std::vector<Figure> figures;  // one an object
};
Drawing draw(const Scene& scene, int64_t size, Random random);

}  // namespace diptych::shapes
