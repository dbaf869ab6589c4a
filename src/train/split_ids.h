#pragma once
#include <string>
#include <vector>

#include "diptych/train/encode.h"

namespace diptych {

/// Ids of the images and captions of an encoded split: "img1", "img1#0", "img1#1", ...
struct SplitIds {
  std::vector<std::string> x, y;
  std::vector<int64_t> y_image;  // row of x
};
SplitIds ids_of(const Corpus& corpus, const EncodedSplit& encoded);

}  // namespace diptych
