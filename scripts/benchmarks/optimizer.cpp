#include "diptych/train/optimizer.h"

#include <torch/torch.h>

#include "diptych/core/config_node.h"
#include "formula.h"
#include "server.h"

namespace diptych::benchmark {
namespace {

// 26.4 M parameters in 160 tensors, with gradients.
std::vector<at::Tensor> parameters() {
  std::vector<at::Tensor> made;
  for (int i = 0; i < 160; ++i) {
    static const std::vector<int64_t> kSizes[] = {{512}, {2048}, {128, 1152}, {510, 1000}};
    const std::string name = "c4." + std::to_string(i);
    at::Tensor value = noise(name, kSizes[i % 4]).to(at::kFloat);
    value.requires_grad_();
    value.mutable_grad() = noise(name + ".grad", kSizes[i % 4]).to(at::kFloat);
    made.push_back(value);
  }
  return made;
}

std::vector<double> checksums(const std::vector<at::Tensor>& values) {
  double sum = 0, absolute = 0;
  for (const at::Tensor& value : values) {
    sum += value.detach().to(at::kDouble).sum().item<double>();
    absolute += value.detach().to(at::kDouble).abs().sum().item<double>();
  }
  return {sum, absolute};
}

Case ours() {
  static OptimizerRegistry registry("optimizer");
  if (!registry.find("adamw")) register_optimizers(registry);
  const auto* entry = registry.find("adamw");
  std::any options = entry->defaults();
  Complaints complaints;
  entry->read(parse_config("{lr: 1e-4, weight_decay: 0.01}", "benchmark"), "optim", options, complaints);
  complaints.throw_if_any();
  const std::shared_ptr<Optimizer> optimizer = entry->make(options);
  const auto values = parameters();
  std::vector<NamedParameter> named;
  for (const at::Tensor& value : values) named.push_back({"p" + std::to_string(named.size()), value});
  optimizer->set_parameters(named);
  return {{}, [=] { optimizer->step(1e-4); }, [=] { return checksums(values); }};
}

Case torch_optim() {
  const auto values = parameters();
  const auto optimizer =
      std::make_shared<torch::optim::AdamW>(values, torch::optim::AdamWOptions(1e-4).weight_decay(0.01));
  return {{}, [=] { optimizer->step(); }, [=] { return checksums(values); }};
}

}  // namespace

void add_optimizers(Cases& cases) {
  cases["c4"] = ours;
  cases["c4-torch-optim"] = torch_optim;
}

}  // namespace diptych::benchmark
