#pragma once
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/linear.h>

#include <array>
#include <vector>

#include "diptych/model/head.h"
#include "diptych/model/python_piece.h"

namespace diptych {

enum class HeadActivation { relu, tanh, gelu };
constexpr auto enum_names(HeadActivation) {
  return std::array{std::pair{HeadActivation::relu, "relu"}, std::pair{HeadActivation::tanh, "tanh"},
                    std::pair{HeadActivation::gelu, "gelu"}};
}

void list_unit_length(auto& self, auto& field) {
  field("unit_length", self.unit_length, "scale every embedding to length 1 at the end");
}

/// Features as they are, for encoders that end in the joint space themselves, or features that nothing is trained on
/// (Reed et al. 2016). It is affine, but has no parameter that says on which device, so linear_part() is undefined.
class IdentityHead : public Head, public PythonForm {
 public:
  struct Options {
    static void visit(auto&, auto&) {}
  };
  IdentityHead(const Options&, const HeadContext& context) : features_(context.features) {}
  at::Tensor forward(const at::Tensor& features) override;
  int64_t dimension() const override { return features_; }
  PythonPiece python() const override { return {{}, "nn.Identity()"}; }

 private:
  int64_t features_;
};

/// W f + b, scaled to unit length if asked (a linear branch of the two-branch network). Parameters: fc.
class LinearHead : public Head, public PythonForm {
 public:
  struct Options {
    int64_t dim = 512;
    bool bias = true, unit_length = false;
    static void visit(auto& self, auto& field) {
      field("dim", self.dim, "dimension of the joint space", {.lo = 1, .hi = 65536});
      field("bias", self.bias, "add a learned offset");
      list_unit_length(self, field);
    }
  };
  LinearHead(const Options& options, const HeadContext& context);
  at::Tensor forward(const at::Tensor& features) override;
  int64_t dimension() const override { return options_.dim; }
  PythonPiece python() const override;
  at::Tensor linear_part() const override;
  AffineMap whole() const override;

 private:
  Options options_;
  torch::nn::Linear fc_;
};

/// BN(W f). Parameters: fc, bn; with scale = false fc and offset.
class LinearBnHead : public Head, public PythonForm {
 public:
  struct Options {
    int64_t dim = 512;
    double bn_decay = 0.9;
    bool affine = true, scale = true;
    static void visit(auto& self, auto& field) {
      field("dim", self.dim, "dimension of the joint space", {.lo = 1, .hi = 65536});
      field(
          "bn_decay", self.bn_decay,
          "share of the BatchNorm statistics that a step keeps, 1 - torch's momentum (CMPM: 0.997 with ResNet, 0.9997 "
          "with MobileNet)",
          {.lo = 0, .hi = 1});
      field("affine", self.affine, "learned scale and offset after normalising");
      field("scale", self.scale,
            "false: of the two only the offset is learned (CMPM: true with ResNet, false with MobileNet)");
    }
  };
  LinearBnHead(const Options& options, const HeadContext& context);
  at::Tensor forward(const at::Tensor& features) override;
  int64_t dimension() const override { return options_.dim; }
  PythonPiece python() const override;
  at::Tensor linear_part() const override;

 private:
  Options options_;
  torch::nn::Linear fc_;
  torch::nn::BatchNorm1d bn_;
  at::Tensor offset_;  // [D], undefined where bn has it or nothing does
};

/// `layers` times [fc - bn - activation - dropout], then `out`, scaled to unit length if asked. Parameters: fc0, bn0,
/// fc1, ..., out. The branch of lwwang/Two_branch_network: hidden 2048, bn_decay 0.1 (TensorFlow's momentum is the
/// share that is kept), dropout 0.5, unit_length; its BatchNorm's eps is ours, 1e-5.
class MlpHead : public Head, public PythonForm {
 public:
  struct Options {
    int64_t dim = 512, hidden = 2048, layers = 1;
    bool bn = true;
    HeadActivation activation = HeadActivation::relu;
    double dropout = 0, bn_decay = 0.9;
    bool unit_length = false;
    static void visit(auto& self, auto& field) {
      field("dim", self.dim, "dimension of the joint space", {.lo = 1, .hi = 65536});
      field("hidden", self.hidden, "units of each hidden layer", {.lo = 1, .hi = 65536});
      field("layers", self.layers, "hidden layers", {.lo = 1, .hi = 16});
      field("bn", self.bn, "BatchNorm after each hidden layer's linear map");
      field("bn_decay", self.bn_decay,
            "share of the BatchNorm statistics that a step keeps, 1 - torch's momentum (two-branch network: 0.1)",
            {.lo = 0, .hi = 1});
      field("activation", self.activation, "of the hidden layers");
      field("dropout", self.dropout, "share of the hidden units dropped in training", {.lo = 0, .hi = 0.99});
      list_unit_length(self, field);
    }
  };
  MlpHead(const Options& options, const HeadContext& context);
  at::Tensor forward(const at::Tensor& features) override;
  int64_t dimension() const override { return options_.dim; }
  PythonPiece python() const override;
  AffineMap last() const override { return options_.unit_length ? AffineMap{} : AffineMap{out_->weight, out_->bias}; }

 private:
  Options options_;
  std::vector<torch::nn::Linear> fc_;
  std::vector<torch::nn::BatchNorm1d> bn_;
  torch::nn::Linear out_{nullptr};
};

/// `layers` times [fc without bias - bn - ReLU], the head of the dual path (Zheng et al., TOMM 2020). In training the
/// result is the last ReLU's, which the ranking loss compares and whose dropped-out form the instance loss classifies
/// (loss instance, option dropout); in evaluation it is what goes into that ReLU. Parameters: fc0, bn0, fc1, ...
class DualPathHead : public Head, public PythonForm {
 public:
  struct Options {
    int64_t dim = 2048, layers = 1;
    bool relu_in_evaluation = false;
    double bn_decay = 0.9;
    static void visit(auto& self, auto& field) {
      field("dim", self.dim, "units of every layer, and the dimension of the joint space (Zheng et al. 2020: 2048)",
            {.lo = 1, .hi = 65536});
      field("layers", self.layers, "Zheng et al. 2020: 2 on the image's side, 1 on the text's", {.lo = 1, .hi = 16});
      field("relu_in_evaluation", self.relu_in_evaluation,
            "compare what comes out of the last ReLU also in evaluation; the published code compares what goes in");
      field("bn_decay", self.bn_decay, "share of the BatchNorm statistics that a step keeps, 1 - torch's momentum",
            {.lo = 0, .hi = 1});
    }
  };
  DualPathHead(const Options& options, const HeadContext& context);
  at::Tensor forward(const at::Tensor& features) override;
  int64_t dimension() const override { return options_.dim; }
  PythonPiece python() const override;
  at::Tensor linear_part() const override;

 private:
  Options options_;
  std::vector<torch::nn::Linear> fc_;
  std::vector<torch::nn::BatchNorm1d> bn_;
};

}  // namespace diptych
