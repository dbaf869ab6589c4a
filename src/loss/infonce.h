#pragma once
#include "diptych/loss/loss.h"

namespace diptych {

struct InfoNceOptions : InfoNceTargets {
  double temperature = 0.07;
  bool learned = false;
  double max_scale = 100;
  static void visit(auto& self, auto& field) {
    field("temperature", self.temperature, "divides the scores; the start value if learned (Radford et al. 2021: 0.07)",
          {.lo = 1e-4, .hi = 1e4});
    field("learned", self.learned, "train the logarithm of 1/temperature (Radford et al. 2021)");
    field("max_scale", self.max_scale, "largest 1/temperature that learning may reach (Radford et al. 2021: 100)",
          {.lo = 1e-4, .hi = 1e4});
    InfoNceTargets::visit(self, field);
  }
  void validate(const std::string& path, const Origin& origin, Complaints& complaints) const;
};

/// infonce_loss on scores / temperature. If learned, the parameter `log_scale` [] holds log(1/temperature); while
/// training it is set back to log(max_scale) when an optimiser step went beyond, so that it can come back by itself.
class InfoNceLoss final : public Loss {
 public:
  using Options = InfoNceOptions;
  InfoNceLoss(const Options& options, const LossContext&);
  LossValue forward(const LossInput& input) override;
  bool needs_embeddings() const override { return false; }
  bool needs_scores() const override { return true; }

 private:
  at::Tensor scaled(const at::Tensor& scores);

  Options options_;
  at::Tensor log_scale_;
};

}  // namespace diptych
