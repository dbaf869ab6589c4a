#include "diptych/model/affine.h"

#include <torch/torch.h>

#include "diptych/core/error.h"
#include "diptych/core/text.h"

namespace diptych {

at::Tensor AffineMap::operator()(const at::Tensor& features) const { return at::addmm(offset, features, weight.t()); }

AffineMap compose(const AffineMap& outer, const AffineMap& inner) {
  if (outer.weight.size(1) != inner.weight.size(0))
    throw ShapeError(concat("compose: a map of weight ", outer.weight.sizes(), " after one of ", inner.weight.sizes()));
  const auto options = outer.weight.options();
  return {outer.weight.mm(inner.weight.to(options)), outer.weight.mv(inner.offset.to(options)) + outer.offset};
}

void copy_map(const AffineMap& from, AffineMap to) {
  if (from.weight.sizes() != to.weight.sizes() || from.offset.sizes() != to.offset.sizes())
    throw ShapeError(concat("copy_map: weight ", from.weight.sizes(), " and offset ", from.offset.sizes(), " into ",
                            to.weight.sizes(), " and ", to.offset.sizes()));
  const at::NoGradGuard no_grad;
  to.weight.copy_(from.weight);
  to.offset.copy_(from.offset);
}

}  // namespace diptych
