#include "model/heads.h"

#include <torch/torch.h>

#include "diptych/core/text.h"

namespace diptych {
namespace {

// Xavier uniform weights, zero bias: what the published heads start from.
torch::nn::Linear head_linear(int64_t in, int64_t out, bool bias) {
  torch::nn::Linear linear(torch::nn::LinearOptions(in, out).bias(bias));
  torch::nn::init::xavier_uniform_(linear->weight);
  if (bias) torch::nn::init::zeros_(linear->bias);
  return linear;
}

void check_features(const at::Tensor& features, int64_t needed) {
  if (features.dim() != 2 || features.size(1) != needed)
    throw ShapeError(concat("head: features ", features.sizes(), ", needed is [B, ", needed, "]"));
}

at::Tensor activate(const at::Tensor& x, HeadActivation activation) {
  switch (activation) {
    case HeadActivation::relu:
      return at::relu(x);
    case HeadActivation::tanh:
      return at::tanh(x);
    case HeadActivation::gelu:
      break;
  }
  return at::gelu(x);
}

}  // namespace

LinearHead::LinearHead(const Options& options, const HeadContext& context)
    : options_(options), fc_(register_module("fc", head_linear(context.features, options.dim, options.bias))) {}

at::Tensor LinearHead::forward(const at::Tensor& features) {
  check_features(features, fc_->options.in_features());
  return fc_->forward(features);
}

PythonPiece LinearHead::python() const {
  return PythonPiece{{R"py(class LinearHead(nn.Module):
    def __init__(self, features, dim, bias):
        super().__init__()
        self.fc = nn.Linear(features, dim, bias)

    def forward(self, x):
        return self.fc(x)
)py"},
                     concat("LinearHead(", fc_->options.in_features(), ", ", options_.dim,
                            ", bias=", options_.bias ? "True" : "False", ")")};
}
at::Tensor LinearHead::linear_part() const { return fc_->weight; }
AffineMap LinearHead::whole() const { return options_.bias ? AffineMap{fc_->weight, fc_->bias} : AffineMap{}; }

LinearBnHead::LinearBnHead(const Options& options, const HeadContext& context)
    : options_(options),
      fc_(register_module("fc", head_linear(context.features, options.dim, false))),
      bn_(register_module("bn", torch::nn::BatchNorm1d(torch::nn::BatchNorm1dOptions(options.dim)
                                                           .momentum(1 - options.bn_decay)
                                                           .affine(options.affine && options.scale)))) {
  if (options.affine && !options.scale) offset_ = register_parameter("offset", at::zeros({options.dim}));
}

at::Tensor LinearBnHead::forward(const at::Tensor& features) {
  check_features(features, fc_->options.in_features());
  const at::Tensor normal = bn_->forward(fc_->forward(features));
  return offset_.defined() ? normal + offset_ : normal;
}

PythonPiece LinearBnHead::python() const {
  return PythonPiece{{R"py(class LinearBnHead(nn.Module):
    def __init__(self, features, dim, affine, scale):
        super().__init__()
        self.fc = nn.Linear(features, dim, bias=False)
        self.bn = nn.BatchNorm1d(dim, affine=affine and scale)
        self.offset = nn.Parameter(torch.zeros(dim)) if affine and not scale else None

    def forward(self, x):
        x = self.bn(self.fc(x))
        return x if self.offset is None else x + self.offset
)py"},
                     concat("LinearBnHead(", fc_->options.in_features(), ", ", options_.dim, ", affine=",
                            options_.affine ? "True" : "False", ", scale=", options_.scale ? "True" : "False", ")")};
}

// BN(W f) = gamma / sqrt(var + eps) (W f - mean) + beta, gamma = 1 where it is not learned
at::Tensor LinearBnHead::linear_part() const {
  const at::Tensor scale = (bn_->running_var + bn_->options.eps()).rsqrt();
  return fc_->weight * (bn_->options.affine() ? scale * bn_->weight : scale).unsqueeze(1);
}

MlpHead::MlpHead(const Options& options, const HeadContext& context) : options_(options) {
  int64_t in = context.features;
  for (int64_t i = 0; i < options.layers; ++i, in = options.hidden) {
    fc_.push_back(register_module(concat("fc", i), head_linear(in, options.hidden, true)));
    if (options.bn) bn_.push_back(register_module(concat("bn", i), torch::nn::BatchNorm1d(options.hidden)));
  }
  out_ = register_module("out", head_linear(in, options.dim, true));
}

at::Tensor MlpHead::forward(const at::Tensor& features) {
  check_features(features, fc_[0]->options.in_features());
  at::Tensor x = features;
  for (size_t i = 0; i < fc_.size(); ++i) {
    x = fc_[i]->forward(x);
    if (options_.bn) x = bn_[i]->forward(x);
    x = at::dropout(activate(x, options_.activation), options_.dropout, is_training());
  }
  return out_->forward(x);
}

PythonPiece MlpHead::python() const {
  return PythonPiece{{R"py(class MlpHead(nn.Module):
    def __init__(self, features, dim, hidden, layers, bn, activation):
        super().__init__()
        for i in range(layers):
            setattr(self, f"fc{i}", nn.Linear(hidden if i else features, hidden))
            setattr(self, f"bn{i}", nn.BatchNorm1d(hidden) if bn else nn.Identity())
        self.out = nn.Linear(hidden, dim)
        self.layers, self.activation = layers, {"relu": F.relu, "tanh": torch.tanh, "gelu": F.gelu}[activation]

    def forward(self, x):
        for i in range(self.layers):
            x = self.activation(getattr(self, f"bn{i}")(getattr(self, f"fc{i}")(x)))
        return self.out(x)
)py"},
                     concat("MlpHead(", fc_[0]->options.in_features(), ", ", options_.dim, ", hidden=", options_.hidden,
                            ", layers=", options_.layers, ", bn=", options_.bn ? "True" : "False", ", activation=\"",
                            enum_text(options_.activation), "\")")};
}

void register_heads(HeadRegistry& heads) {
  heads.add<LinearHead>("linear", "a linear map");
  heads.add<LinearBnHead>("linear_bn", "a linear map without bias, then BatchNorm; no activation",
                          "Zhang and Lu: Deep cross-modal projection learning, ECCV 2018");
  heads.add<MlpHead>("mlp", "hidden layers with BatchNorm, activation and dropout, then a linear map",
                     "Wang et al.: Learning two-branch neural networks for image-text matching tasks, TPAMI 2018");
}

}  // namespace diptych
