#pragma once
#include <torch/nn/modules/linear.h>

#include <array>
#include <vector>

#include "diptych/model/composer.h"

namespace diptych {

enum class PairAggregate { sum, mean };
constexpr auto enum_names(PairAggregate) {
  return std::array{std::pair{PairAggregate::sum, "sum"}, std::pair{PairAggregate::mean, "mean"}};
}

/// Relation network (Santoro et al., NeurIPS 2017, as Vo et al. 2019 use it): f(agg_{a, b} g([a; b; t])) over all
/// ordered pairs of places of the map, a place with itself included. g and f are linear maps with ReLU between them, g
/// also after its last one. g's first layer is W_a a + W_b b + W_t t + b_t, computed place by place, so that the pairs
/// exist only with H channels: memory B (h w)^2 H for each layer of g.
/// Parameters: first_a, first_b, first_text; pair1, ...; out0, ...
class RelationshipComposer : public Composer {
 public:
  struct Options {
    int64_t hidden = 256, pair_layers = 2, out_layers = 2;
    PairAggregate aggregate = PairAggregate::sum;
    static void visit(auto& self, auto& field) {
      field("hidden", self.hidden, "units of every hidden layer of g and f", {.lo = 1, .hi = 16384});
      field("pair_layers", self.pair_layers, "layers of g, which sees every pair of places", {.lo = 1, .hi = 16});
      field("out_layers", self.out_layers, "layers of f, which sees what the pairs give together", {.lo = 1, .hi = 16});
      field("aggregate", self.aggregate,
            "how the pairs are put together: sum (Vo et al. 2019), or mean, whose size does not depend on the map's");
    }
  };
  /// throws UsageError if the image encoder has no map.
  RelationshipComposer(const Options& options, const ComposerContext& context);
  Composed forward(const ComposerInput& input) override;
  ComposerNeeds needs() const override { return {.map = true}; }

 private:
  int64_t dimension_, channels_;
  PairAggregate aggregate_;
  torch::nn::Linear first_a_{nullptr}, first_b_{nullptr}, first_text_{nullptr};
  std::vector<torch::nn::Linear> pair_, out_;
};

}  // namespace diptych
