#include "model/composer_film.h"

#include <torch/torch.h>

#include "diptych/core/error.h"
#include "diptych/core/tensor/scope.h"
#include "diptych/core/text.h"
#include "model/composer_support.h"

namespace diptych {

at::Tensor modulate(const at::Tensor& map, const BlockModulation& by) {
  const auto fitted = [&](const at::Tensor& x) {
    if (map.dim() != 4 || x.sizes() != map.sizes().slice(0, 2))
      throw ShapeError(concat("modulate: scale and shift ", x.sizes(), " for a map ", map.sizes(),
                              ", needed are [B, C] and [B, C, h, w]"));
    return x.to(map.scalar_type()).unsqueeze(2).unsqueeze(3);
  };
  return map * fitted(by.scale) + fitted(by.shift);
}

FilmComposer::FilmComposer(const Options&, const ComposerContext& context) : dimension_(context.dimension) {
  if (context.block_channels.empty())
    throw UsageError("", "composer film modulates the blocks of the image encoder, and this encoder has none",
                     "model.image: a resnet or mobilenet_v2, or another composer");
  for (const int64_t channels : context.block_channels)
    blocks_.push_back(
        register_module(concat("block", blocks_.size()), composing::zero_linear(dimension_, 2 * channels)));
}

Composed FilmComposer::forward(const ComposerInput& input) {
  if (!input.modulated_map) throw ShapeError("composer film: needs modulated_map, which was not given");
  std::vector<BlockModulation> blocks;
  {
    const Fp32Scope fp32(input.text.device().type());  // the encoder keeps its own precision
    const at::Tensor text = composing::views_of("film", input, dimension_).text;
    for (auto& fc : blocks_) {
      const auto parts = fc->forward(text).chunk(2, 1);
      blocks.push_back({1 + parts[0], parts[1]});
    }
  }
  return {{}, input.modulated_map(blocks)};
}

}  // namespace diptych
