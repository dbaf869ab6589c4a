#pragma once
#include <torch/torch.h>

#include <string>
#include <vector>

#include "diptych/core/text.h"
#include "diptych/eval/evaluation_record.h"
#include "diptych/eval/left_out.h"

namespace diptych::testing {

/// A record whose scores are given: x is the identity and y the transposed scores. Measured by the real protocol
/// `image-retrieval`, or `identity-retrieval` where labels of the images are given. Captions say "caption N".
inline EvaluationRecord record_of_scores(const at::Tensor& scores, const std::vector<int64_t>& image_of_caption,
                                         const std::vector<int64_t>& labels = {}) {
  EvaluationRecord record;
  const at::Tensor s = scores.to(at::kFloat).contiguous();
  record.x = at::eye(s.size(0), at::kFloat), record.y = s.t().contiguous();
  record.x_points = record.x, record.y_points = record.y;
  record.scorer = "dot";
  RetrievalSet set;
  const auto tiles = dot_tiles(record.x, record.y);
  set.scores = tiles.get(), set.split = "test", set.scorer = "dot", set.bootstrap = false;
  std::vector<int64_t> seen(static_cast<size_t>(s.size(0)));
  for (int64_t i = 0; i < s.size(0); ++i) {
    set.x_id.push_back(concat("img", i));
    set.x_label.push_back(labels.empty() ? i : labels[static_cast<size_t>(i)]);
    record.images.push_back({set.x_id.back(), set.x_id.back() + ".jpg", {}, set.x_label.back(), 0});
  }
  for (const int64_t image : image_of_caption) {
    set.y_id.push_back(concat("img", image, "#", seen[static_cast<size_t>(image)]++));
    set.y_image.push_back(image), set.y_label.push_back(set.x_label[static_cast<size_t>(image)]);
    record.captions.push_back(
        {set.y_id.back(), concat("caption ", record.captions.size()), image, /*tokens=*/2, 0, false, 0});
  }
  ProtocolRegistry protocols("protocol");
  register_protocols(protocols);
  record.result = protocols.make_default(labels.empty() ? "image-retrieval" : "identity-retrieval")->evaluate(set);
  const TopLists lists = top_lists(*tiles, kTopItems);
  for (const DirectionRanks& ranks : record.result.ranks) {
    auto& of_direction = record.top.emplace_back();
    for (const int64_t query : ranks.query)
      of_direction.push_back((ranks.name == "i2t" ? lists.cols_of_row : lists.rows_of_col)[static_cast<size_t>(query)]);
  }
  return record;
}

/// The same for composed queries, measured by `composed-retrieval`: query q changes the image source[q] and asks for
/// the label target[q]. Texts are "change q", labels are annotated as "label N".
inline EvaluationRecord composed_record_of_scores(const at::Tensor& scores, const std::vector<int64_t>& labels,
                                                  const std::vector<int64_t>& source,
                                                  const std::vector<int64_t>& target) {
  EvaluationRecord record;
  const at::Tensor s = scores.to(at::kFloat).contiguous();
  record.x = at::eye(s.size(0), at::kFloat), record.y = s.t().contiguous();
  record.x_points = record.x, record.y_points = record.y;
  record.scorer = "dot";
  RetrievalSet set;
  const auto tiles = matrix_tiles(s);
  set.scores = tiles.get(), set.split = "test", set.scorer = "dot", set.bootstrap = false;
  set.x_label = labels, set.y_label = target, set.y_image = source;
  set.y_query.resize(source.size());
  for (size_t i = 0; i < labels.size(); ++i) {
    set.x_id.push_back(concat("img", i));
    record.images.push_back({set.x_id.back(), set.x_id.back() + ".jpg", concat("label ", labels[i]), labels[i], 0});
  }
  for (size_t q = 0; q < source.size(); ++q) {
    set.y_id.push_back(concat("img", source[q], "#", q));
    record.captions.push_back({set.y_id.back(), concat("change ", q), source[q], /*tokens=*/2, 0, false, 0, target[q]});
  }
  ProtocolRegistry protocols("protocol");
  register_protocols(protocols);
  record.result = protocols.make_default("composed-retrieval")->evaluate(set);
  const TopLists lists = top_lists(*without_own(*tiles, source, {}, {}), kTopItems);
  auto& top = record.top.emplace_back();
  for (const int64_t query : record.result.ranks[0].query) top.push_back(lists.rows_of_col[static_cast<size_t>(query)]);
  return record;
}

inline size_t direction_of(const EvaluationRecord& record, const std::string& name) {
  size_t direction = 0;
  while (record.result.ranks.at(direction).name != name) ++direction;
  return direction;
}

}  // namespace diptych::testing
