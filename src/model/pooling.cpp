#include "model/pooling.h"

#include <torch/torch.h>

#include <cmath>

#include "diptych/core/options.h"
#include "diptych/core/tensor/scope.h"

namespace diptych {
namespace {

constexpr int64_t kCodes = 32, kUnits = 32;  // of gpo

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Number of real items a row, [B, 1].
at::Tensor count_of(const at::Tensor& mask) { return mask.sum(1, /*keepdim=*/true); }

at::Tensor padded_with(const at::Tensor& items, const at::Tensor& mask, double value) {
  return mask.defined() ? items.masked_fill(~mask.unsqueeze(2), value) : items;
}

at::Tensor mean_of(const at::Tensor& items, const at::Tensor& mask) {
  if (!mask.defined()) return items.mean(1);
  return padded_with(items, mask, 0).sum(1) / count_of(mask).to(items.scalar_type());
}

at::Tensor max_of(const at::Tensor& items, const at::Tensor& mask, double padding) {
  return std::get<0>(padded_with(items, mask, padding).max(1));
}

at::Tensor last_of(const at::Tensor& items, const at::Tensor& mask) {
  if (!mask.defined()) return items.select(1, items.size(1) - 1);
  return items.index({at::arange(items.size(0), mask.options().dtype(at::kLong)), count_of(mask).squeeze(1) - 1});
}

// Mean of the k largest, of all where there are fewer.
at::Tensor top_mean(const at::Tensor& items, const at::Tensor& mask, int64_t k) {
  const int64_t most = std::min(k, items.size(1));
  const at::Tensor largest = std::get<0>(padded_with(items, mask, -kInfinity).topk(most, 1));
  if (!mask.defined()) return largest.mean(1);
  const at::Tensor count = count_of(mask);
  const at::Tensor beyond = at::arange(most, count.options()) >= count;  // [B, k]
  return largest.masked_fill(beyond.unsqueeze(2), 0).sum(1) / count.clamp_max(most).to(items.scalar_type());
}

at::Tensor log_sum_exp(const at::Tensor& items, const at::Tensor& mask, double sharpness) {
  return padded_with(sharpness * items, mask, -kInfinity).logsumexp(1) / sharpness;
}

at::Tensor power_mean(const at::Tensor& items, const at::Tensor& mask, const at::Tensor& p) {
  return mean_of(items.clamp_min(1e-6).pow(p), mask).pow(1 / p);
}

// Each real item stays with probability 1 - drop; a row that would lose all keeps all.
at::Tensor thinned(const at::Tensor& mask, double drop, const at::TensorOptions& number) {
  const at::Tensor kept = mask & (at::rand(mask.sizes(), number) >= drop);
  return at::where(kept.any(1, /*keepdim=*/true), kept, mask);
}

// [positions, kCodes]: sin and cos of position / 10000^(2 i / kCodes), by turns.
at::Tensor position_codes(int64_t positions, const at::TensorOptions& options) {
  const at::Tensor rate = at::exp(at::arange(0, kCodes, 2, options) * (-std::log(10000.0) / kCodes));
  const at::Tensor angle = at::arange(positions, options).unsqueeze(1) * rate;
  return at::stack({angle.sin(), angle.cos()}, 2).flatten(1);
}

}  // namespace

at::Tensor weighted_by_rank(const at::Tensor& items, const at::Tensor& mask, const at::Tensor& weights) {
  const at::Tensor ordered = std::get<0>(padded_with(items, mask, -kInfinity).sort(1, /*descending=*/true));
  const at::Tensor beyond = at::arange(items.size(1), mask.options().dtype(at::kLong)) >= count_of(mask);
  return (padded_with(ordered, ~beyond, 0) * weights.unsqueeze(2)).sum(1);
}

Pool::Pool(Pooling pooling, const PoolingOptions& options) : pooling_(pooling), options_(options) {
  if (pooling == Pooling::gem) p_ = register_parameter("p", torch::tensor(3.0f));
  if (pooling != Pooling::gpo) return;
  gru_ = register_module("gru", std::make_shared<RecurrentStack>(RecurrentShape{
                                    .cell = Cell::gru, .input = kCodes, .hidden = kUnits, .both = true}));
  score_ = register_module("score", torch::nn::Linear(torch::nn::LinearOptions(kUnits, 1).bias(false)));
}

void Pool::expect(int64_t channels) {
  if (pooling_ != Pooling::attention) return;
  project_ = register_module("project", torch::nn::Linear(channels, options_.attention_units));
  score_ =
      register_module("score", torch::nn::Linear(torch::nn::LinearOptions(options_.attention_units, 1).bias(false)));
}

at::Tensor Pool::forward(const at::Tensor& items, const at::Tensor& mask, double padding_in_max) const {
  const Fp32Scope fp32(items.device().type());
  const at::Tensor x = items.to(at::promote_types(items.scalar_type(), at::kFloat));
  switch (pooling_) {
    case Pooling::max:
      return max_of(x, mask, padding_in_max);
    case Pooling::mean:
      return mean_of(x, mask);
    case Pooling::last:
      return last_of(x, mask);
    case Pooling::mean_max:
      return at::cat({mean_of(x, mask), max_of(x, mask, padding_in_max)}, 1);
    case Pooling::attention:
      return attended(x, mask);
    case Pooling::gem:
      return power_mean(x, mask, p_);
    case Pooling::weldon:
      return top_mean(x, mask, options_.weldon_k) - top_mean(-x, mask, options_.weldon_k);
    case Pooling::lse:
      return log_sum_exp(x, mask, options_.lse_sharpness);
    case Pooling::gpo:
      break;
  }
  return generalised(x, mask);
}

at::Tensor Pool::attended(const at::Tensor& items, const at::Tensor& mask) const {
  const at::Tensor hidden = at::linear(items, project_->weight, project_->bias).tanh();
  const at::Tensor score = padded_with(at::linear(hidden, score_->weight), mask, -kInfinity);  // [B, R, 1]
  return (score.softmax(1) * items).sum(1);
}

// Without padding all rows have one number of items, and one row of weights serves them all.
at::Tensor Pool::generalised(const at::Tensor& items, const at::Tensor& mask) const {
  const int64_t positions = items.size(1);
  const at::TensorOptions flag = items.options().dtype(at::kBool);
  const bool thin = is_training() && options_.gpo_drop > 0;
  if (!mask.defined() && !thin) {
    const at::Tensor all = at::ones({1, positions}, flag);
    return weighted_by_rank(items, all, position_weights(count_of(all).squeeze(1), positions));
  }
  at::Tensor kept = mask.defined() ? mask : at::ones({items.size(0), positions}, flag);
  if (thin) kept = thinned(kept, options_.gpo_drop, items.options());
  return weighted_by_rank(items, kept, position_weights(count_of(kept).squeeze(1), positions));
}

at::Tensor Pool::position_weights(const at::Tensor& count, int64_t positions) const {
  const at::Tensor codes = position_codes(positions, score_->weight.options())
                               .unsqueeze(1)
                               .expand({positions, count.size(0), kCodes})
                               .contiguous();  // [R, B, codes]
  const at::Tensor mirror = mirror_index(count, positions);
  const auto states = gru_->forward(codes, mirror, 0);
  const at::Tensor both = (states.forward + mirrored(states.backward, mirror)) / 2;
  const at::Tensor score = at::linear(both, score_->weight).squeeze(2).t() / options_.gpo_temperature;  // [B, R]
  const at::Tensor beyond = at::arange(positions, count.options()) >= count.unsqueeze(1);
  return score.masked_fill(beyond, -kInfinity).softmax(1);
}

std::string Pool::python_arguments() const {
  const std::string kind = concat("\"", enum_text(pooling_), "\"");
  switch (pooling_) {
    case Pooling::attention:
      return concat(kind, ", channels=", project_->options.in_features(), ", units=", options_.attention_units);
    case Pooling::weldon:
      return concat(kind, ", k=", options_.weldon_k);
    case Pooling::lse:
      return concat(kind, ", sharpness=", options_.lse_sharpness);
    case Pooling::gpo:
      return concat(kind, ", temperature=", options_.gpo_temperature);
    default:
      return kind;
  }
}

PythonPiece Pool::python() const {
  return {{R"py(class Pool(nn.Module):
    """items [B, R, C], mask [B, R] (true = real, real ones first) or None -> [B, C]; [B, 2C] for mean_max."""

    def __init__(self, kind, channels=1, k=1, sharpness=1.0, units=1, temperature=1.0):
        super().__init__()
        self.kind, self.k, self.sharpness, self.temperature = kind, k, sharpness, temperature
        if kind == "gem":
            self.p = nn.Parameter(torch.tensor(3.0))
        elif kind == "attention":
            self.project, self.score = nn.Linear(channels, units), nn.Linear(units, 1, bias=False)
        elif kind == "gpo":
            self.gru = nn.GRU(32, 32, batch_first=True, bidirectional=True)
            self.score = nn.Linear(32, 1, bias=False)

    def forward(self, x, mask=None):
        if mask is None:
            mask = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
        count = mask.sum(1)
        if self.kind == "last":
            return x[torch.arange(len(x), device=x.device), count - 1]
        if self.kind == "gem":
            return self.mean(x.clamp_min(1e-6).pow(self.p), mask).pow(1 / self.p)
        if self.kind == "attention":
            score = self.score(self.project(x).tanh())
            return (score.masked_fill(~mask[:, :, None], -torch.inf).softmax(1) * x).sum(1)
        if self.kind == "weldon":
            return self.top_mean(x, mask) - self.top_mean(-x, mask)
        if self.kind == "lse":
            return (self.sharpness * x).masked_fill(~mask[:, :, None], -torch.inf).logsumexp(1) / self.sharpness
        if self.kind == "gpo":
            real = torch.arange(x.size(1), device=x.device) < count[:, None]
            ordered = x.masked_fill(~mask[:, :, None], -torch.inf).sort(1, descending=True).values
            return (ordered.masked_fill(~real[:, :, None], 0) * self.position_weights(count, real)).sum(1)
        maximum = x.masked_fill(~mask[:, :, None], -torch.inf).amax(1)
        if self.kind == "max":
            return maximum
        mean = self.mean(x, mask)
        return torch.cat([mean, maximum], 1) if self.kind == "mean_max" else mean

    def mean(self, x, mask):
        return x.masked_fill(~mask[:, :, None], 0).sum(1) / mask.sum(1, keepdim=True)

    def top_mean(self, x, mask):
        k = min(self.k, x.size(1))
        largest = x.masked_fill(~mask[:, :, None], -torch.inf).topk(k, 1).values
        count = mask.sum(1, keepdim=True)
        beyond = torch.arange(k, device=x.device) >= count
        return largest.masked_fill(beyond[:, :, None], 0).sum(1) / count.clamp_max(k)

    def position_weights(self, count, real):
        position = torch.arange(real.size(1), device=real.device, dtype=self.score.weight.dtype)
        angle = position[:, None] * 10000.0 ** (torch.arange(0, 32, 2).to(position) / -32)
        codes = torch.stack([angle.sin(), angle.cos()], 2).flatten(1).expand(len(count), -1, -1)
        packed = nn.utils.rnn.pack_padded_sequence(codes, count.cpu(), batch_first=True, enforce_sorted=False)
        states, _ = nn.utils.rnn.pad_packed_sequence(self.gru(packed)[0], batch_first=True, total_length=real.size(1))
        score = self.score((states[:, :, :32] + states[:, :, 32:]) / 2) / self.temperature
        return score.masked_fill(~real[:, :, None], -torch.inf).softmax(1)
)py"},
          concat("Pool(", python_arguments(), ")")};
}

}  // namespace diptych
