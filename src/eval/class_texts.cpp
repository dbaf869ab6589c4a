#include "diptych/eval/class_texts.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <map>
#include <unordered_map>

#include "diptych/core/error.h"
#include "diptych/core/text.h"

namespace diptych {
namespace classes {

/// Rows of each class; where only some may take part, those that come first among their image's captions come first.
std::map<int64_t, std::vector<int64_t>> rows_of_classes(const std::vector<int64_t>& label,
                                                        const std::vector<int64_t>& image) {
  std::map<int64_t, std::vector<int64_t>> rows;
  std::vector<int64_t> turn(label.size());  // the how manyth caption of its image
  std::unordered_map<int64_t, int64_t> seen;
  for (size_t row = 0; row < label.size(); ++row) {
    turn[row] = seen[image[row]]++;
    rows[label[row]].push_back(static_cast<int64_t>(row));
  }
  for (auto& [each, list] : rows)
    std::ranges::stable_sort(list, {}, [&](int64_t row) { return turn[static_cast<size_t>(row)]; });
  return rows;
}

}  // namespace classes

ClassTexts class_texts(const at::Tensor& y, const std::vector<int64_t>& y_label, const std::vector<int64_t>& y_image,
                       const ClassTextOptions& options) {
  if (y.dim() != 2 || y.size(0) != static_cast<int64_t>(y_label.size()) || y_image.size() != y_label.size())
    throw ShapeError(concat("class_texts: embeddings ", y.sizes(), ", ", y_label.size(), " labels and ", y_image.size(),
                            " images of captions do not fit"));
  auto rows = classes::rows_of_classes(y_label, y_image);
  ClassTexts out{at::empty({static_cast<int64_t>(rows.size()), y.size(1)}, at::kFloat), {}, {}};
  for (auto& [label, list] : rows) {
    if (options.most_captions > 0 && static_cast<int64_t>(list.size()) > options.most_captions)
      list.resize(static_cast<size_t>(options.most_captions));
    std::ranges::sort(list);  // equal sums, whatever the limit does
    const at::Tensor index = at::from_blob(list.data(), {static_cast<int64_t>(list.size())}, at::kLong);
    out.embeddings[static_cast<int64_t>(out.label.size())].copy_(y.index_select(0, index).to(at::kDouble).mean(0));
    out.label.push_back(label), out.captions.push_back(static_cast<int64_t>(list.size()));
  }
  return out;
}

}  // namespace diptych
