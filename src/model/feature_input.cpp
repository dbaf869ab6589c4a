#include "model/feature_input.h"

#include <torch/torch.h>

#include "diptych/core/text.h"

namespace diptych {

FeatureInput::FeatureInput(const Options& options) {
  const FeatureFile file(options);
  file_ = file.path(), features_ = file.features();
  if (options.pool != Pooling::mean && file.regions() == 0)
    throw UsageError("",
                     concat("model.image.pool = ", enum_text(options.pool), " makes one vector of regions, but ", file_,
                            " holds one vector of ", features_, " numbers for each image"),
                     "model.image.pool=mean, or a file of regions [N, R, F]: diptych encode --regions");
  pool_ = register_module("pool", std::make_shared<Pool>(options.pool, options.pooling, features_));
}

Encoded FeatureInput::forward(const at::Tensor& features) {
  if (features.dim() == 4)
    throw UsageError("", concat("the image encoder of this model takes rows of ", file_, ", not pictures"),
                     "encode a split of the run's corpus (--split test), or use a model with an image network");
  const bool regions = features.dim() == 3, vectors_do = pool_->pooling() == Pooling::mean;
  if (!(regions || (vectors_do && features.dim() == 2)) || features.size(-1) != features_)
    throw ShapeError(concat("features: rows ", features.sizes(), ", needed are ",
                            vectors_do ? concat("[B, ", features_, "] or ") : "", "[B, R, ", features_, "]"));
  Encoded out;
  out.global = regions ? pool_->forward(features) : features;
  if (!local_) return out;
  out.local = regions ? features : features.unsqueeze(1);
  out.mask = at::ones({out.local.size(0), out.local.size(1)}, features.options().dtype(at::kBool));
  return out;
}

at::Tensor FeatureInput::feature_map(const at::Tensor&) {
  throw UsageError("",
                   concat("the image encoder of this model takes rows of ", file_,
                          ": there are no places of a picture that could be explained"),
                   "train a model with an image network to see what it looks at");
}

PythonPiece FeatureInput::python() const {
  const char* const definition = R"py(class FeatureInput(nn.Module):
    """Rows of a feature file, [B, F], or [B, R, F] whose R regions are pooled, by default averaged."""

    def __init__(self, pool=None):
        super().__init__()
        self.pool = pool

    def forward(self, x):
        if x.dim() == 2:
            return x
        return x.mean(1) if self.pool is None else self.pool(x)
)py";
  if (pool_->pooling() == Pooling::mean) return {{definition}, "FeatureInput()"};
  PythonPiece piece = pool_->python();
  piece.definitions.emplace_back(definition);
  piece.expression = concat("FeatureInput(", piece.expression, ")");
  return piece;
}

const FeatureFileOptions* feature_file_of(const std::any& options) {
  return std::any_cast<FeatureInputOptions>(&options);
}

}  // namespace diptych
