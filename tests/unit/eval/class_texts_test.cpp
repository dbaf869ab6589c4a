#include "diptych/eval/class_texts.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include "diptych/core/error.h"
#include "support/tensor_near.h"

namespace diptych::testing {
namespace {

using ::testing::ElementsAre;

// Images 0, 1 of class 7, image 2 of class 3; captions of an image are not neighbours.
const std::vector<int64_t> kLabel{7, 3, 7, 7, 7, 3}, kImage{0, 2, 1, 0, 1, 2};
at::Tensor captions() {
  return torch::tensor({{1.f, 0.f}, {0.f, 2.f}, {3.f, 0.f}, {5.f, 4.f}, {7.f, 8.f}, {0.f, 6.f}});
}

TEST(ClassTexts, AreMeansOverTheCaptionsOfAClass) {
  const ClassTexts texts = class_texts(captions(), kLabel, kImage);
  EXPECT_THAT(texts.label, ElementsAre(3, 7));
  EXPECT_THAT(texts.captions, ElementsAre(2, 4));
  // Class 3: (0, (2 + 6) / 2). Class 7: ((1 + 3 + 5 + 7) / 4, (0 + 0 + 4 + 8) / 4).
  EXPECT_THAT(texts.embeddings, TensorNear(torch::tensor({{0.f, 4.f}, {4.f, 3.f}})));
}

TEST(ClassTexts, ALimitIsSpreadOverTheImages) {
  // Of class 7 the first captions of both images, rows 0 and 2; then the second ones, 3 before 4.
  const ClassTexts two = class_texts(captions(), kLabel, kImage, {2}),
                   three = class_texts(captions(), kLabel, kImage, {3});
  EXPECT_THAT(two.captions, ElementsAre(2, 2));
  EXPECT_THAT(two.embeddings[1], TensorNear(torch::tensor({2.f, 0.f})));
  EXPECT_THAT(three.captions, ElementsAre(2, 3));
  EXPECT_THAT(three.embeddings[1], TensorNear(torch::tensor({3.f, 4.f / 3})));
  EXPECT_TRUE(at::equal(class_texts(captions(), kLabel, kImage, {100}).embeddings,
                        class_texts(captions(), kLabel, kImage).embeddings));
}

TEST(ClassTexts, ListsThatDoNotFitAreRefused) {
  EXPECT_THROW(class_texts(captions(), {1, 2}, kImage), ShapeError);
  EXPECT_THROW(class_texts(captions(), kLabel, {1, 2}), ShapeError);
  EXPECT_THROW(class_texts(captions()[0], kLabel, kImage), ShapeError);
}

}  // namespace
}  // namespace diptych::testing
