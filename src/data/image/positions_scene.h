#pragma once
#include <array>
#include <string>
#include <vector>

#include "data/image/shapes.h"

// The corpus of opposite positions: what is in a pair of pictures, and how it is said.
namespace diptych::shapes {

enum class Relation { left_right, above_below, inside_outside, larger_smaller };
constexpr auto enum_names(Relation) {
  return std::array{std::pair{Relation::left_right, "left_right"}, std::pair{Relation::above_below, "above_below"},
                    std::pair{Relation::inside_outside, "inside_outside"},
                    std::pair{Relation::larger_smaller, "larger_smaller"}};
}

/// A picture of two figures X and Y (in this order) and captions that are true of it.
struct PositionScene {
  std::array<Figure, 2> figures;
  std::array<std::string, 2> captions;
};
/// Two scenes of the same X and Y. In scene 0, X stands first in the relation's name to Y (left, above, inside, larger)
/// if `first_holds`, otherwise in scene 1. Caption k of scene 0 is opposite to caption k of scene 1.
struct PositionPair {
  Relation relation;
  bool first_holds;
  std::array<PositionScene, 2> scenes;
};

/// `count` pairs, relations in turn. `split` keeps the streams of the splits apart.
std::vector<PositionPair> position_pairs(int64_t count, uint64_t seed, uint64_t split);

}  // namespace diptych::shapes
