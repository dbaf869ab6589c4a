#pragma once
#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <vector>

#include "diptych/model/joint_model.h"

namespace diptych {

// What in a picture and in a text speaks for their similarity s. All in evaluation mode, whatever the module's mode;
// no parameter's gradient is touched.

/// The last feature map A of one image and how s changes with it, the length of the image's embedding taken as given
/// (Scorer::evidence). With the slope of the cosine itself, a shape that makes up the whole embedding would seem to
/// speak neither for nor against a text that names it.
struct MapGradient {
  at::Tensor map, gradient;  // [C, h, w] each; gradient = ds / dA
  double score;
};
/// image [1, 3, H, W] and JointModel::text_view of one text, on the model's device. throws ShapeError if the encoder's
/// pool() does not lead from its map to its features.
MapGradient map_gradient(JointModel& model, const at::Tensor& image, const Encoded& text);

/// Grad-CAM of the similarity (Selvaraju et al., ICCV 2017), without its last step, the cut at zero:
///
///   relevance_p = sum_c alpha_c A_cp ,   alpha_c = mean_p ds / dA_cp            -> [h, w]
at::Tensor grad_cam(const MapGradient& gradient);
/// The same with the gradient of each place instead of its mean (HiResCAM; Draelos and Carin, arXiv:2011.08891):
///
///   relevance_p = sum_c (ds / dA_cp) A_cp                                         -> [h, w]
///
/// Equal to Grad-CAM when pooling is a mean over all places. When pooling keeps places apart (grid, max) only this one
/// is the first-order contribution of each place.
at::Tensor place_relevance(const MapGradient& gradient);

/// The same in closed form, for pooling that is linear, an image head that is affine, and any differentiable scorer:
/// features f = pool(A), x = W f + b, g = ds/dx with |x| taken as given (for the cosine: y' / |x|, y' = y / |y|), so
///
///   relevance_p = sum_c A_cp sum_i P_ip (W^T g)_ci ,   P = ImageEncoder::place_weights
///
/// which costs one product of matrices for all texts together. map [C, h, w] of one image, texts [M, D] -> [M, h, w];
/// nothing if pooling or head are not linear, or a PairScorer compares.
std::optional<at::Tensor> closed_form_relevance(JointModel& model, const at::Tensor& map, const at::Tensor& texts);

/// How much each word of a text counts.
struct WordRelevance {
  std::vector<double> left_out;  // s(whole text) - s(text without the word); the only word of a text has s itself
  std::vector<double> gradient;  // word vector times ds / d(word vector); empty if the encoder has no word vectors
  double score = 0;
};
/// tokens [L] of one text and JointModel::image_view of one image, on the model's device.
WordRelevance word_relevance(JointModel& model, const at::Tensor& tokens, const Encoded& image);

/// A map of attention that a model computes: which place of the image a word looks at, or one map for the whole text.
struct AttentionMap {
  std::string name;    // "step 1", or the word
  at::Tensor weights;  // [h, w], non-negative
  at::Tensor words;    // [L], how much each word was looked at in the same step; undefined: not known
};
/// What an encoder with attention derives from in addition; explanations ask for it. (A PairScorer has its own way.)
class AttentionSource {
 public:
  virtual ~AttentionSource() = default;
  /// Of one image [1, 3, H, W] and one text, tokens [1, L], length [1].
  virtual std::vector<AttentionMap> attention(const at::Tensor& image, const at::Tensor& tokens,
                                              const at::Tensor& length) = 0;
};
/// The maps of a PairScorer and of every part of the model that is an AttentionSource; none for models without
/// attention.
std::vector<AttentionMap> attention_maps(JointModel& model, const at::Tensor& image, const at::Tensor& tokens,
                                         const at::Tensor& length);

}  // namespace diptych
