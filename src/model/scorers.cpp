#include "model/scorers.h"

#include <torch/torch.h>

#include "diptych/core/tensor/rows.h"
#include "diptych/core/text.h"
#include "model/artemis.h"
#include "model/similarity_network.h"
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

at::Tensor NegL2Scorer::from_products(const at::Tensor& products) const {
  return options_.squared ? products : -((-products).clamp_min(0) + kTiny).sqrt();
}

NormScaleScorer::NormScaleScorer(const Options& options, const ScorerContext& context)
    : options_(options), scale_(register_parameter("scale", at::scalar_tensor(options.scale, at::kFloat))) {
  if (options.kernel == ScaledKernel::dot)
    kernel_ = std::make_shared<DotScorer>(DotScorer::Options{}, context);
  else
    kernel_ = std::make_shared<NegL2Scorer>(NegL2Scorer::Options{options.squared}, context);
}

at::Tensor NormScaleScorer::forward(const at::Tensor& x, const at::Tensor& y) {
  check_embeddings(x, y, "norm_scale");
  return kernel_->forward(scale_ * unit_rows(at_least_float(x)), scale_ * unit_rows(at_least_float(y)));
}

at::Tensor NormScaleScorer::evidence(const at::Tensor& x, const at::Tensor& y) {
  check_embeddings(x, y, "norm_scale");
  const at::Tensor wide = at_least_float(x), shrink = inverse_or_zero(squares(wide)).detach();
  return kernel_->forward(scale_ * (wide * shrink), scale_ * unit_rows(at_least_float(y)));
}

at::Tensor NormScaleScorer::prepare(const at::Tensor& embeddings, bool is_query) const {
  const at::Tensor scale = scale_.detach().to(embeddings.device());  // embeddings lie on the CPU
  return kernel_->prepare(scale * unit_rows(embeddings.to(at::kFloat)), is_query);
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

PythonPiece NormScaleScorer::python() const {
  const std::string distance = "x.square().sum(1, keepdim=True) + y.square().sum(1) - 2 * x @ y.T";
  const std::string score = options_.kernel == ScaledKernel::dot ? "x @ y.T"
                            : options_.squared                   ? "-(" + distance + ")"
                                                                 : "-((" + distance + ").clamp_min(0) + 1e-10).sqrt()";
  return PythonPiece{{concat(R"py(def norm_scale_scores(x, y):
    def scaled(v):
        norm = v.norm(dim=1, keepdim=True)
        return torch.where(norm < 1e-8, torch.zeros_like(v), )py",
                             scale_.item<double>(), R"py( * v / norm.clamp_min(1e-8))

    x, y = scaled(x), scaled(y)
    return )py",
                             score, "\n")},
                     "norm_scale_scores"};
}

void register_scorers(ScorerRegistry& scorers) {
  scorers.add<CosineScorer>("cosine", "cosine of the angle, -1 to 1");
  scorers.add<DotScorer>("dot", "inner product: norms count");
  scorers.add<NegL2Scorer>("neg_l2", "negative (squared) Euclidean distance");
  scorers.add<NormScaleScorer>("norm_scale", "inner product or negative distance of unit rows times one learned number",
                               "Vo et al.: Composing text and image for image retrieval, CVPR 2019");
  scorers.add<SimilarityNetwork>("similarity_network", "layers over the product of two embeddings, element by element",
                                 "Wang, Li, Huang and Lazebnik: Learning two-branch neural networks for image-text "
                                 "matching tasks, TPAMI 2018");
  scorers.add<SmLstm>(
      "sm_lstm", "an LSTM over pairs of image regions and words that attention selects, step by step",
      "Huang, Wang and Wang: Instance-aware image and sentence matching with selective multimodal LSTM, "
      "CVPR 2017");
  scorers.add<ArtemisScorer>("artemis", "images against the queries of composer artemis, in dimensions the text weighs",
                             "Delmas et al.: ARTEMIS: attention-based retrieval with text-explicit matching and "
                             "implicit similarity, ICLR 2022");
}

}  // namespace diptych
