#pragma once
#include <torch/nn/modules/container/sequential.h>

#include <array>

#include "diptych/core/text.h"
#include "diptych/model/composer.h"

namespace diptych {

enum class TirgVariant { code, paper };
constexpr auto enum_names(TirgVariant) {
  return std::array{std::pair{TirgVariant::code, "code"}, std::pair{TirgVariant::paper, "paper"}};
}

struct TirgOptions {
  TirgVariant variant = TirgVariant::code;
  bool gate = true, residual = true;
  double gate_weight = 1, residual_weight = 10;
  static void visit(auto& self, auto& field) {
    field("variant", self.variant,
          "networks of the published code, which its numbers come from, or of the paper's equations (Vo et al. 2019)");
    field("gate", self.gate, "the gated image; false with residual is the ablation 'residual only' (Vo et al. 2019)");
    field("residual", self.residual, "what is added to it; false with gate is the ablation 'gated feature only'");
    field("gate_weight", self.gate_weight, "w_g before training (Vo et al. 2019, code: 1)", {.lo = -1e3, .hi = 1e3});
    field("residual_weight", self.residual_weight, "w_r before training (Vo et al. 2019, code: 10)",
          {.lo = -1e3, .hi = 1e3});
  }
  void validate(const std::string& path, const Origin& origin, Complaints& complaints) const {
    if (!gate && !residual)
      complaints.add(origin, concat(path, ".gate and ", path, ".residual are both false: nothing is left"),
                     "leave one of them true");
  }
};

/// Text image residual gating (Vo et al., CVPR 2019): the image is changed, not replaced.
///
///   out = w_g sigmoid(G z) * phi + w_r R z,   z = [phi; t],   w_g and w_r learned numbers
///
/// Parameters: gate.N, residual.N by position in the lists below; gate_weight, residual_weight.
class Tirg : public Composer {
 protected:
  Tirg(const TirgOptions& options, const torch::nn::Sequential& gate, const torch::nn::Sequential& residual);
  /// image phi, joined z.
  at::Tensor mixed(const at::Tensor& image, const at::Tensor& joined);

 private:
  torch::nn::Sequential gate_{nullptr}, residual_{nullptr};
  at::Tensor gate_weight_, residual_weight_;
};

/// On the embeddings: the layer for global changes (Fashion200k, MIT-States). n = 2D:
///
///   code   G: BN - ReLU - FC(n, D);              R: BN - ReLU - FC(n, n) - ReLU - FC(n, D)
///   paper  both: FC(n, n) - BN - ReLU - FC(n, D) - BN, FC without bias
class TirgFcComposer : public Tirg {
 public:
  using Options = TirgOptions;
  TirgFcComposer(const Options& options, const ComposerContext& context);
  Composed forward(const ComposerInput& input) override;

 private:
  int64_t dimension_;
};

/// On the last feature map, t repeated at every place: the layer for local changes (CSS). The encoder's pooling and
/// head follow. n = C + D, conv 3x3 padded by 1:
///
///   code   both: BN - conv(n, n) - ReLU - conv(n, C)
///   paper  both: conv(n, n) - BN - ReLU - conv(n, C) - BN, conv without bias
class TirgConvComposer : public Tirg {
 public:
  using Options = TirgOptions;
  /// throws UsageError if the image encoder has no map.
  TirgConvComposer(const Options& options, const ComposerContext& context);
  Composed forward(const ComposerInput& input) override;
  ComposerNeeds needs() const override { return {.map = true}; }

 private:
  int64_t dimension_, channels_;
};

}  // namespace diptych
