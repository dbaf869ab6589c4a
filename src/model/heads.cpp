#include "model/heads.h"

#include <torch/torch.h>

#include "diptych/core/tensor/rows.h"
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

/// The matrix of BN(W f) = gamma / sqrt(var + eps) (W f - mean) + beta in evaluation, gamma = 1 where it is not
/// learned.
at::Tensor linear_of(const torch::nn::Linear& fc, const torch::nn::BatchNorm1d& bn) {
  const at::Tensor scale = (bn->running_var + bn->options.eps()).rsqrt();
  return fc->weight * (bn->options.affine() ? scale * bn->weight : scale).unsqueeze(1);
}

// As unit_rows (core/tensor/rows.h): rows without length become 0.
constexpr const char* kPythonUnitRows = R"py(def unit_rows(x):
    norm = x.norm(dim=1, keepdim=True)
    return torch.where(norm < 1e-8, torch.zeros_like(x), x / norm.clamp_min(1e-8))
)py";

}  // namespace

at::Tensor IdentityHead::forward(const at::Tensor& features) {
  check_features(features, features_);
  return features;
}

LinearHead::LinearHead(const Options& options, const HeadContext& context)
    : options_(options), fc_(register_module("fc", head_linear(context.features, options.dim, options.bias))) {}

at::Tensor LinearHead::forward(const at::Tensor& features) {
  check_features(features, fc_->options.in_features());
  const at::Tensor out = fc_->forward(features);
  return options_.unit_length ? unit_rows(at_least_float(out)) : out;
}

PythonPiece LinearHead::python() const {
  return PythonPiece{
      {kPythonUnitRows, R"py(class LinearHead(nn.Module):
    def __init__(self, features, dim, bias, unit_length):
        super().__init__()
        self.fc = nn.Linear(features, dim, bias)
        self.unit_length = unit_length

    def forward(self, x):
        x = self.fc(x)
        return unit_rows(x) if self.unit_length else x
)py"},
      concat("LinearHead(", fc_->options.in_features(), ", ", options_.dim, ", bias=", options_.bias ? "True" : "False",
             ", unit_length=", options_.unit_length ? "True" : "False", ")")};
}
at::Tensor LinearHead::linear_part() const { return options_.unit_length ? at::Tensor() : fc_->weight; }
AffineMap LinearHead::whole() const {
  return options_.bias && !options_.unit_length ? AffineMap{fc_->weight, fc_->bias} : AffineMap{};
}

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

at::Tensor LinearBnHead::linear_part() const { return linear_of(fc_, bn_); }

MlpHead::MlpHead(const Options& options, const HeadContext& context) : options_(options) {
  int64_t in = context.features;
  for (int64_t i = 0; i < options.layers; ++i, in = options.hidden) {
    fc_.push_back(register_module(concat("fc", i), head_linear(in, options.hidden, true)));
    if (options.bn)
      bn_.push_back(register_module(
          concat("bn", i),
          torch::nn::BatchNorm1d(torch::nn::BatchNorm1dOptions(options.hidden).momentum(1 - options.bn_decay))));
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
  const at::Tensor out = out_->forward(x);
  return options_.unit_length ? unit_rows(at_least_float(out)) : out;
}

PythonPiece MlpHead::python() const {
  return PythonPiece{
      {kPythonUnitRows, R"py(class MlpHead(nn.Module):
    def __init__(self, features, dim, hidden, layers, bn, activation, unit_length):
        super().__init__()
        for i in range(layers):
            setattr(self, f"fc{i}", nn.Linear(hidden if i else features, hidden))
            setattr(self, f"bn{i}", nn.BatchNorm1d(hidden) if bn else nn.Identity())
        self.out = nn.Linear(hidden, dim)
        self.layers, self.activation = layers, {"relu": F.relu, "tanh": torch.tanh, "gelu": F.gelu}[activation]
        self.unit_length = unit_length

    def forward(self, x):
        for i in range(self.layers):
            x = self.activation(getattr(self, f"bn{i}")(getattr(self, f"fc{i}")(x)))
        x = self.out(x)
        return unit_rows(x) if self.unit_length else x
)py"},
      concat("MlpHead(", fc_[0]->options.in_features(), ", ", options_.dim, ", hidden=", options_.hidden,
             ", layers=", options_.layers, ", bn=", options_.bn ? "True" : "False", ", activation=\"",
             enum_text(options_.activation), "\", unit_length=", options_.unit_length ? "True" : "False", ")")};
}

DualPathHead::DualPathHead(const Options& options, const HeadContext& context) : options_(options) {
  for (int64_t i = 0; i < options.layers; ++i) {
    fc_.push_back(
        register_module(concat("fc", i), head_linear(i ? options.dim : context.features, options.dim, false)));
    bn_.push_back(register_module(
        concat("bn", i),
        torch::nn::BatchNorm1d(torch::nn::BatchNorm1dOptions(options.dim).momentum(1 - options.bn_decay))));
  }
}

at::Tensor DualPathHead::forward(const at::Tensor& features) {
  check_features(features, fc_[0]->options.in_features());
  at::Tensor x = features;
  for (size_t i = 0; i < fc_.size(); ++i) {
    x = bn_[i]->forward(fc_[i]->forward(x));
    const bool last = i + 1 == fc_.size();
    if (!last || is_training() || options_.relu_in_evaluation) x = at::relu(x);
  }
  return x;
}

PythonPiece DualPathHead::python() const {
  return PythonPiece{{R"py(class DualPathHead(nn.Module):
    def __init__(self, features, dim, layers, last_relu):
        super().__init__()
        for i in range(layers):
            setattr(self, f"fc{i}", nn.Linear(dim if i else features, dim, bias=False))
            setattr(self, f"bn{i}", nn.BatchNorm1d(dim))
        self.layers, self.last_relu = layers, last_relu

    def forward(self, x):
        for i in range(self.layers):
            x = getattr(self, f"bn{i}")(getattr(self, f"fc{i}")(x))
            if i + 1 < self.layers or self.last_relu:
                x = F.relu(x)
        return x
)py"},
                     concat("DualPathHead(", fc_[0]->options.in_features(), ", ", options_.dim, ", layers=",
                            options_.layers, ", last_relu=", options_.relu_in_evaluation ? "True" : "False", ")")};
}

at::Tensor DualPathHead::linear_part() const {
  if (options_.layers > 1 || options_.relu_in_evaluation) return {};
  return linear_of(fc_[0], bn_[0]);
}

void register_heads(HeadRegistry& heads) {
  heads.add<DualPathHead>("dual_path",
                          "layers of a linear map without bias, BatchNorm and ReLU, the last ReLU only in training",
                          "Zheng et al.: Dual-path convolutional image-text embeddings with instance loss, TOMM 2020");
  heads.add<IdentityHead>("identity", "nothing: the features are in the joint space already");
  heads.add<LinearHead>("linear", "a linear map");
  heads.add<LinearBnHead>("linear_bn", "a linear map without bias, then BatchNorm; no activation",
                          "Zhang and Lu: Deep cross-modal projection learning, ECCV 2018");
  heads.add<MlpHead>("mlp", "hidden layers with BatchNorm, activation and dropout, then a linear map",
                     "Wang et al.: Learning two-branch neural networks for image-text matching tasks, TPAMI 2018");
}

}  // namespace diptych
