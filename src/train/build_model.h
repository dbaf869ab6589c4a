#pragma once
#include <memory>

#include "diptych/model/joint_model.h"
#include "diptych/train/experiment.h"

namespace diptych {

/// Encoders, heads and scorer as configured, with the image encoder's pretrained weights if asked; on the CPU. throws
/// UsageError for combinations that cannot work.
std::shared_ptr<JointModel> build_model(const Experiment& experiment, const TextContext& context, bool load_pretrained);

}  // namespace diptych
