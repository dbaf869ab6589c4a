#include "model/scorers.h"

#include <torch/torch.h>

#include "diptych/core/tensor/rows.h"
#include "diptych/core/text.h"
#include "model/sm_lstm.h"

namespace diptych {
namespace {

constexpr double kTiny = 1e-10;  // under a root: bounds the gradient at zero by 1e5

at::Tensor squares(const at::Tensor& x) { return x.square().sum(1, true); }  // [N, 1]

void check_embeddings(const at::Tensor& x, const at::Tensor& y, const char* scorer) {
  if (x.dim() != 2 || y.dim() != 2 || x.size(1) != y.size(1))
    throw ShapeError(concat(scorer, ": x ", x.sizes(), " and y ", y.sizes(), ", needed are [N, D] and [M, D]"));
}

}  // namespace

at::Tensor CosineScorer::forward(const at::Tensor& x, const at::Tensor& y) {
  check_embeddings(x, y, "cosine");
  return unit_rows(at_least_float(x)).mm(unit_rows(at_least_float(y)).t());
}

at::Tensor CosineScorer::evidence(const at::Tensor& x, const at::Tensor& y) {
  check_embeddings(x, y, "cosine");
  const at::Tensor wide = at_least_float(x);
  return (wide * (squares(wide) + kTiny).rsqrt().detach()).mm(unit_rows(at_least_float(y)).t());
}

at::Tensor CosineScorer::prepare(const at::Tensor& embeddings, bool) const {
  return unit_rows(embeddings.to(at::kFloat));
}

at::Tensor DotScorer::forward(const at::Tensor& x, const at::Tensor& y) {
  check_embeddings(x, y, "dot");
  return at_least_float(x).mm(at_least_float(y).t());
}

at::Tensor DotScorer::prepare(const at::Tensor& embeddings, bool) const { return embeddings.to(at::kFloat); }

at::Tensor NegL2Scorer::forward(const at::Tensor& x, const at::Tensor& y) {
  check_embeddings(x, y, "neg_l2");
  const at::Tensor a = at_least_float(x), b = at_least_float(y);
  const at::Tensor distance = squares(a) + squares(b).t() - 2 * a.mm(b.t());  // rounding may leave it below 0
  return options_.squared ? -distance : -(distance.clamp_min(0) + kTiny).sqrt();
}

at::Tensor NegL2Scorer::prepare(const at::Tensor& embeddings, bool is_query) const {
  const at::Tensor x = embeddings.to(at::kFloat), one = at::ones({x.size(0), 1}, x.options());
  return is_query ? at::cat({2 * x, -squares(x), -one}, 1) : at::cat({x, one, squares(x)}, 1);
}

PythonPiece CosineScorer::python() const {
  return PythonPiece{{R"py(def cosine_scores(x, y):
    def unit(v):
        return v * (v.square().sum(1, keepdim=True) + 1e-10).rsqrt()

    return unit(x) @ unit(y).T
)py"},
                     "cosine_scores"};
}

PythonPiece DotScorer::python() const {
  return PythonPiece{{"def dot_scores(x, y):\n    return x @ y.T\n"}, "dot_scores"};
}

PythonPiece NegL2Scorer::python() const {
  const std::string score = options_.squared ? "-distance" : "-(distance.clamp_min(0) + 1e-10).sqrt()";
  return PythonPiece{{R"py(def negative_distances(x, y):
    distance = x.square().sum(1, keepdim=True) + y.square().sum(1) - 2 * x @ y.T
    return )py" + score +
                      "\n"},
                     "negative_distances"};
}

void register_scorers(ScorerRegistry& scorers) {
  scorers.add<CosineScorer>("cosine", "cosine of the angle, -1 to 1");
  scorers.add<DotScorer>("dot", "inner product: norms count");
  scorers.add<NegL2Scorer>("neg_l2", "negative (squared) Euclidean distance");
  scorers.add<SmLstm>(
      "sm_lstm", "an LSTM over pairs of image regions and words that attention selects, step by step",
      "Huang, Wang and Wang: Instance-aware image and sentence matching with selective multimodal LSTM, "
      "CVPR 2017");
}

}  // namespace diptych
