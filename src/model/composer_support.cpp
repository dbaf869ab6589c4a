#include "model/composer_support.h"

#include <torch/torch.h>

#include "diptych/core/error.h"
#include "diptych/core/tensor/rows.h"
#include "diptych/core/text.h"

namespace diptych::composing {
namespace {

bool fits(at::IntArrayRef given, at::IntArrayRef needed) {
  if (given.size() != needed.size()) return false;
  for (size_t i = 0; i < given.size(); ++i)
    if (needed[i] != -1 && given[i] != needed[i]) return false;
  return true;
}

}  // namespace

Views views_of(const char* who, const ComposerInput& input, int64_t dimension) {
  const at::Tensor image = part_of(who, "image", input.image, {-1, dimension});
  return {image, part_of(who, "text", input.text, {image.size(0), dimension})};
}

at::Tensor side_by_side(const Views& views) { return at::cat({views.image, views.text}, 1); }

at::Tensor part_of(const char* who, const char* name, const at::Tensor& part, at::IntArrayRef sizes) {
  if (!part.defined()) throw ShapeError(concat("composer ", who, ": needs ", name, ", which was not given"));
  if (!fits(part.sizes(), sizes))
    throw ShapeError(
        concat("composer ", who, ": ", name, " ", part.sizes(), ", needed is ", sizes, " (-1 stands for any size)"));
  return at_least_float(part);
}

int64_t map_channels(const char* who, const ComposerContext& context) {
  if (context.channels < 1)
    throw UsageError("", concat("composer ", who, " reads the image encoder's feature map, and this encoder has none"),
                     "model.image: a resnet or a mobilenet, or another composer");
  return context.channels;
}

torch::nn::Linear zero_linear(int64_t in, int64_t out) {
  torch::nn::Linear fc(in, out);
  torch::nn::init::zeros_(fc->weight), torch::nn::init::zeros_(fc->bias);
  return fc;
}

}  // namespace diptych::composing
