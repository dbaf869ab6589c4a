#pragma once
#include <cstdint>
#include <filesystem>

#include "diptych/core/options.h"

namespace diptych {

/// The generated corpus "shapes": one to three coloured shapes on a light ground, and captions that state size, colour,
/// shape and place of each. A caption describes its image and no other image of val or of test, so that a model which
/// sees and reads reaches R@1 = 100 %. The pictures must not be mirrored: left and right are words of the captions.
struct ShapesOptions {
  int64_t images = 3000;
  int64_t val_images = 200;
  int64_t test_images = 200;
  int64_t seed = 1;
  int64_t size = 64;
  int64_t captions = 3;
  static void visit(auto& self, auto& field) {
    field("images", self.images, "training pictures", Field{.lo = 1, .hi = 1e6});
    field("val_images", self.val_images, "validation pictures, all with different descriptions",
          Field{.lo = 1, .hi = 500});
    field("test_images", self.test_images, "test pictures, all with different descriptions", Field{.lo = 1, .hi = 500});
    field("seed", self.seed, "of scenes, drawing and wording", Field{.lo = 0, .hi = 9e15});
    field("size", self.size, "height and width of a picture, in pixels", Field{.lo = 32, .hi = 1024});
    field("captions", self.captions, "captions of a picture, each worded in its own way", Field{.lo = 1, .hi = 6});
  }
};

/// Writes `directory`/set.jsonl (the native format, see the reader "jsonl"; meta.objects says what is drawn),
/// images/*.jpg and synth.json (options and hashes). The same options give the same scenes and captions everywhere, and
/// the same bytes with the same JPEG library. The folder appears whole or not at all. A folder that holds this very
/// corpus, unchanged, is left as it is: repeating is quick. throws UsageError if the folder holds anything else, or if
/// there are not so many different descriptions; OutputError.
void write_shapes_corpus(const std::filesystem::path& directory, const ShapesOptions& options);

}  // namespace diptych
