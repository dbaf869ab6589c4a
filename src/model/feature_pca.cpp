#include "model/feature_pca.h"

#include <torch/torch.h>

#include "diptych/core/error.h"
#include "diptych/core/text.h"

namespace diptych {

FeaturePca::FeaturePca(const char* owner, int64_t features, int64_t components) {
  if (components > features)
    throw UsageError(
        "", concat("model.text: ", owner, " has ", features, " features; pca = ", components, " is more than that"),
        concat("model.text.pca=", features, " or less, or null for all of them as they are"));
  mean_ = register_buffer("mean", at::zeros({features}));
  axes_ = register_buffer("axes", at::zeros({features, components}));
}

at::Tensor FeaturePca::forward(const at::Tensor& features) const { return (features - mean_).mm(axes_); }

bool FeaturePca::fitted() const { return axes_.any().item<bool>(); }

void FeaturePca::fit(const RowBlocks& blocks, uint64_t seed) {
  const at::NoGradGuard no_grad;
  const PrincipalAxes found = principal_axes(blocks, axes_.size(1), {.seed = seed});
  mean_.copy_(found.mean);
  axes_.copy_(found.axes);
}

const char* feature_pca_python() {
  return R"py(class FeaturePca(nn.Module):
    def __init__(self, features, components):
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("axes", torch.zeros(features, components))

    def forward(self, x):
        return (x - self.mean) @ self.axes
)py";
}

}  // namespace diptych
