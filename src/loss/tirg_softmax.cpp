#include "loss/tirg_softmax.h"

#include <torch/torch.h>

#include <limits>

#include "diptych/core/options.h"
#include "loss/support.h"

namespace diptych {
namespace {

constexpr double kLeftOut = -std::numeric_limits<double>::infinity();

// One number a query, [B]: the choice among its own target and all negatives.
at::Tensor choice_of_all(const at::Tensor& scores, const at::Tensor& negative) {
  const at::Tensor other = ~(negative | at::eye(negative.size(0), negative.options()));
  return scores.masked_fill(other, kLeftOut).logsumexp(1) - scores.diagonal();
}

// Mean over the choices between the own target and one negative.
at::Tensor choices_of_two(const at::Tensor& scores, const at::Tensor& negative) {
  const at::Tensor terms = -at::log_sigmoid(scores.diagonal().unsqueeze(1) - scores);  // log(1 + e^(s_ij - s_ii))
  return terms.masked_fill(~negative, 0).sum(1) / negative.sum(1).clamp_min(1);
}

// The choice among the own target and `others` negatives drawn at random, all of them where there are fewer.
at::Tensor choice_of_drawn(const at::Tensor& scores, const at::Tensor& negative, int64_t others) {
  const at::Tensor lot = at::rand(scores.sizes(), scores.options().dtype(at::kFloat)).masked_fill(~negative, -1);
  const at::Tensor columns = std::get<1>(lot.topk(others, 1));  // [B, K - 1]
  const at::Tensor drawn_scores = scores.gather(1, columns).masked_fill(~negative.gather(1, columns), kLeftOut);
  const at::Tensor own = scores.diagonal().unsqueeze(1);
  return at::cat({own, drawn_scores}, 1).logsumexp(1) - own.squeeze(1);
}

at::Tensor mean_choice(const at::Tensor& scores, const at::Tensor& negative, const TirgSoftmaxOptions& options) {
  const int64_t most = scores.size(0) - 1;  // negatives of a query
  const int64_t others = std::min(options.k.value_or(most + 1) - 1, most);
  if (others == most) return choice_of_all(scores, negative);
  const int64_t repeats = options.m.value_or((most + others - 1) / others);
  if (others == 1 && repeats >= most) return choices_of_two(scores, negative);
  at::Tensor sum = choice_of_drawn(scores, negative, others);
  for (int64_t m = 1; m < repeats; ++m) sum = sum + choice_of_drawn(scores, negative, others);
  return sum / repeats;
}

}  // namespace

void TirgSoftmaxOptions::validate(const std::string& path, const Origin& origin, Complaints& complaints) const {
  if (!k && m.value_or(1) != 1)
    complaints.add(origin, concat(path, ".m = ", *m, ": with k: null there is only one set, the whole batch"),
                   "give k, or take m out");
}

LossValue tirg_softmax_loss(const at::Tensor& scores_in, const at::Tensor& label, const TirgSoftmaxOptions& options) {
  loss_support::check_scores("tirg_softmax_loss", scores_in, label);
  if (options.k.value_or(2) < 2 || options.m.value_or(1) < 1)
    throw ShapeError(concat("tirg_softmax_loss: k ", options.k.value_or(2), " and m ", options.m.value_or(1),
                            ", needed are at least 2 and 1"));
  const at::Tensor scores = at_least_float(scores_in);
  const auto kept_out = options.mask_same_label ? Positives::labels : Positives::diagonal;
  const at::Tensor loss = mean_choice(scores, ~loss_support::matches(label, kept_out), options).mean();
  return {loss, loss, {}};
}

}  // namespace diptych
