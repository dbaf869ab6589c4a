#include "model/text_cnn.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include "../../support/tensor_near.h"
#include "diptych/core/tensor/safetensors.h"
#include "text_encoder_fixture.h"

namespace diptych::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

// Each caption alone in PyTorch: values and every parameter's gradient.
TEST(TextCnn, EqualsThePythonReferenceInFloat64) {
  const TensorFile golden = read_safetensors(std::string(DIPTYCH_GOLDEN_DIR) + "/text_encoders.safetensors");
  const auto encoder = filled_encoder("{type: text_cnn, word_dim: 5, filters: 3}");
  const at::Tensor out = encoder->forward(tokens(), lengths()).global;
  EXPECT_THAT(out, TensorNear(golden.tensors.at("text_cnn.global")));
  (out * formula_centred(out.sizes(), 98)).sum().backward();
  EXPECT_EQ(encoder->named_parameters().size(), 9u);
  for (const auto& each : encoder->named_parameters()) {
    SCOPED_TRACE(each.key());
    EXPECT_THAT(each.value().grad(), TensorNear(golden.tensors.at("text_cnn.grad." + each.key()), 1e-9, 1e-12));
  }
}

TEST(TextCnn, AKernelOfThreeSeesAWordAndItsNeighbours) {
  const auto encoder = filled_encoder("{type: text_cnn, word_dim: 2, filters: 4, kernels: [3]}");
  encoder->want_local(true);
  at::Tensor changed = tokens();
  changed[0][2] = 8;
  const at::Tensor change =
      (encoder->forward(changed, lengths()).local - encoder->forward(tokens(), lengths()).local)[0].abs().amax(1);
  EXPECT_EQ(change[0].item<double>(), 0);
  for (const int64_t near : {1, 2, 3}) EXPECT_GT(change[near].item<double>(), 0) << near;
  EXPECT_EQ(change.slice(0, 4).sum().item<double>(), 0);
}

TEST(TextCnn, NeedsAKernel) {
  EXPECT_THAT([] { text_encoder("{type: text_cnn, kernels: []}"); },
              ThrowsMessage<UsageError>(HasSubstr("kernels is empty")));
  EXPECT_THAT([] { text_encoder("{type: text_cnn, kernels: [0]}"); }, ThrowsMessage<UsageError>(HasSubstr("kernels")));
}

}  // namespace
}  // namespace diptych::testing
