#pragma once
#include "diptych/loss/loss_value.h"

namespace diptych {

enum class CmpcVariant { cmpc, norm_ce, ce };
constexpr auto enum_names(CmpcVariant) {
  return std::array{std::pair{CmpcVariant::cmpc, "cmpc"}, std::pair{CmpcVariant::norm_ce, "norm_ce"},
                    std::pair{CmpcVariant::ce, "ce"}};
}

struct CmpcOptions {
  CmpcVariant variant = CmpcVariant::cmpc;
  bool normalize = false;
  double scale = 1;
  double margin = 0;
  double label_smoothing = 0;
  static void visit(auto& self, auto& field) {
    field("variant", self.variant,
          "cmpc: projections on the partner, unit classifier columns (Zhang and Lu 2018); norm_ce: raw features, "
          "unit columns; ce: plain softmax");
    field("normalize", self.normalize,
          "unit features before anything else (NormFace, Wang et al. 2017); false in CMPC");
    field("scale", self.scale, "multiplies the logits; 1 in CMPC, 28 or so with normalize (NormFace, Wang et al. 2017)",
          {.lo = 1e-3, .hi = 1e3});
    field("margin", self.margin, "taken off the true class's logit before scaling (CosFace, Wang et al. 2018: 0.35)",
          {.lo = 0, .hi = 100});
    field("label_smoothing", self.label_smoothing, "share of the target spread over all classes (Szegedy et al. 2016)",
          {.lo = 0, .hi = 0.99});
  }
};

/// Cross-modal projection classification: each view, projected on its partner, is classified by unit columns.
///
///   xhat_i = (x_i . ybar_i) ybar_i,   yhat_i = (y_i . xbar_i) xbar_i        (own pair only)
///   L = CE(s (xhat Wbar - m onehot), l) + CE(s (yhat Wbar - m onehot), l)   (Zhang and Lu, ECCV 2018)
///   variant norm_ce: x, y in place of xhat, yhat; variant ce: W in place of Wbar, too
///
/// x, y     [B, D], not normalised
/// label    [B] int64 in [0, C)
/// weight   [D, C], no bias; columns are normalised on the fly, a zero column scores 0
/// returns  x_to_y = mean CE of the image side, y_to_x = of the text side, total = their sum
/// throws   ShapeError also for labels outside [0, C) (checked on CPU tensors)
///
/// Rows are independent: an image in several rows counts once per caption. One product serves both views, so the
/// weight's gradient is written once (it is what costs when C = 100,000).
/// source: the paper; W without bias and Xavier as in YingZhangDUT/Cross-Modal-Projection-Learning.
LossValue cmpc_loss(const at::Tensor& x, const at::Tensor& y, const at::Tensor& label, const at::Tensor& weight,
                    const CmpcOptions& options = {});

/// A linear classifier: weight [D, C], bias [C] or undefined.
struct Classifier {
  at::Tensor weight, bias;
};

/// Instance loss: every image with its captions is a class of its own, and both views are classified.
///
///   L = CE(x W_x + b_x, l) + text_weight CE(y W_y + b_y, l)            (Zheng et al., TOMM 2020)
///
/// x, y             [B, D] features after dropout
/// label            [B] int64 in [0, C)
/// image, text      classifiers; the paper shares one (pass it twice: it is then multiplied once)
/// label_smoothing  in [0, 1)
/// text_label       [rows of y], where y has other rows than x (mined captions, Zheng et al.); undefined: label
/// returns          x_to_y = mean CE of the images, y_to_x = of the texts (before text_weight), total
/// throws           ShapeError also for labels outside [0, C) (checked on CPU tensors)
///
/// Rows are independent: an image in several rows counts once per caption.
LossValue instance_loss(const at::Tensor& x, const at::Tensor& y, const at::Tensor& label, const Classifier& image,
                        const Classifier& text, double text_weight = 1, double label_smoothing = 0,
                        const at::Tensor& text_label = {});

}  // namespace diptych
