#pragma once
#include <ATen/core/Tensor.h>

// The parts of t-SNE (diptych/report/tsne.h), apart for their tests.
namespace diptych::tsne_steps {

/// p_j|i of every i, with the entropy of log(perplexity) each. distances [N, N] float64, squared; returns [N, N]
/// float64, rows sum to 1, zero diagonal.
at::Tensor conditional_probabilities(const at::Tensor& distances, double perplexity);
/// P = (p_j|i + p_i|j) / 2N, float64, sum 1.
at::Tensor joint_probabilities(const at::Tensor& conditional);
/// KL(P || Q) of a map [N, 2], in nats.
double divergence(const at::Tensor& joint, const at::Tensor& places);
/// 4 sum_j (exaggeration p_ij - q_ij) (y_i - y_j) / (1 + |y_i - y_j|^2). joint [N, N] float32, places [2, N] float32
/// (a row of x, a row of y); writes gradient [2, N] float32.
void gradient(const at::Tensor& joint, const at::Tensor& places, double exaggeration, at::Tensor& out);

}  // namespace diptych::tsne_steps
