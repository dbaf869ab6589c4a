#include "loss/similarity.h"

#include <torch/torch.h>

#include "loss/support.h"

namespace diptych::loss_support {

at::Tensor similarities(const char* who, const LossInput& input, Similarity similarity) {
  if (similarity == Similarity::scorer) {
    check_scores(who, input.scores, input.label);
    return at_least_float(input.scores);
  }
  check_views(who, input.x, input.y, input.label);
  return at::mm(at_least_float(input.x), at_least_float(input.y).t());
}

}  // namespace diptych::loss_support
