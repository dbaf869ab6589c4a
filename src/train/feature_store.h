#pragma once
#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "diptych/model/image_encoder.h"
#include "diptych/train/system.h"

namespace diptych {

/// Hash over an image encoder's options and weights and what a picture goes through before it. 32 hex digits.
std::string image_encoder_fingerprint(const ImageEncoder& image, const Experiment& experiment);

/// What encode_image_features gives, from a file in train.feature_cache_dir if any run computed the same before: same
/// encoder, pictures (their sizes and times of change), view, precision, device, threads, evaluate.batch_size and torch
/// (the last four move last bits). Otherwise computed, and left there for the others. Files are written whole, so that
/// runs may share the folder while they run; what cannot be read is computed again, what cannot be written is done
/// without, and a warning says so.
at::Tensor stored_image_features(System& system, const DataBundle& data, const Experiment& experiment,
                                 const std::vector<int64_t>& image_rows, bool mirror, const std::string& what);

}  // namespace diptych
