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

/// W f + b. Parameters: fc.
class LinearHead : public Head, public PythonForm {
 public:
  struct Options {
    int64_t dim = 512;
    bool bias = true;
    static void visit(auto& self, auto& field) {
      field("dim", self.dim, "dimension of the joint space", {.lo = 1, .hi = 65536});
      field("bias", self.bias, "add a learned offset");
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

/// `layers` times [fc - bn - activation - dropout], then `out`. Parameters: fc0, bn0, fc1, ..., out.
class MlpHead : public Head, public PythonForm {
 public:
  struct Options {
    int64_t dim = 512, hidden = 2048, layers = 1;
    bool bn = true;
    HeadActivation activation = HeadActivation::relu;
    double dropout = 0;
    static void visit(auto& self, auto& field) {
      field("dim", self.dim, "dimension of the joint space", {.lo = 1, .hi = 65536});
      field("hidden", self.hidden, "units of each hidden layer", {.lo = 1, .hi = 65536});
      field("layers", self.layers, "hidden layers", {.lo = 1, .hi = 16});
      field("bn", self.bn, "BatchNorm after each hidden layer's linear map");
      field("activation", self.activation, "of the hidden layers");
      field("dropout", self.dropout, "share of the hidden units dropped in training", {.lo = 0, .hi = 0.99});
    }
  };
  MlpHead(const Options& options, const HeadContext& context);
  at::Tensor forward(const at::Tensor& features) override;
  int64_t dimension() const override { return options_.dim; }
  PythonPiece python() const override;
  AffineMap last() const override { return {out_->weight, out_->bias}; }

 private:
  Options options_;
  std::vector<torch::nn::Linear> fc_;
  std::vector<torch::nn::BatchNorm1d> bn_;
  torch::nn::Linear out_{nullptr};
};

}  // namespace diptych
