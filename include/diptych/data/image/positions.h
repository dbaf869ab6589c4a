#pragma once
#include <cstdint>
#include <filesystem>

#include "diptych/core/options.h"

namespace diptych {

/// The generated corpus "positions": pairs of pictures of two coloured shapes that differ only in how the two lie, and
/// captions that differ only in saying so. Does a network that was trained on objects know where things are?
///
///   left_right      X to the left of Y      | X to the right of Y       the two places are exchanged
///   above_below     X above Y               | X below Y                 the two places are exchanged
///   larger_smaller  X larger than Y         | X smaller than Y          the two sizes are exchanged, the places stay
///   inside_outside  X inside Y              | X outside Y               a frame Y; one of the two moves away
///
/// Every picture has two captions, caption k of one picture being opposite to caption k of its partner: either the two
/// names are exchanged, so that both captions hold the same words, or the word of the relation is; for inside and
/// outside always the latter. Each relation takes a quarter of the pairs; within a relation every shape in every colour
/// is as often X as Y.
///
/// What tells nothing about the relation: the partners have the same shapes, colours, ground, noise, number of words
/// and, except for larger_smaller, sizes; where places or sizes are exchanged, the middle of both shapes is the same.
/// The place or the size of one shape cannot tell nothing (what stands left is further left on average), but tells
/// little: pairs lie anywhere and sizes vary, so that it is right in about three of four cases.
struct PositionsOptions {
  int64_t images = 4000;
  int64_t val_images = 480;
  int64_t test_images = 960;
  int64_t seed = 1;
  int64_t size = 96;
  bool shuffled = false;
  static void visit(auto& self, auto& field) {
    field("images", self.images, "training pictures, two a pair", Field{.lo = 8, .hi = 1e6});
    field("val_images", self.val_images, "validation pictures", Field{.lo = 8, .hi = 1e5});
    field("test_images", self.test_images, "test pictures", Field{.lo = 8, .hi = 1e5});
    field("seed", self.seed, "of scenes, drawing and wording", Field{.lo = 0, .hi = 9e15});
    field("size", self.size, "height and width of a picture, in pixels", Field{.lo = 48, .hi = 1024});
    field("shuffled", self.shuffled,
          "a control: in half of the training pairs, chosen at random, the partners' captions are exchanged, so that "
          "nothing can be learnt about relations and every model must stay at chance");
  }
};

/// Writes `directory`/set.jsonl, images/*.jpg and synth.json as write_shapes_corpus does. A line's meta holds "pair"
/// and "relation", which the reader "jsonl" reads and the protocol "positions" needs, and "objects": what is drawn,
/// each with its "box" [left, top, right, bottom] in shares of the side. throws UsageError if a number of pictures is
/// no multiple of 8 (two a pair, four relations), or the folder holds anything else; OutputError.
void write_positions_corpus(const std::filesystem::path& directory, const PositionsOptions& options);

}  // namespace diptych
