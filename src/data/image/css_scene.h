#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "diptych/core/options.h"
#include "diptych/core/random.h"

// The generated corpus "css": what is in a scene, and how a text changes it.
namespace diptych::css {

enum class Colour { gray, red, blue, green, brown, purple, cyan, yellow };
constexpr auto enum_names(Colour) {
  return std::array{std::pair{Colour::gray, "gray"},   std::pair{Colour::red, "red"},
                    std::pair{Colour::blue, "blue"},   std::pair{Colour::green, "green"},
                    std::pair{Colour::brown, "brown"}, std::pair{Colour::purple, "purple"},
                    std::pair{Colour::cyan, "cyan"},   std::pair{Colour::yellow, "yellow"}};
}
enum class Shape { rectangle, circle, triangle };
constexpr auto enum_names(Shape) {
  return std::array{std::pair{Shape::rectangle, "rectangle"}, std::pair{Shape::circle, "circle"},
                    std::pair{Shape::triangle, "triangle"}};
}
constexpr int kCells = 9;  // of the grid, row by row from the top left
constexpr int kSide = 3;

struct Object {
  Colour colour;
  Shape shape;
  bool is_large;
  int cell;
  double y = 0, x = 0;  // of its centre, shares of the picture; drawn a little beside the cell's centre
  /// The same thing in the same cell; where in the cell does not count.
  bool is_like(const Object& other) const {
    return colour == other.colour && shape == other.shape && is_large == other.is_large && cell == other.cell;
  }
};
/// At most one object a cell.
using Scene = std::vector<Object>;

enum class Part { train, test };

/// Shapes in colours: twelve of the 24 combinations belong to training, the others to testing. Every shape and every
/// colour occurs in both, and in both there are shapes that share a colour.
bool belongs_to(Part part, Shape shape, Colour colour);

/// What describes a scene, the order of objects and places inside cells aside: equal for duplicates.
std::string key_of(const Scene& scene);

/// `before` becomes `after`; nothing becomes something (add), something nothing (remove).
struct Edit {
  enum class Action { add, remove, colour, shape, size } action;
  Object before, after;
  std::string text;
};
/// An edit whose text names one object of `scene` and whose result holds combinations of `part` only.
Edit draw_edit(const Scene& scene, Part part, Random& random);
Scene apply(const Edit& edit, const Scene& scene);

struct SceneQuery {
  int64_t from, to;  // scenes
  std::string text;
};
struct SceneSet {
  std::vector<Scene> scenes;
  std::vector<int64_t> labels;  // one a scene: the first scene with the same key
  std::vector<SceneQuery> queries;
};
/// Scenes, each followed by what eight or more edits make of it, until there are `queries` edits. The results of one
/// scene differ from it and from one another. `queries` is at least 1.
SceneSet make_scenes(int64_t queries, Part part, uint64_t seed);

}  // namespace diptych::css
