#pragma once
#include <cstdint>
#include <vector>

#include "diptych/core/tensor/scope.h"
#include "diptych/train/system.h"

namespace diptych {

/// Captions as a text encoder reads them, and whose they are. Undefined tensors: none.
struct LabelledCaptions {
  at::Tensor tokens, length, label;  // [n, L] int64 padded with zeros, [n] int64, [n] int64
};

/// Captions of the training split among which a loss looks for some beside its batch (Loss::candidates).
class CandidateCaptions {
 public:
  /// caption_rows: of the training split, or of the part of it that trains. Keeps references to `data` and `loss`.
  CandidateCaptions(const DataBundle& data, std::vector<int64_t> caption_rows, const Loss& loss, uint64_t seed);

  /// The candidates of a step, on the CPU: drawn with replacement, a pure function of (seed, step), so that a resumed
  /// run sees the same. Accumulated batches of one step share them.
  LabelledCaptions draw(int64_t step) const;

  /// Those of the step's candidates that the loss takes for a batch, on the system's device. The network looks at
  /// images and candidates in test mode, at each text once, without gradients; modes and generators stay as they are.
  /// Call outside of autocast: it would keep the casts that have no gradients.
  LabelledCaptions choose(System& system, const Batch& batch, Precision precision, int64_t step) const;

 private:
  const DataBundle& data_;
  std::vector<int64_t> caption_rows_;
  const Loss& loss_;
  uint64_t seed_;
};

}  // namespace diptych
