#include "diptych/core/tensor/recompute.h"

#include <ATen/autocast_mode.h>
#include <torch/torch.h>

#include <algorithm>
#include <optional>

#include "diptych/core/tensor/scope.h"

namespace diptych {
namespace {

struct Kept : torch::CustomClassHolder {
  Kept(TensorFunction function, bool autocast) : f(std::move(function)), bf16(autocast) {}
  TensorFunction f;
  bool bf16;
};

at::Device device_of(const std::vector<at::Tensor>& tensors) {
  const auto defined = std::ranges::find_if(tensors, [](const at::Tensor& each) { return each.defined(); });
  return defined == tensors.end() ? at::Device(at::kCPU) : defined->device();
}

struct Recomputed : torch::autograd::Function<Recomputed> {
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* context,
                                                const std::vector<at::Tensor>& inputs, const TensorFunction& f) {
    context->save_for_backward(inputs);
    const bool bf16 = at::autocast::is_autocast_enabled(device_of(inputs).type());
    context->saved_data["kept"] = c10::IValue::make_capsule(c10::make_intrusive<Kept>(f, bf16));
    return f(inputs);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto kept = c10::static_intrusive_pointer_cast<Kept>(context->saved_data["kept"].toCapsule());
    std::vector<at::Tensor> inputs, wanted;
    for (const at::Tensor& saved : context->get_saved_variables()) {
      inputs.push_back(saved.defined() ? saved.detach().requires_grad_(saved.requires_grad()) : saved);
      if (saved.defined() && saved.requires_grad()) wanted.push_back(inputs.back());
    }
    std::vector<at::Tensor> results;
    {
      const at::AutoGradMode with_gradients(true);
      const AutocastScope autocast(kept->bf16 ? Precision::bf16 : Precision::fp32, device_of(inputs).type());
      results = kept->f(inputs);
    }
    return spread(inputs, found(results, gradients, wanted));
  }

 private:
  /// Gradients of `wanted`; results without a gradient, or that no input reaches, do not take part.
  static std::vector<at::Tensor> found(const std::vector<at::Tensor>& results, const std::vector<at::Tensor>& gradients,
                                       const std::vector<at::Tensor>& wanted) {
    std::vector<at::Tensor> roots, root_gradients;
    for (size_t i = 0; i < results.size(); ++i)
      if (gradients[i].defined() && results[i].requires_grad())
        roots.push_back(results[i]), root_gradients.push_back(gradients[i]);
    if (roots.empty()) return std::vector<at::Tensor>(wanted.size());
    return torch::autograd::grad(roots, wanted, root_gradients, std::nullopt, /*create_graph=*/false,
                                 /*allow_unused=*/true);
  }

  /// One entry an input, and an undefined one for the function, as autograd expects.
  static torch::autograd::variable_list spread(const std::vector<at::Tensor>& inputs,
                                               std::vector<at::Tensor> gradients) {
    torch::autograd::variable_list out;
    auto next = gradients.begin();
    for (const at::Tensor& input : inputs)
      out.push_back(input.defined() && input.requires_grad() ? std::move(*next++) : at::Tensor());
    out.emplace_back();
    return out;
  }
};

}  // namespace

std::vector<at::Tensor> recomputed(const TensorFunction& f, const std::vector<at::Tensor>& inputs) {
  const bool differentiated = at::GradMode::is_enabled() && std::ranges::any_of(inputs, [](const at::Tensor& each) {
                                return each.defined() && each.requires_grad();
                              });
  return differentiated ? Recomputed::apply(inputs, f) : f(inputs);
}

}  // namespace diptych
