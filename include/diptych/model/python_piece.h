#pragma once
#include <string>
#include <vector>

namespace diptych {

/// How a component is rebuilt in Python by `diptych export`: PyTorch source that has the same parameters under the same
/// names and computes the same in evaluation mode.
struct PythonPiece {
  /// Imports aside, what stands at module level: classes and functions, in order of need. `torch`, `nn` (torch.nn) and
  /// `F` (torch.nn.functional) are imported. A definition that several components bring is written once.
  std::vector<std::string> definitions;
  /// Makes the module: "MobileNetV2(width=0.25, pool=ImagePool('mean'))". For a scorer, the name of a function of two
  /// tensors.
  std::string expression;
};

/// What a component that can be exported is too; the generator knows none of them by name.
class PythonForm {
 public:
  virtual ~PythonForm() = default;
  /// An image encoder's module takes image [B, 3, H, W], a text encoder's (tokens [B, L], length [B]), a head's
  /// features [B, F]; a scorer's function takes x [N, D] and y [M, D].
  virtual PythonPiece python() const = 0;
};

}  // namespace diptych
