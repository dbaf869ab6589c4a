#include "model/feature_input.h"

#include <torch/torch.h>

#include "diptych/core/text.h"

namespace diptych {

FeatureInput::FeatureInput(const Options& options) {
  const FeatureFile file(options);
  file_ = file.path(), features_ = file.features();
}

Encoded FeatureInput::forward(const at::Tensor& features) {
  if (features.dim() == 4)
    throw UsageError("", concat("the image encoder of this model takes rows of ", file_, ", not pictures"),
                     "encode a split of the run's corpus (--split test), or use a model with an image network");
  if ((features.dim() != 2 && features.dim() != 3) || features.size(-1) != features_)
    throw ShapeError(
        concat("features: rows ", features.sizes(), ", needed are [B, ", features_, "] or [B, R, ", features_, "]"));
  Encoded out;
  const bool regions = features.dim() == 3;
  out.global = regions ? features.mean(1) : features;
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
  return PythonPiece{{R"py(class FeatureInput(nn.Module):
    """Rows of a feature file, [B, F] or [B, R, F]."""

    def forward(self, x):
        return x.mean(1) if x.dim() == 3 else x
)py"},
                     "FeatureInput()"};
}

}  // namespace diptych
