#include "diptych/data/image/encode_image.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "diptych/core/error.h"
#include "diptych/data/image/pipeline.h"
#include "support/temp_dir.h"

namespace diptych {
namespace {

TEST(EncodePng, DecodesToTheSamePixels) {
  const at::Tensor image = (torch::arange(4 * 5 * 3) * 4).view({4, 5, 3}).to(at::kByte);
  const testing::TempDir dir;
  EXPECT_TRUE(at::equal(decode_image(dir.write("a.png", encode_png(image)), ImageOptions{}), image));
}

TEST(EncodePng, OtherTensorsAreRefused) {
  EXPECT_THROW(encode_png(torch::zeros({4, 5, 3})), ShapeError);
  EXPECT_THROW(encode_png(torch::zeros({3, 4, 5}, at::kByte)), ShapeError);
  EXPECT_THROW(encode_png(torch::zeros({0, 5, 3}, at::kByte)), ShapeError);
}

}  // namespace
}  // namespace diptych
