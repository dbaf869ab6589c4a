#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

namespace diptych {

struct TsneOptions {
  double perplexity = 30;  // lowered to (N - 1) / 3 for fewer points than that needs
  int64_t iterations = 1000, exaggerated_iterations = 250;
  double exaggeration = 12;
  double learning_rate = 0;  // 0: max(N / (4 exaggeration), 50)
};

struct TsneMap {
  at::Tensor places;        // [N, 2] float32
  double divergence = 0;    // KL(P || Q) at the end, in nats
  double perplexity = 0;    // as used
  double exaggeration = 0;  // as used
  int64_t iterations = 0;
};

/// Exact t-SNE (van der Maaten and Hinton, JMLR 2008): a plane in which near points stay near.
///
///   p_j|i ~ exp(-b_i |x_i - x_j|^2), b_i by bisection so that the entropy of p_.|i is log(perplexity)
///   p_ij = (p_j|i + p_i|j) / 2N        q_ij ~ 1 / (1 + |y_i - y_j|^2)
///   gradient of KL(P || Q):  4 sum_j (p_ij - q_ij) (y_i - y_j) / (1 + |y_i - y_j|^2)
///
/// Start: the first two principal components, scaled to a standard deviation of 1e-4. Descent with momentum 0.5 and
/// then 0.8, gains per coordinate (+0.2, x0.8, at least 0.01), p exaggerated for the first iterations. All of this is
/// the algorithm of scikit-learn 1.x (`method="exact"`, `init="pca"`), whose defaults these are, but for one thing:
/// points without clusters, as many embeddings are, collapse into one under full exaggeration (near the start the map
/// grows only along eigenvectors of P whose eigenvalue exceeds (1 - 1 / exaggeration) / N); when that is seen, the
/// exaggeration is halved and the map starts anew. Every pair is visited in each iteration, so that time is 2 N^2 times
/// the iterations; equal points and threads of any number give equal bits on one kind of processor.
///
/// points    [N, D], any float type; memory about 30 N^2 bytes
/// progress  called about every 50 iterations with the number done; may throw to stop (signals)
/// returns   the map; of fewer than 4 points, or of points that are all equal, the principal components
/// throws    ShapeError unless points is a finite matrix with N >= 1 and perplexity > 1
TsneMap tsne(const at::Tensor& points, const TsneOptions& options = {},
             const std::function<void(int64_t)>& progress = {});

}  // namespace diptych
