#include "diptych/train/ema.h"

#include <torch/torch.h>

#include <algorithm>

#include "diptych/model/joint_model.h"

namespace diptych {
namespace {
constexpr const char* kUpdates = "ema_updates";
}

Ema::Ema(torch::nn::Module& module, const EmaOptions& options) : options_(options) {
  if (!active()) return;
  const auto add = [&](const auto& item) {
    const bool selected =
        std::ranges::any_of(options_.match, [&](const auto& pattern) { return name_matches(pattern, item.key()); });
    if (!selected || !item.value().is_floating_point()) return;
    names_.push_back(item.key());
    values_.push_back(item.value());
    shadows_.push_back(item.value().detach().clone());
  };
  for (const auto& item : module.named_parameters()) add(item);
  for (const auto& item : module.named_buffers()) add(item);
}

void Ema::update() {
  if (!active()) return;
  at::NoGradGuard no_grad;
  ++updates_;
  const double count = static_cast<double>(updates_);
  const double decay = options_.warmup ? std::min(options_.decay, (1 + count) / (10 + count)) : options_.decay;
  at::_foreach_lerp_(shadows_, values_, 1 - decay);
}

void Ema::reset() {
  at::NoGradGuard no_grad;
  for (size_t i = 0; i < values_.size(); ++i) shadows_[i].copy_(values_[i]);
}

bool Ema::same_as_weights(const std::string& pattern) const {
  for (size_t i = 0; i < names_.size(); ++i)
    if (name_matches(pattern, names_[i]) && !shadows_[i].equal(values_[i])) return false;
  return true;
}

std::map<std::string, at::Tensor> Ema::state() const {
  std::map<std::string, at::Tensor> out;
  if (!active()) return out;
  for (size_t i = 0; i < names_.size(); ++i) out["ema/" + names_[i]] = shadows_[i];
  out[kUpdates] = at::scalar_tensor(updates_, at::kLong);
  return out;
}

void Ema::restore(const std::map<std::string, at::Tensor>& state) {
  if (!active()) return;
  at::NoGradGuard no_grad;
  for (size_t i = 0; i < names_.size(); ++i) {
    const auto it = state.find("ema/" + names_[i]);
    if (it == state.end() || it->second.sizes() != shadows_[i].sizes())
      throw CheckpointError("moving average", names_[i] + " is missing or has another shape in the checkpoint");
    shadows_[i].copy_(it->second);
  }
  if (const auto it = state.find(kUpdates); it != state.end()) updates_ = it->second.item<int64_t>();
}

void Ema::apply() {
  at::NoGradGuard no_grad;
  for (size_t i = 0; i < values_.size(); ++i) values_[i].copy_(shadows_[i]);
}

Ema::Scope::Scope(Ema& ema) : ema_(ema) { swap(); }
Ema::Scope::~Scope() { swap(); }
void Ema::Scope::swap() {
  at::NoGradGuard no_grad;
  for (size_t i = 0; i < ema_.values_.size(); ++i) {
    const at::Tensor value = ema_.values_[i].detach().clone();
    ema_.values_[i].copy_(ema_.shadows_[i]);
    ema_.shadows_[i].copy_(value);
  }
}

}  // namespace diptych
