#pragma once
#include <filesystem>
#include <string>

#include "diptych/core/tensor/safetensors.h"
#include "diptych/train/trained_model.h"

namespace diptych {

/// Writes a trained model for Python, a folder that appears whole or not at all:
///
///   model.safetensors          all weights: image.*, image_head.*, text.*, text_head.*
///   image_encoder.safetensors  the image encoder's alone, under torchvision's names, without a classifier
///   diptych_model.py           rebuilds the model with torch alone and gives the same embeddings; made of the pieces
///                              that the components bring (model/python_piece.h)
///   vocabulary.txt, config.yaml, export.json, MANIFEST.json
///
/// Weights are float32; a run in bf16 is exported, and computes in Python, in fp32. throws UsageError (exit 2) naming a
/// component that has no Python form, and when `folder` exists and is not empty; OutputError.
void export_model(const TrainedModel& trained, const std::filesystem::path& folder);

/// The text of diptych_model.py. throws UsageError as above.
std::string python_module(const TrainedModel& trained);
/// What image_encoder.safetensors holds.
TensorFile image_encoder_weights(const TrainedModel& trained);

}  // namespace diptych
