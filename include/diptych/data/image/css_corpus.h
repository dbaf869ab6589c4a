#pragma once
#include <cstdint>
#include <filesystem>

#include "diptych/core/options.h"

namespace diptych {

/// The generated corpus "css": composed retrieval on scenes of coloured shapes in a 3 x 3 grid, after CSS of Vo et al.
/// (CVPR 2019) and in its layout (the reader "css"). Every scene is drawn twice: flat on white, as the code of the
/// paper draws it, and in perspective with shade and shadow. The latter is our own drawing, not CLEVR's: a rectangle
/// becomes a cube, a circle a sphere, a triangle a cone. A scene of two to six objects is changed in eight ways or
/// more, each said by a text ("add small red circle to bottom-left", "remove large yellow circle", "make blue circle a
/// triangle") that is true of one object. Shapes in the colours of the test scenes do not occur in training, all shapes
/// and all colours do.
struct CssCorpusOptions {
  int64_t train_queries = 6000;
  int64_t test_queries = 2000;
  int64_t seed = 1;
  int64_t size = 96;
  static void visit(auto& self, auto& field) {
    field("train_queries", self.train_queries, "pairs of scenes to train on; some 16000 in the paper",
          Field{.lo = 16, .hi = 200000});
    field("test_queries", self.test_queries, "pairs of scenes to test on; some 16000 in the paper",
          Field{.lo = 16, .hi = 200000});
    field("seed", self.seed, "of scenes, edits and drawing", Field{.lo = 0, .hi = 9e15});
    field("size", self.size, "height and width of a 3-D drawing, in pixels; the 2-D ones have 64",
          Field{.lo = 32, .hi = 512});
  }
};

/// Writes css_toy_dataset_novel2_small.dup.npy, images/css_SPLIT_NUMBER.png (3-D), images_2d/css_SPLIT_NUMBER.png and
/// synth.json (options and hashes) as write_shapes_corpus does: whole or not at all, equal options equal bytes with the
/// same libraries, an unchanged folder is left as it is. throws UsageError if the folder holds anything else;
/// OutputError.
void write_css_corpus(const std::filesystem::path& directory, const CssCorpusOptions& options);

}  // namespace diptych
