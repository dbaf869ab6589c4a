#pragma once
#include <torch/nn/module.h>

#include <optional>

#include "diptych/core/registry.h"
#include "diptych/loss/functional.h"

namespace diptych {

/// What a loss sees of a batch.
struct LossInput {
  at::Tensor x, y;       // [B, D] embeddings, not normalised; x images, y texts. x may be wider queries (artemis)
  at::Tensor scores;     // [B, B] of the model's scorer, rows x; undefined unless a loss needs it
  at::Tensor penalty;    // [B, B] of a scorer that attends to parts of image and text (model/pair_scorer.h)
  at::Tensor label;      // [B] int64: equal labels = a match
  at::Tensor image_row;  // [B] int64: equal rows = the same image
  // Composed retrieval only: what the queries x were made of, [B, D] embeddings of source images and of texts.
  at::Tensor source, text;
  at::Tensor source_row;   // [B] int64: equal rows = the same source image
  at::Tensor back_scores;  // [B, B], rows y with the change of its text taken back (Composer::undo), columns source;
                           // undefined unless a loss needs it, and where the composer has no way back
  // Captions that a loss chose beside the batch (Loss::choose), M of them; undefined where none does. They went through
  // the network with the batch's captions, and get gradients like those.
  at::Tensor chosen;                  // [M, D] embeddings
  at::Tensor chosen_scores;           // [B, M] of the scorer
  at::Tensor chosen_label;            // [M] int64
  std::optional<double> text_weight;  // of the running stage, for a loss that weighs_text(); none: the loss's own
  int64_t step = 0;                   // optimiser steps since the start of the run
  double epoch = 0;                   // epochs since the start of the run, fractional
};

/// What a loss chooses further captions from: K of the training split, drawn anew for every step.
struct Candidates {
  at::Tensor scores;           // [B, K] with the images of the batch, of the network in test mode; no gradients
  at::Tensor label;            // [B] int64
  at::Tensor candidate_label;  // [K] int64
};

/// One term of the objective. Registry "loss". Owns its classifier, if it has one: parameters of a loss are trained and
/// saved like any other.
class Loss : public torch::nn::Module {
 public:
  virtual LossValue forward(const LossInput& input) = 0;
  /// What it needs: embeddings (CMPM, CMPC, instance), or only scores (ranking losses; serve pairwise networks too).
  virtual bool needs_embeddings() const = 0;
  virtual bool needs_scores() const = 0;
  /// True if it reads back_scores.
  virtual bool needs_back_scores() const { return false; }
  /// K, for a loss that looks beyond the captions of the batch; 0: it does not.
  virtual int64_t candidates() const { return 0; }
  /// Which candidates it takes, [M] int64 in 0..K-1. Called before forward, whose input holds them, if candidates() >
  /// 0.
  virtual at::Tensor choose(const Candidates&) const { return {}; }
  /// True if it has a weight of its text side that a stage may replace (LossInput::text_weight).
  virtual bool weighs_text() const { return false; }
  /// True if `label` must lie in [0, classes).
  virtual bool classifies() const { return false; }
};

struct LossContext {
  int64_t dimension;  // D
  int64_t classes;    // labels of training images are 0..classes-1
};
using LossRegistry = Registry<Loss, const LossContext&>;
void register_losses(LossRegistry& losses);

}  // namespace diptych
