#include "model/sm_lstm.h"

#include <torch/torch.h>

#include <limits>

#include "diptych/core/tensor/recompute.h"
#include "diptych/core/text.h"

namespace diptych {
namespace {

bool attends(SmVariant variant) { return variant == SmVariant::full || variant == SmVariant::att; }

/// Everything that a tile needs, in and out of a list of tensors (recompute.h wants one).
struct TileInput {
  struct Side {
    at::Tensor key, context, value, mask;        // SmSide::Prepared
    at::Tensor state_weight, state_bias, query;  // SmSide::step_parameters
  };
  Side x, y;
  at::Tensor weight_ih, weight_hh, bias_ih, bias_hh;
  at::Tensor similarity_weight, similarity_bias, output_weight, output_bias, score_weight, score_bias;

  static void each(auto& self, auto&& visit) {
    for (auto* side : {&self.x, &self.y})
      for (auto* tensor : {&side->key, &side->context, &side->value, &side->mask, &side->state_weight,
                           &side->state_bias, &side->query})
        visit(*tensor);
    for (auto* tensor :
         {&self.weight_ih, &self.weight_hh, &self.bias_ih, &self.bias_hh, &self.similarity_weight,
          &self.similarity_bias, &self.output_weight, &self.output_bias, &self.score_weight, &self.score_bias})
      visit(*tensor);
  }
  std::vector<at::Tensor> list() const {
    std::vector<at::Tensor> out;
    each(*this, [&](const at::Tensor& tensor) { out.push_back(tensor); });
    return out;
  }
  static TileInput of(const std::vector<at::Tensor>& list) {
    TileInput out;
    size_t next = 0;
    each(out, [&](at::Tensor& tensor) { tensor = list[next++]; });
    return out;
  }
};

/// Weights of the places of `side` for each of its n items and each of m partners: [n, m, R]. state [n, m, H]: the
/// LSTM's memory of each pair.
at::Tensor look(const TileInput::Side& side, const at::Tensor& state, Modulation modulation) {
  const at::Tensor memory = at::linear(state, side.state_weight, side.state_bias);  // [n, m, K]
  at::Tensor logits;                                                                // [n, m, R]
  if (modulation == Modulation::joint) {
    at::Tensor sum = side.key.unsqueeze(1) + memory.unsqueeze(2);  // [n, m, R, K]
    if (side.context.defined()) sum = sum + side.context.unsqueeze(1).unsqueeze(2);
    logits = at::linear(sum.sigmoid(), side.query).squeeze(3);
  } else if (modulation == Modulation::product) {
    at::Tensor query = memory.sigmoid() * side.query[0];
    if (side.context.defined()) query = query * side.context.unsqueeze(1);
    logits = at::bmm(query, side.key.transpose(1, 2));
  } else {
    logits = at::linear(memory.sigmoid(), side.query) + at::linear(side.key, side.query).transpose(1, 2);
    if (side.context.defined()) logits = logits + at::linear(side.context, side.query).unsqueeze(1);
  }
  return logits.to(at::promote_types(logits.scalar_type(), at::kFloat))
      .masked_fill(~side.mask.unsqueeze(1), -std::numeric_limits<double>::infinity())
      .softmax(2);
}

/// The same weight for every place, in the form of look().
at::Tensor uniform(const at::Tensor& mask, int64_t partners, at::ScalarType type) {
  const at::Tensor share = mask.to(type) / mask.sum(1, true).to(type);
  return share.unsqueeze(1).expand({mask.size(0), partners, mask.size(1)});
}

/// sum over the places of (1 - covered)^2, padding aside. covered [n, m, R] -> [n, m].
at::Tensor uneven(const at::Tensor& covered, const at::Tensor& mask) {
  return ((1 - covered).square() * mask.unsqueeze(1)).sum(2);
}

/// One tile's T steps.
class Steps {
 public:
  Steps(const TileInput& input, const SmLstm::Options& options)
      : in_(input),
        options_(options),
        images_(in_.x.value.size(0)),
        texts_(in_.y.value.size(0)),
        hidden_(at::zeros({images_ * texts_, options.hidden},
                          in_.x.value.options().dtype(at::promote_types(in_.x.value.scalar_type(), at::kFloat)))),
        cell_(hidden_) {}

  /// [n, m, R] of the images and [m, n, L] of the texts; undefined for ctx.
  std::pair<at::Tensor, at::Tensor> next() {
    const at::Tensor memory = hidden_.view({images_, texts_, -1});
    at::Tensor p, q, seen, read;
    if (options_.variant == SmVariant::ctx) {
      seen = in_.x.value.expand({images_, texts_, -1}), read = in_.y.value.expand({texts_, images_, -1});
    } else {
      p = looked(in_.x, memory), q = looked(in_.y, memory.transpose(0, 1));
      seen = at::bmm(p, in_.x.value), read = at::bmm(q, in_.y.value);
    }
    const at::Tensor both = seen.sigmoid() + read.sigmoid().transpose(0, 1);  // [n, m, H]
    const at::Tensor similar = at::linear(both, in_.similarity_weight, in_.similarity_bias).sigmoid();
    std::tie(hidden_, cell_) = at::lstm_cell(similar.reshape({images_ * texts_, -1}), {hidden_, cell_}, in_.weight_ih,
                                             in_.weight_hh, in_.bias_ih, in_.bias_hh);
    return {p, q};
  }
  at::Tensor scores() const {
    const at::Tensor output = at::linear(hidden_, in_.output_weight, in_.output_bias).sigmoid();
    return at::linear(output, in_.score_weight, in_.score_bias).view({images_, texts_});
  }

 private:
  at::Tensor looked(const TileInput::Side& side, const at::Tensor& memory) const {
    return attends(options_.variant) ? look(side, memory, options_.modulation)
                                     : uniform(side.mask, memory.size(1), side.value.scalar_type());
  }

  const TileInput& in_;
  const SmLstm::Options& options_;
  int64_t images_, texts_;
  at::Tensor hidden_, cell_;  // [n * m, H]
};

/// Scores and, of variants with attention, penalties: [n, m] each.
std::vector<at::Tensor> score_tile(const TileInput& input, const SmLstm::Options& options) {
  Steps steps(input, options);
  at::Tensor covered_x, covered_y;
  for (int64_t t = 0; t < options.steps; ++t) {
    const auto [p, q] = steps.next();
    if (!attends(options.variant)) continue;
    covered_x = covered_x.defined() ? covered_x + p : p;
    covered_y = covered_y.defined() ? covered_y + q : q;
  }
  const at::Tensor scores = steps.scores();
  if (!attends(options.variant)) return {scores};
  return {scores, uneven(covered_x, input.x.mask) + uneven(covered_y, input.y.mask).t()};
}

void check_side(const Encoded& side, const char* name) {
  const bool fits = side.global.defined() && side.local.defined() && side.mask.defined() && side.local.dim() == 3 &&
                    side.global.dim() == 2 && side.mask.sizes() == side.local.sizes().slice(0, 2) &&
                    side.global.size(0) == side.local.size(0) && side.local.numel() > 0;
  if (!fits)
    throw ShapeError(concat("sm_lstm: ", name,
                            " needs global [N, D], local [N, R, C] and mask [N, R], N and R at "
                            "least 1; given are ",
                            side.global.defined() ? concat(side.global.sizes()) : "nothing", ", ",
                            side.local.defined() ? concat(side.local.sizes()) : "nothing", " and ",
                            side.mask.defined() ? concat(side.mask.sizes()) : "nothing"));
}

SmSide::Prepared narrowed(const SmSide::Prepared& side, int64_t first, int64_t count) {
  const auto part = [&](const at::Tensor& tensor) {
    return tensor.defined() ? tensor.narrow(0, first, count) : tensor;
  };
  return {part(side.key), part(side.context), part(side.value), part(side.mask)};
}

TileInput::Side tile_side(const SmSide::Prepared& prepared, const SmSide& side) {
  const std::vector<at::Tensor> parameters = side.step_parameters();
  return {prepared.key, prepared.context, prepared.value, prepared.mask, parameters[0], parameters[1], parameters[2]};
}

}  // namespace

SmSide::SmSide(const Sizes& sizes, SmVariant variant, Modulation modulation)
    : variant_(variant),
      modulation_(modulation),
      value_(register_module(
          "value", torch::nn::Linear(variant == SmVariant::ctx ? sizes.context : sizes.local, sizes.hidden))) {
  if (!attends(variant)) return;
  key_ = register_module("key", torch::nn::Linear(sizes.local, sizes.attention));
  if (variant == SmVariant::full)
    context_ = register_module("context", torch::nn::Linear(sizes.context, sizes.attention));
  state_ = register_module("state", torch::nn::Linear(sizes.hidden, sizes.attention));
  query_ = register_module("query", torch::nn::Linear(torch::nn::LinearOptions(sizes.attention, 1).bias(false)));
}

SmSide::Prepared SmSide::prepare(const Encoded& side) const {
  const auto through = [](const torch::nn::Linear& layer, const at::Tensor& x) {
    return at::linear(x, layer->weight, layer->bias);
  };
  const auto activated = [&](const at::Tensor& x) { return modulation_ == Modulation::joint ? x : x.sigmoid(); };
  Prepared out;
  out.mask = side.mask;
  out.value = variant_ == SmVariant::ctx ? through(value_, side.global).unsqueeze(1) : through(value_, side.local);
  if (key_) out.key = activated(through(key_, side.local));
  if (context_) out.context = activated(through(context_, side.global));
  return out;
}

std::vector<at::Tensor> SmSide::step_parameters() const {
  if (!attends(variant_)) return {{}, {}, {}};
  return {state_->weight, state_->bias, query_->weight};
}

SmLstm::SmLstm(const Options& options, const ScorerContext& context)
    : options_(options),
      image_(register_module("image", std::make_shared<SmSide>(SmSide::Sizes{context.image_local, context.dimension,
                                                                             options.attention, options.hidden},
                                                               options.variant, options.modulation))),
      text_(register_module("text", std::make_shared<SmSide>(SmSide::Sizes{context.text_local, context.dimension,
                                                                           options.attention, options.hidden},
                                                             options.variant, options.modulation))),
      similarity_(register_module("similarity", torch::nn::Linear(options.hidden, options.hidden))),
      output_(register_module("output", torch::nn::Linear(options.hidden, options.hidden))),
      score_(register_module("score", torch::nn::Linear(options.hidden, 1))) {
  const double bound = 1 / std::sqrt(static_cast<double>(options.hidden));  // torch.nn.LSTM's
  const auto add = [&](const std::string& name, at::IntArrayRef sizes) {
    return register_parameter(name, at::empty(sizes).uniform_(-bound, bound));
  };
  weight_ih_ = add("weight_ih", {4 * options.hidden, options.hidden});
  weight_hh_ = add("weight_hh", {4 * options.hidden, options.hidden});
  bias_ih_ = add("bias_ih", {4 * options.hidden}), bias_hh_ = add("bias_hh", {4 * options.hidden});
}

std::vector<at::Tensor> SmLstm::tile_input(const SmSide::Prepared& images, const SmSide::Prepared& texts) const {
  const TileInput input{tile_side(images, *image_),
                        tile_side(texts, *text_),
                        weight_ih_,
                        weight_hh_,
                        bias_ih_,
                        bias_hh_,
                        similarity_->weight,
                        similarity_->bias,
                        output_->weight,
                        output_->bias,
                        score_->weight,
                        score_->bias};
  return input.list();
}

PairScores SmLstm::pairs(const Encoded& x, const Encoded& y) {
  check_side(x, "x"), check_side(y, "y");
  const SmSide::Prepared images = image_->prepare(x), texts = text_->prepare(y);
  const auto tile_of = [&](int64_t i, int64_t rows, int64_t j, int64_t cols) {
    const std::vector<at::Tensor> input = tile_input(narrowed(images, i, rows), narrowed(texts, j, cols));
    const auto f = [options = options_](const std::vector<at::Tensor>& list) {
      return score_tile(TileInput::of(list), options);
    };
    const bool whole = rows == x.local.size(0) && cols == y.local.size(0);
    return whole ? f(input) : recomputed(f, input);
  };
  const int64_t n = x.local.size(0), m = y.local.size(0);
  const int64_t cols = std::min(m, options_.tile_pairs), rows = std::max<int64_t>(1, options_.tile_pairs / cols);
  std::vector<at::Tensor> score_rows, penalty_rows;
  for (int64_t i = 0; i < n; i += rows) {
    std::vector<at::Tensor> score_row, penalty_row;
    for (int64_t j = 0; j < m; j += cols) {
      std::vector<at::Tensor> tile = tile_of(i, std::min(rows, n - i), j, std::min(cols, m - j));
      score_row.push_back(tile[0]);
      if (tile.size() > 1) penalty_row.push_back(tile[1]);
    }
    score_rows.push_back(at::cat(score_row, 1));
    if (!penalty_row.empty()) penalty_rows.push_back(at::cat(penalty_row, 1));
  }
  const auto full = [](const at::Tensor& tensor) {
    return tensor.to(at::promote_types(tensor.scalar_type(), at::kFloat));
  };
  return {full(at::cat(score_rows, 0)), penalty_rows.empty() ? at::Tensor() : full(at::cat(penalty_rows, 0))};
}

std::vector<PairAttention> SmLstm::attention(const Encoded& x, const Encoded& y) {
  check_side(x, "x"), check_side(y, "y");
  if (x.local.size(0) != 1 || y.local.size(0) != 1)
    throw ShapeError("sm_lstm: attention is shown of one image and one text");
  if (!attends(options_.variant)) return {};
  const TileInput input = TileInput::of(tile_input(image_->prepare(x), text_->prepare(y)));
  Steps steps(input, options_);
  std::vector<PairAttention> out;
  for (int64_t t = 1; t <= options_.steps; ++t) {
    const auto [p, q] = steps.next();
    out.push_back({concat("step ", t), p[0][0], q[0][0]});
  }
  return out;
}

std::string SmLstm::describe() const {
  return concat("sm_lstm ", enum_text(options_.variant), ", ", options_.steps, " steps");
}

}  // namespace diptych
