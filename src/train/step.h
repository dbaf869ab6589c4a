#pragma once
#include <optional>
#include <string>
#include <vector>

#include "diptych/core/io/json.h"
#include "diptych/train/system.h"
#include "train/active_stage.h"

namespace diptych {

/// Images and captions of a batch (on the system's device) through the model and the objective. Cached features in
/// batch.image skip the image encoder; a frozen encoder builds no graph. With stage.candidates the captions that a loss
/// chooses for this step pass through the text encoder behind the batch's own.
ObjectiveValue forward_batch(System& system, const Batch& batch, const ActiveStage& stage, Precision precision,
                             int64_t step, double epoch);

/// Global L2 norm over all gradients, in the order of the parameters: a fixed order gives fixed bits.
double gradient_norm(const std::vector<NamedParameter>& parameters);
void scale_gradients(const std::vector<NamedParameter>& parameters, double factor);

/// A value that is not finite: the sentence for the user and the record for nonfinite-step-N.json.
struct NonFinite {
  std::string message, hint;
  Json report;
};
/// Looks at the objective's value, and after backward at the gradient's norm. `batch` names the samples.
std::optional<NonFinite> find_nonfinite(const ObjectiveValue& value, const Corpus& corpus, const Batch& batch);
std::optional<NonFinite> find_nonfinite(double norm, const std::vector<NamedParameter>& parameters,
                                        const Corpus& corpus, const Batch& batch);

}  // namespace diptych
