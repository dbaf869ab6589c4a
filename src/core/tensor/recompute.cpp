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

/// Of defined tensors: autograd's functions take no others.
struct Recomputed : torch::autograd::Function<Recomputed> {
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* context, at::TensorList inputs,
                                                const TensorFunction& f) {
    context->save_for_backward(inputs.vec());
    const bool bf16 = at::autocast::is_autocast_enabled(inputs[0].device().type());
    context->saved_data["kept"] = c10::IValue::make_capsule(c10::make_intrusive<Kept>(f, bf16));
    return f(inputs.vec());
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto kept = c10::static_intrusive_pointer_cast<Kept>(context->saved_data["kept"].toCapsule());
    std::vector<at::Tensor> inputs, wanted;
    for (const at::Tensor& saved : context->get_saved_variables()) {
      inputs.push_back(saved.detach().requires_grad_(saved.requires_grad()));
      if (saved.requires_grad()) wanted.push_back(inputs.back());
    }
    std::vector<at::Tensor> results;
    {
      const at::AutoGradMode with_gradients(true);
      const AutocastScope autocast(kept->bf16 ? Precision::bf16 : Precision::fp32, inputs[0].device().type());
      results = kept->f(inputs);
    }
    std::vector<at::Tensor> found = gradients_of(results, gradients, wanted);
    torch::autograd::variable_list out;
    auto next = found.begin();
    for (const at::Tensor& input : inputs) out.push_back(input.requires_grad() ? std::move(*next++) : at::Tensor());
    out.emplace_back();  // of the function
    return out;
  }

 private:
  /// Results without a gradient, or that no input reaches, do not take part.
  static std::vector<at::Tensor> gradients_of(const std::vector<at::Tensor>& results,
                                              const std::vector<at::Tensor>& gradients,
                                              const std::vector<at::Tensor>& wanted) {
    std::vector<at::Tensor> roots, root_gradients;
    for (size_t i = 0; i < results.size(); ++i)
      if (gradients[i].defined() && results[i].requires_grad())
        roots.push_back(results[i]), root_gradients.push_back(gradients[i]);
    if (roots.empty()) return std::vector<at::Tensor>(wanted.size());
    return torch::autograd::grad(roots, wanted, root_gradients, std::nullopt, /*create_graph=*/false,
                                 /*allow_unused=*/true);
  }
};

}  // namespace

std::vector<at::Tensor> recomputed(const TensorFunction& f, const std::vector<at::Tensor>& inputs) {
  const bool differentiated = at::GradMode::is_enabled() && std::ranges::any_of(inputs, [](const at::Tensor& each) {
                                return each.defined() && each.requires_grad();
                              });
  if (!differentiated) return f(inputs);
  std::vector<at::Tensor> defined;
  std::vector<bool> is_defined;
  for (const at::Tensor& each : inputs) {
    is_defined.push_back(each.defined());
    if (each.defined()) defined.push_back(each);
  }
  const TensorFunction of_defined = [f, is_defined](const std::vector<at::Tensor>& some) {
    std::vector<at::Tensor> all;
    auto next = some.begin();
    for (const bool there : is_defined) all.push_back(there ? *next++ : at::Tensor());
    return f(all);
  };
  return Recomputed::apply(at::TensorList(defined), of_defined);
}

}  // namespace diptych
