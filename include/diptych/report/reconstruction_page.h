#pragma once
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "diptych/report/thumbnails.h"

namespace diptych::report {

/// An image of the gallery; `picture` is relative to ReconstructionView::image_root.
struct ShownImage {
  std::string id;
  std::filesystem::path picture;
  double score = 0;
  bool right = false;
};
/// A composed query with what a decoder draws from its three embeddings: uint8 [H, W, 3].
struct ShownReconstruction {
  ShownImage source, target;
  std::string change;
  at::Tensor decoded_source, decoded_composed, decoded_target;
  std::vector<ShownImage> nearest;  // best first
};
struct ReconstructionView {
  std::filesystem::path image_root;
  std::string scorer;
  std::vector<ShownReconstruction> queries;
  double test_error = 0, mean_error = 0;  // mean squared; of decoded test images, of the mean training picture
  std::vector<std::pair<std::string, std::string>> facts;  // rows at the end
};

/// An offline page: for every query the source picture, the change in words and the target, below them what the decoder
/// draws from the source's embedding, the composed feature and the target's embedding, and the nearest images of the
/// composed feature, right ones framed. Pictures that are missing or damaged become tiles that say so.
std::string reconstruction_page(const ReconstructionView& view, const PictureReader& reader);

}  // namespace diptych::report
