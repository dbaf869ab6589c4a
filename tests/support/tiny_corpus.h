#pragma once
#include <filesystem>
#include <string>

#include "support/process.h"

namespace diptych::testing {

/// A small generated corpus in `directory`/set and a configuration that trains on it in seconds: dropout, BatchNorm,
/// word dropout and random crops are on, so that every random stream matters. One thread: of two, half the time would
/// be spent on waiting for each other.
inline std::string write_tiny_config(const std::filesystem::path& directory, const std::string& extra = "") {
  const auto made = run_program({"data", "synth", "shapes", "-o", "set", "--images", "64"}, directory);
  if (made.exit_code != 0) throw std::runtime_error("data synth failed: " + made.err);
  const std::string config = R"(experiment: tiny
seed: 3
threads: 1
data:
  corpus: {type: jsonl, root: set, annotations: set.jsonl}
  image: {height: 32, width: 32, resize: random_resized_crop, min_area: 0.6, flip: false, normalise: half}
  text: {min_count: 1}
model:
  image: {type: mobilenet_v2, width: 0.1, dropout: 0.1}
  text: {type: bilstm, word_dim: 16, hidden: 16, input_dropout: 0.2, word_dropout: 0.1}
  image_head: {type: linear_bn, dim: 16}
  text_head: {type: linear_bn, dim: 16}
objective: [{type: cmpm}, {type: cmpc, weight: 0.5}]
train:
  batch_size: 16
  on_collapse: warn
  ema: {decay: 0.9}
  checkpoint: {every_steps: 3, keep: 3}
  stages:
    - {name: first, epochs: 1, optim: {type: adam, lr: 1e-2}, warmup_epochs: 0.5}
    - {name: heads, epochs: 1, freeze: [model.image], augment: none, optim: {type: adamw, lr: 1e-3, weight_decay: 1e-2}}
    - {name: all, epochs: 1, optim: {type: sgd, lr: 1e-2, nesterov: true}, schedule: {type: cosine}}
evaluate:
  protocol: {type: shapes}
log: {every_steps: 1}
)" + extra;
  std::ofstream(directory / "tiny.yaml") << config;
  return config;
}

}  // namespace diptych::testing
