#pragma once
#include <functional>
#include <string>

#include "diptych/core/io/fs.h"
#include "diptych/core/tensor/safetensors.h"

namespace diptych {

/// Gives the bytes of the tensor `name` to `sink`, in consecutive pieces.
using TensorFill = std::function<void(const std::string& name, const ByteSink& sink)>;

/// write_safetensors for tensors that memory need not hold: those on the meta device have a type and a shape only, and
/// `fill` gives their bytes. throws ShapeError when their number is not what the shape takes.
void write_safetensors(const TensorFile& file, const TensorFill& fill, const ByteSink& sink);

}  // namespace diptych
