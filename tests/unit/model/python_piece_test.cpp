#include "diptych/model/python_piece.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "diptych/model/head.h"
#include "diptych/model/image_encoder.h"
#include "diptych/model/scorer.h"
#include "diptych/model/text_encoder.h"

namespace diptych {
namespace {

template <class R, class... Context>
void expect_python_forms(const R& registry, const Context&... context) {
  for (const std::string& name : registry.names()) {
    if (name == "resnet101" || name == "resnet152") continue;         // resnet50 with more blocks, and slow to make
    if (name == "vgg19") continue;                                    // vgg16 with more layers, and large
    if (name == "sm_lstm" || name == "similarity_network") continue;  // compare pairs: no embeddings to export
    if (name == "artemis") continue;                                  // of composed queries, which are not exported
    if (name == "features") continue;                                 // needs a file: feature_input_test.cpp
    const auto form = std::dynamic_pointer_cast<PythonForm>(registry.make_default(name, context...));
    ASSERT_TRUE(form) << name << " cannot be exported";
    EXPECT_FALSE(form->python().expression.empty()) << name;
  }
}

// That the pieces compute the same is tested with the exported module (train/export_test.cpp).
TEST(PythonForm, IsThereForEveryRegisteredComponent) {
  ImageEncoderRegistry images("image_encoder");
  register_image_encoders(images);
  expect_python_forms(images);
  TextEncoderRegistry texts("text_encoder");
  register_text_encoders(texts);
  expect_python_forms(texts, TextContext{5, {}});
  HeadRegistry heads("head");
  register_heads(heads);
  expect_python_forms(heads, HeadContext{4});
  ScorerRegistry scorers("scorer");
  register_scorers(scorers);
  expect_python_forms(scorers, ScorerContext{8, 1, 1});
}

}  // namespace
}  // namespace diptych
