#pragma once
#include "diptych/loss/loss_value.h"

namespace diptych {

struct StructurePreservingOptions {
  double margin = 0.05;
  int64_t top_k = 10;
  double image_to_text = 1;
  double text_to_image = 1.5;
  double text_text = 0.05;
  double image_image = 0;
  bool normalize = true;
  static void visit(auto& self, auto& field) {
    field("margin", self.margin, "hinge margin in units of distance (Wang et al. 2018: 0.05; 2016: 0.1)",
          {.lo = 0, .hi = 1e3});
    field("top_k", self.top_k, "violations that count per anchor, zeros included (Wang et al. 2018: 10)",
          {.lo = 1, .hi = 1e6});
    field("image_to_text", self.image_to_text, "weight of image anchors against texts (Wang et al. 2018: 1)",
          {.lo = 0, .hi = 1e3});
    field("text_to_image", self.text_to_image, "weight of text anchors against images (Wang et al. 2018: 1.5)",
          {.lo = 0, .hi = 1e3});
    field("text_text", self.text_text, "weight of the structure among texts (Wang et al. 2018: 0.05)",
          {.lo = 0, .hi = 1e3});
    field("image_image", self.image_image,
          "weight of the structure among images; only class labels give it positives (Wang et al. 2016: 0.1-0.2)",
          {.lo = 0, .hi = 1e3});
    field("normalize", self.normalize, "unit rows first, as the two-branch network's last layer (Wang et al. 2018)");
  }
  void validate(const std::string& path, const Origin& origin, Complaints& complaints) const;
};

/// Two-branch loss: ranking across the views and preservation of neighbourhoods within them.
///
///   d(a, b) = sqrt(|a - b|^2 + 1e-4);   h(pos, negs) = mean of the top_k largest [m + pos - d_neg]+, zeros included,
///   top_k at most the anchor's negatives. Negatives of an anchor have another label.
///   image_to_text: mean over sentences j, image i of j:  h(d(x_i, y_j), d(x_i, y_k))
///   text_to_image: mean over sentences j, image i of j:  h(d(x_i, y_j), d(x_k, y_j)), k runs over images
///   text_text:     mean over sentences j: h(max over sentences k of j's label, j included, d(y_j, y_k), d(y_j, y_l))
///   image_image:   mean over images i:    h(max over images k of i's label, d(x_i, x_k), d(x_i, x_l));
///                  0 for an image that is alone with its label
///   L = weighted sum                    (Wang et al., CVPR 2016; weights and top-K of Wang et al., TPAMI 2018)
///
/// x                  [n, D] images
/// y                  [m, D] sentences
/// image_of_sentence  [m] int64: the row of x that sentence j belongs to
/// label              [n] int64, labels of the rows of x: class or identity
/// image_row          [n] int64: rows of x with equal numbers are one image, counted once as negative and as image
/// anchor
///                    (its first row stands for it). So a batch of (image, caption) pairs is x [B], y [B],
///                    image_of_sentence 0..B-1, and the batch's image rows.
/// returns            x_to_y = the image_to_text term, y_to_x = text_to_image, both before their weights; total
/// source             lwwang/Two_branch_network for the code form; its mask takes a repeated image as a negative
LossValue structure_preserving_loss(const at::Tensor& x, const at::Tensor& y, const at::Tensor& image_of_sentence,
                                    const at::Tensor& label, const at::Tensor& image_row,
                                    const StructurePreservingOptions& options = {});

}  // namespace diptych
