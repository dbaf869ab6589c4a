#include <torch/torch.h>

#include "diptych/core/config_node.h"
#include "diptych/core/tensor/scope.h"
#include "diptych/loss/loss.h"
#include "diptych/model/joint_model.h"
#include "diptych/train/optimizer.h"
#include "formula.h"
#include "server.h"

namespace diptych::benchmark {
namespace {

constexpr int64_t kBatch = 16, kSize = 224, kVocabulary = 10000, kClasses = 11003;

using Parameters = std::vector<std::pair<std::string, at::Tensor>>;

void append(Parameters& all, const std::string& prefix, const torch::nn::Module& module) {
  for (const auto& parameter : module.named_parameters()) all.emplace_back(prefix + parameter.key(), parameter.value());
}

// A component by its registry name, with options as in a configuration file.
template <class R, class... Args>
auto component(R& registry, const std::string& name, const std::string& yaml, Args&&... args) {
  const auto* entry = registry.find(name);
  std::any options = entry->defaults();
  Complaints complaints;
  entry->read(parse_config(yaml, "benchmark"), "", options, complaints);
  complaints.throw_if_any();
  return entry->make(options, args...);
}

std::shared_ptr<ImageEncoder> image_encoder(const std::string& name) {
  ImageEncoderRegistry registry("image_encoder");
  register_image_encoders(registry);
  const auto encoder = registry.make_default(name);
  to_channels_last(*encoder);
  return encoder;
}

at::Tensor images() {
  return noise("image", {kBatch, 3, kSize, kSize}).to(at::kFloat).contiguous(at::MemoryFormat::ChannelsLast);
}

// A training step that starts afresh at every request; checks are the losses of the warm-up step and of the last one.
Case training_step(Parameters parameters, std::function<at::Tensor()> loss_of_batch) {
  struct State {
    std::shared_ptr<Optimizer> optimizer;
    std::vector<double> losses;
  };
  const auto state = std::make_shared<State>();
  const auto reset = [=]() mutable {
    OptimizerRegistry registry("optimizer");
    register_optimizers(registry);
    state->optimizer = component(registry, "adamw", "{lr: 1e-4, weight_decay: 0.01}");
    std::vector<NamedParameter> named;
    for (auto& [name, value] : parameters) {
      fill_parameter(name, value);
      named.push_back({name, value});
    }
    state->optimizer->set_parameters(named);
    state->losses.clear();
  };
  const auto run = [=] {
    state->optimizer->zero_grad();
    const at::Tensor loss = loss_of_batch();
    loss.backward();
    state->optimizer->step(1e-4);
    state->losses.push_back(loss.item<double>());
  };
  return {reset, run, [=] { return std::vector{state->losses.front(), state->losses.back()}; }};
}

Case cmpm_cmpc_step(Precision precision) {
  TextEncoderRegistry texts("text_encoder");
  register_text_encoders(texts);
  HeadRegistry heads("head");
  register_heads(heads);
  ScorerRegistry scorers("scorer");
  register_scorers(scorers);
  LossRegistry losses("loss");
  register_losses(losses);

  const auto image = image_encoder("mobilenet_v1");
  const auto text = texts.make_default("bilstm", TextContext{kVocabulary, {}});
  const auto image_head = component(heads, "linear_bn", "{dim: 512}", HeadContext{image->features()});
  const auto text_head = component(heads, "linear_bn", "{dim: 512}", HeadContext{text->features()});
  const auto model = std::make_shared<JointModel>(image, text, image_head, text_head, scorers.make_default("cosine"));
  const LossContext context{512, kClasses};
  const auto cmpm = losses.make_default("cmpm", context), cmpc = losses.make_default("cmpc", context);
  Parameters parameters;
  append(parameters, "", *model);
  append(parameters, "cmpc.", *cmpc);

  LossInput input;
  input.label = integers("label", {kBatch}, kClasses);
  input.image_row = at::arange(kBatch);
  const at::Tensor photo = images(), length = caption_lengths(kBatch), tokens = caption_tokens(length, kVocabulary);
  return training_step(parameters, [=]() mutable {
    {
      const AutocastScope scope(precision, at::kCPU);
      input.x = model->image_embedding(model->image_features(photo));
      input.y = model->text_embedding(tokens, length);
    }
    return cmpm->forward(input).total + cmpc->forward(input).total;
  });
}

Case mobilenet_v2_step(Precision precision) {
  const auto encoder = image_encoder("mobilenet_v2");
  torch::nn::Linear classifier(encoder->features(), 1000);
  Parameters parameters;
  append(parameters, "", *encoder);
  append(parameters, "fc.", *classifier);
  const at::Tensor photo = images(), label = integers("label", {kBatch}, 1000);
  return training_step(parameters, [=]() mutable {
    at::Tensor logits;
    {
      const AutocastScope scope(precision, at::kCPU);
      logits = classifier->forward(encoder->forward(photo).global);
    }
    return at::cross_entropy_loss(logits.to(at::kFloat), label);
  });
}

}  // namespace

void add_training(Cases& cases) {
  cases["c1"] = [] { return cmpm_cmpc_step(Precision::fp32); };
  cases["c1-bf16"] = [] { return cmpm_cmpc_step(Precision::bf16); };
  cases["c2"] = [] { return mobilenet_v2_step(Precision::fp32); };
  cases["c2-bf16"] = [] { return mobilenet_v2_step(Precision::bf16); };
}

}  // namespace diptych::benchmark
