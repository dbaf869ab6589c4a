#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/torch.h>

#include "server.h"

namespace diptych::benchmark {
namespace {

constexpr int64_t kSize = 1024;

Case gemm(at::ScalarType type) {
  const at::Tensor a = at::ones({kSize, kSize}, type), b = at::ones({kSize, kSize}, type);
  auto out = std::make_shared<at::Tensor>();
  return {{}, [=] { *out = at::mm(a, b); }, [=] { return std::vector{(*out)[1][1].item<double>()}; }};
}

// Boxed, because the op is internal and its C++ signature moves.
Case gemm_onednn() {
  const at::Tensor a = at::ones({kSize, kSize}), b = at::ones({kSize, kSize});
  const auto op = c10::Dispatcher::singleton().findSchemaOrThrow("mkldnn::_linear_pointwise", "");
  auto out = std::make_shared<at::Tensor>();
  const auto run = [=] {
    const c10::List<std::optional<at::Scalar>> no_scalars;
    torch::jit::Stack stack{a, b, c10::IValue(), std::string("none"), no_scalars, std::string("")};
    op.callBoxed(stack);
    *out = stack.at(0).toTensor();
  };
  return {{}, run, [=] { return std::vector{(*out)[1][1].item<double>()}; }};
}

Case stream_add() {
  constexpr int64_t kFloats = 32 << 20;  // 128 MB each of two inputs and one output
  const at::Tensor a = at::ones({kFloats}), b = at::ones({kFloats});
  auto out = std::make_shared<at::Tensor>(at::empty({kFloats}));
  return {{}, [=] { at::add_out(*out, a, b); }, [=] { return std::vector{(*out)[7].item<double>()}; }};
}

}  // namespace

void add_calibration(Cases& cases) {
  cases["gemm-mkl"] = [] { return gemm(at::kFloat); };
  cases["gemm-bf16"] = [] { return gemm(at::kBFloat16); };
  cases["gemm-onednn"] = gemm_onednn;
  cases["stream-add"] = stream_add;
}

}  // namespace diptych::benchmark
