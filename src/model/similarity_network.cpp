#include "model/similarity_network.h"

#include <torch/torch.h>

#include <algorithm>

#include "diptych/core/tensor/recompute.h"
#include "diptych/core/tensor/rows.h"
#include "diptych/core/text.h"

namespace diptych {
namespace {

/// {x [n, D], y [m, D], weight, bias, ...} -> {scores [n, m]}.
std::vector<at::Tensor> similarity_tile(const std::vector<at::Tensor>& in) {
  at::Tensor z = in[0].unsqueeze(1) * in[1].unsqueeze(0);  // [n, m, D]
  for (size_t i = 2; i < in.size(); i += 2) {
    z = at::linear(z, in[i], in[i + 1]);
    if (i + 2 < in.size()) z = z.relu();
  }
  return {z.squeeze(2)};
}

}  // namespace

SimilarityNetwork::SimilarityNetwork(const Options& options, const ScorerContext& context) : options_(options) {
  const auto layers = register_module("layers", std::make_shared<torch::nn::Module>());
  std::vector<int64_t> sizes{context.dimension};
  sizes.insert(sizes.end(), options.hidden.begin(), options.hidden.end());
  sizes.push_back(1);
  for (size_t i = 0; i + 1 < sizes.size(); ++i) {
    const torch::nn::Linear layer(sizes[i], sizes[i + 1]);
    layers->register_module(std::to_string(i), layer);
    layers_.insert(layers_.end(), {layer->weight, layer->bias});
  }
}

PairScores SimilarityNetwork::pairs(const Encoded& x, const Encoded& y) {
  const auto fits = [](const at::Tensor& side) { return side.defined() && side.dim() == 2 && side.size(0) > 0; };
  if (!fits(x.global) || !fits(y.global) || x.global.size(1) != layers_[0].size(1) ||
      y.global.size(1) != layers_[0].size(1))
    throw ShapeError(concat("similarity_network: x ", x.global.defined() ? concat(x.global.sizes()) : "nothing",
                            " and y ", y.global.defined() ? concat(y.global.sizes()) : "nothing", ", needed are [N, ",
                            layers_[0].size(1), "] and [M, ", layers_[0].size(1), "], N and M at least 1"));
  const int64_t n = x.global.size(0), m = y.global.size(0);
  const int64_t cols = std::min(m, options_.tile_pairs), rows = std::max<int64_t>(1, options_.tile_pairs / cols);
  std::vector<at::Tensor> bands;
  for (int64_t i = 0; i < n; i += rows) {
    std::vector<at::Tensor> band;
    for (int64_t j = 0; j < m; j += cols) {
      std::vector<at::Tensor> in{x.global.narrow(0, i, std::min(rows, n - i)),
                                 y.global.narrow(0, j, std::min(cols, m - j))};
      in.insert(in.end(), layers_.begin(), layers_.end());
      band.push_back((rows >= n && cols == m ? similarity_tile(in) : recomputed(similarity_tile, in))[0]);
    }
    bands.push_back(at::cat(band, 1));
  }
  return {at_least_float(at::cat(bands, 0))};
}

std::string SimilarityNetwork::describe() const {
  return concat("similarity_network of ", options_.hidden.size(), " hidden layers");
}

}  // namespace diptych
