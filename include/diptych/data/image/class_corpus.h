#pragma once
#include <cstdint>
#include <filesystem>

#include "diptych/core/options.h"

namespace diptych {

/// The generated corpus "classes": 24 classes of pictures, one for each shape in each colour, in the layout of Reed et
/// al. (CVPR 2016; the reader "reed"): 16 classes to train on, 4 to validate and 4 to test. Every shape and every
/// colour occurs in training, but no test class does: who reads and sees shapes and colours apart reaches 100 % under
/// the protocol "class-zeroshot". Pictures of a class differ in size, place and shade; every caption says colour and
/// shape.
struct ClassCorpusOptions {
  int64_t images = 40;
  int64_t seed = 1;
  int64_t size = 64;
  static void visit(auto& self, auto& field) {
    field("images", self.images, "pictures of each class", Field{.lo = 1, .hi = 10000});
    field("seed", self.seed, "of drawing and wording", Field{.lo = 0, .hi = 9e15});
    field("size", self.size, "height and width of a picture, in pixels", Field{.lo = 32, .hi = 1024});
  }
};

/// Writes manifest.txt, trainids.txt, valids.txt, trainvalids.txt, testclasses.txt, images/CLASS/NAME.jpg,
/// text_c10/CLASS/NAME.txt (ten captions) and synth.json (options and hashes) as write_shapes_corpus does: whole or not
/// at all, equal options equal bytes with the same JPEG library, an unchanged folder is left as it is.
/// throws UsageError if the folder holds anything else; OutputError.
void write_class_corpus(const std::filesystem::path& directory, const ClassCorpusOptions& options);

}  // namespace diptych
