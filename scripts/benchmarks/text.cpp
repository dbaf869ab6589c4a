#include <torch/torch.h>

#include "diptych/core/tensor/scope.h"
#include "diptych/model/text_encoder.h"
#include "formula.h"
#include "server.h"

namespace diptych::benchmark {
namespace {

constexpr int64_t kVocabulary = 10000, kBatches = 4, kBatch = 64;

struct Captions {
  at::Tensor tokens, length, weight;  // weight [B, 1024]: what each caption's features are multiplied with
};

// Batches of captions in their own order, or sorted by length first (length bucketing).
std::vector<Captions> batches(bool sorted) {
  const int64_t count = kBatches * kBatch;
  const at::Tensor length = caption_lengths(count), tokens = caption_tokens(length, kVocabulary);
  const at::Tensor weight = noise("c8.weight", {count, 1024}).to(at::kFloat);
  const at::Tensor order = sorted ? length.argsort(/*stable=*/true, 0) : at::arange(count);
  std::vector<Captions> made;
  for (const at::Tensor& rows : order.split(kBatch)) {
    const at::Tensor own = length.index_select(0, rows);
    const int64_t longest = own.max().item<int64_t>();
    made.push_back(
        {tokens.index_select(0, rows).narrow(1, 0, longest).contiguous(), own, weight.index_select(0, rows)});
  }
  return made;
}

// Forward and backward of four batches. The loss is a sum over captions, so batches may be composed in any way.
Case bilstm_step(bool sorted, Precision precision) {
  static TextEncoderRegistry registry("text_encoder");
  if (!registry.find("bilstm")) register_text_encoders(registry);
  const auto encoder = registry.make_default("bilstm", TextContext{kVocabulary, {}});
  std::vector<std::pair<std::string, at::Tensor>> parameters;
  for (const auto& parameter : encoder->named_parameters()) parameters.emplace_back(parameter.key(), parameter.value());
  fill(parameters);
  const auto data = batches(sorted);
  auto loss_sum = std::make_shared<double>(0);
  const auto run = [=] {
    *loss_sum = 0;
    encoder->zero_grad();
    for (const Captions& batch : data) {
      at::Tensor loss;
      {
        const AutocastScope scope(precision, at::kCPU);
        loss = (encoder->forward(batch.tokens, batch.length).global * batch.weight).sum() / kBatch;
      }
      loss.backward();
      *loss_sum += loss.item<double>();
    }
  };
  const auto check = [=] {
    double squares = 0;
    for (const auto& [name, value] : parameters) squares += value.grad().to(at::kDouble).square().sum().item<double>();
    return std::vector{*loss_sum, std::sqrt(squares)};
  };
  return {{}, run, check};
}

}  // namespace

void add_text(Cases& cases) {
  cases["c8"] = [] { return bilstm_step(true, Precision::fp32); };
  cases["c8-shuffled"] = [] { return bilstm_step(false, Precision::fp32); };
  cases["c8-bf16"] = [] { return bilstm_step(true, Precision::bf16); };
}

}  // namespace diptych::benchmark
