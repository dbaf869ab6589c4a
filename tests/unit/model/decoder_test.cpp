#include "diptych/model/decoder.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "diptych/core/error.h"

namespace diptych {
namespace {

TEST(PictureDecoder, GivesColoursOfThePictureSize) {
  torch::manual_seed(1);
  PictureDecoder decoder(6, 32, 8);
  const at::Tensor out = decoder.forward(at::randn({3, 6}));
  EXPECT_EQ(out.sizes(), (std::vector<int64_t>{3, 3, 32, 32}));
  EXPECT_GT(out.min().item<float>(), 0);
  EXPECT_LT(out.max().item<float>(), 1);
}

TEST(PictureDecoder, TheLengthOfAnEmbeddingDoesNotMatter) {
  torch::manual_seed(2);
  PictureDecoder decoder(5, 8, 8);
  decoder.eval();
  const at::Tensor x = at::randn({4, 5});
  EXPECT_TRUE(at::allclose(decoder.forward(x), decoder.forward(7 * x), 1e-4, 1e-5));
  EXPECT_FALSE(at::allclose(decoder.forward(x), decoder.forward(-x), 1e-4, 1e-5));
}

TEST(PictureDecoder, LearnsTwoPictures) {
  torch::manual_seed(3);
  PictureDecoder decoder(2, 8, 16);
  torch::optim::Adam adam(decoder.parameters(), torch::optim::AdamOptions(1e-2));
  const at::Tensor x = at::eye(2);
  const at::Tensor wanted = torch::tensor({0.2f, 0.8f}).view({2, 1, 1, 1}).expand({2, 3, 8, 8});
  const auto error = [&] { return (decoder.forward(x) - wanted).square().mean(); };
  const double before = error().item<double>();
  for (int step = 0; step < 60; ++step) {
    adam.zero_grad();
    error().backward();
    adam.step();
  }
  EXPECT_LT(error().item<double>(), 0.25 * before);
}

TEST(PictureDecoder, RefusesSizesThatItCannotMake) {
  for (const int64_t size : {0, 4, 48, 512}) EXPECT_THROW(PictureDecoder(4, size), UsageError) << size;
  EXPECT_THROW(PictureDecoder(0, 8), UsageError);
  EXPECT_THROW(PictureDecoder(4, 8).forward(at::zeros({2, 3})), ShapeError);
}

}  // namespace
}  // namespace diptych
