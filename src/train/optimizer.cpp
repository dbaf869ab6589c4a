#include "diptych/train/optimizer.h"

#include <torch/torch.h>

namespace diptych {
namespace {

constexpr const char* kStep = "step";

// Fused kernels walk raw memory: value, gradient and state must share one layout.
at::Tensor gradient_like(const at::Tensor& value) {
  const at::Tensor& gradient = value.grad();
  return gradient.strides() == value.strides() ? gradient : at::empty_like(value).copy_(gradient);
}

struct AdamOptions {
  double lr = 2e-4, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  static void visit(auto& self, auto& field) {
    field("lr", self.lr, "learning rate", Field{.lo = 0, .hi = 1e6, .resume = Resume::warn});
    field("beta1", self.beta1, "decay of the mean of gradients",
          Field{.lo = 0, .hi = 0.999999, .resume = Resume::warn});
    field("beta2", self.beta2, "decay of the mean of squared gradients",
          Field{.lo = 0, .hi = 0.9999999, .resume = Resume::warn});
    field("eps", self.eps, "added to the root", Field{.lo = 1e-16, .hi = 1, .resume = Resume::warn});
    field("weight_decay", self.weight_decay, "adam: L2 added to the gradient; adamw: decoupled",
          Field{.lo = 0, .hi = 10, .resume = Resume::warn});
  }
};

template <bool decoupled>
class Adam final : public Optimizer {
 public:
  using Options = AdamOptions;
  explicit Adam(const Options& options) : options_(options) {}
  double base_lr() const override { return options_.lr; }
  double base_weight_decay() const override { return options_.weight_decay; }
  std::string type() const override { return decoupled ? "adamw" : "adam"; }

 protected:
  std::vector<std::string> slot_names() const override { return {"exp_avg", "exp_avg_sq", kStep}; }
  void update(Batch& batch) override {
    auto& steps = batch.slots.at(kStep);
    at::_foreach_add_(steps, 1);
    const auto fused = [](auto&&... arguments) {
      if constexpr (decoupled)
        at::_fused_adamw_(arguments...);
      else
        at::_fused_adam_(arguments...);
    };
    fused(at::TensorList(batch.values), at::TensorList(batch.gradients), at::TensorList(batch.slots.at("exp_avg")),
          at::TensorList(batch.slots.at("exp_avg_sq")), at::TensorList(), at::TensorList(steps), batch.lr,
          options_.beta1, options_.beta2, batch.weight_decay, options_.eps, /*amsgrad=*/false, /*maximize=*/false);
  }

 private:
  Options options_;
};

struct SgdOptions {
  double lr = 0.01, momentum = 0.9, weight_decay = 0;
  bool nesterov = false;
  static void visit(auto& self, auto& field) {
    field("lr", self.lr, "learning rate", Field{.lo = 0, .hi = 1e6, .resume = Resume::warn});
    field("momentum", self.momentum, "0 = plain gradient descent",
          Field{.lo = 0, .hi = 0.999999, .resume = Resume::warn});
    field("weight_decay", self.weight_decay, "L2 added to the gradient",
          Field{.lo = 0, .hi = 10, .resume = Resume::warn});
    field("nesterov", self.nesterov, "look ahead along the momentum", Field{.resume = Resume::warn});
  }
  void validate(const std::string& path, const Origin& origin, Complaints& complaints) const {
    if (nesterov && momentum <= 0) complaints.add(origin, path + ".nesterov = true needs " + path + ".momentum > 0");
  }
};

class Sgd final : public Optimizer {
 public:
  using Options = SgdOptions;
  explicit Sgd(const Options& options) : options_(options) {}
  double base_lr() const override { return options_.lr; }
  double base_weight_decay() const override { return options_.weight_decay; }
  std::string type() const override { return "sgd"; }

 protected:
  // A momentum buffer of zeros gives the textbook first step, so "first step" needs no flag and no state.
  std::vector<std::string> slot_names() const override {
    return options_.momentum > 0 ? std::vector<std::string>{"momentum"} : std::vector<std::string>{};
  }
  void update(Batch& batch) override {
    at::_fused_sgd_(batch.values, batch.gradients, batch.slots["momentum"], batch.weight_decay, options_.momentum,
                    batch.lr,
                    /*dampening=*/0, options_.nesterov, /*maximize=*/false, /*is_first_step=*/false);
  }

 private:
  Options options_;
};

struct RmsPropOptions {
  double lr = 0.01, alpha = 0.99, eps = 1e-8, weight_decay = 0, momentum = 0;
  static void visit(auto& self, auto& field) {
    field("lr", self.lr, "learning rate", Field{.lo = 0, .hi = 1e6, .resume = Resume::warn});
    field("alpha", self.alpha, "decay of the mean of squared gradients",
          Field{.lo = 0, .hi = 0.9999999, .resume = Resume::warn});
    field("eps", self.eps, "added to the root", Field{.lo = 1e-16, .hi = 1, .resume = Resume::warn});
    field("weight_decay", self.weight_decay, "L2 added to the gradient",
          Field{.lo = 0, .hi = 10, .resume = Resume::warn});
    field("momentum", self.momentum, "of the divided gradients; 0 = none, and no state for it",
          Field{.lo = 0, .hi = 0.999999, .resume = Resume::warn});
  }
};

/// v = alpha v + (1 - alpha) g^2;  d = g / (sqrt(v) + eps);  with momentum u = momentum u + d in the place of d;
/// value -= lr d. As PyTorch's RMSprop, not centred. There is no fused kernel for it: one call for all parameters of a
/// batch, a few passes over memory.
class RmsProp final : public Optimizer {
 public:
  using Options = RmsPropOptions;
  explicit RmsProp(const Options& options) : options_(options) {}
  double base_lr() const override { return options_.lr; }
  double base_weight_decay() const override { return options_.weight_decay; }
  std::string type() const override { return "rmsprop"; }

 protected:
  std::vector<std::string> slot_names() const override {
    return options_.momentum > 0 ? std::vector<std::string>{"square_avg", "momentum"}
                                 : std::vector<std::string>{"square_avg"};
  }
  void update(Batch& batch) override {
    std::vector<at::Tensor> gradients = batch.gradients;
    if (batch.weight_decay != 0) gradients = at::_foreach_add(gradients, batch.values, batch.weight_decay);
    auto& squares = batch.slots.at("square_avg");
    at::_foreach_mul_(squares, options_.alpha);
    at::_foreach_addcmul_(squares, gradients, gradients, 1 - options_.alpha);
    const std::vector<at::Tensor> roots = at::_foreach_sqrt(squares);
    at::_foreach_add_(roots, options_.eps);
    if (options_.momentum == 0) return at::_foreach_addcdiv_(batch.values, gradients, roots, -batch.lr);
    auto& momentum = batch.slots.at("momentum");
    at::_foreach_mul_(momentum, options_.momentum);
    at::_foreach_addcdiv_(momentum, gradients, roots);
    at::_foreach_add_(batch.values, momentum, -batch.lr);
  }

 private:
  Options options_;
};

at::Tensor fresh_slot(const std::string& slot, const at::Tensor& value) {
  if (slot == kStep) return at::zeros({}, value.options().dtype(at::kFloat));
  return at::zeros_like(value);
}

}  // namespace

void Optimizer::set_parameters(std::vector<NamedParameter> parameters) {
  parameters_ = std::move(parameters);
  slots_.assign(parameters_.size(), {});
  at::NoGradGuard no_grad;
  for (size_t i = 0; i < parameters_.size(); ++i)
    for (const auto& slot : slot_names()) slots_[i][slot] = fresh_slot(slot, parameters_[i].value.detach());
}

void Optimizer::step(double lr) {
  at::NoGradGuard no_grad;
  std::map<std::pair<double, double>, Batch> batches;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const auto& parameter = parameters_[i];
    if (!parameter.value.grad().defined()) continue;
    auto [it, is_new] = batches.try_emplace({parameter.lr_multiplier, parameter.decay_multiplier});
    Batch& batch = it->second;
    if (is_new)
      batch.lr = lr * parameter.lr_multiplier, batch.weight_decay = base_weight_decay() * parameter.decay_multiplier;
    batch.values.push_back(parameter.value);
    batch.gradients.push_back(gradient_like(parameter.value));
    for (auto& [slot, tensor] : slots_[i]) batch.slots[slot].push_back(tensor);
  }
  for (auto& [multipliers, batch] : batches) update(batch);
}

void Optimizer::zero_grad() {
  for (auto& parameter : parameters_) parameter.value.mutable_grad() = at::Tensor();
}

std::map<std::string, at::Tensor> Optimizer::state() const {
  std::map<std::string, at::Tensor> out;
  for (size_t i = 0; i < parameters_.size(); ++i)
    for (const auto& [slot, tensor] : slots_[i]) out[slot + "/" + parameters_[i].name] = tensor;
  return out;
}

void Optimizer::restore(const std::map<std::string, at::Tensor>& state) {
  const auto mine = this->state();
  for (const auto& [name, tensor] : mine) {
    const auto it = state.find(name);
    if (it == state.end())
      throw CheckpointError("optimizer state", concat(name, " is missing"),
                            "the checkpoint was written by another optimiser or model than " + type());
    if (it->second.sizes() != tensor.sizes() || it->second.scalar_type() != tensor.scalar_type())
      throw CheckpointError("optimizer state",
                            concat(name, " has shape ", it->second.sizes(), ", the model needs ", tensor.sizes()));
  }
  for (const auto& [name, tensor] : state)
    if (!mine.contains(name))
      throw CheckpointError("optimizer state", concat(name, " does not belong to ", type()),
                            "resume with the optimiser that wrote the checkpoint");
  at::NoGradGuard no_grad;
  for (auto& [name, tensor] : mine) at::Tensor(tensor).copy_(state.at(name));
}

void register_optimizers(OptimizerRegistry& optimizers) {
  optimizers.add<Adam<false>>("adam", "Adam, weight decay as L2", "Kingma and Ba, ICLR 2015");
  optimizers.add<Adam<true>>("adamw", "Adam with decoupled weight decay", "Loshchilov and Hutter, ICLR 2019");
  optimizers.add<Sgd>("sgd", "stochastic gradient descent with momentum or Nesterov momentum");
  optimizers.add<RmsProp>("rmsprop", "gradients divided by the root of their mean square", "Tieleman and Hinton, 2012");
}

}  // namespace diptych
