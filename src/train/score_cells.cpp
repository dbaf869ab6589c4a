#include "train/score_cells.h"

#include <torch/torch.h>

#include <algorithm>
#include <span>

#include "diptych/core/signals.h"
#include "train/count_progress.h"

namespace diptych {
namespace {

/// Where a caption lies among the blocks.
struct CaptionPlace {
  size_t block = 0;
  int64_t row = 0;
};
/// A caption to be scored, and the cell that its score is for.
struct WantedCaption {
  CaptionPlace at;
  size_t cell;
};

std::vector<CaptionPlace> places_of(const TextViews& texts) {
  int64_t captions = 0;
  for (const auto& [place, view] : texts) captions += place.size(0);
  std::vector<CaptionPlace> out(static_cast<size_t>(captions));
  for (size_t block = 0; block < texts.size(); ++block) {
    const at::Tensor& place = texts[block].first;
    for (int64_t row = 0; row < place.size(0); ++row)
      out[static_cast<size_t>(place.data_ptr<int64_t>()[row])] = {block, row};
  }
  return out;
}

/// Some captions as one view, padded to the longest of their blocks. wanted: ordered by block.
Encoded gathered(const TextViews& texts, std::span<const WantedCaption> wanted) {
  const bool local = texts[wanted.front().at.block].second.local.defined();
  int64_t longest = 0;
  for (const WantedCaption& each : wanted)
    if (local) longest = std::max(longest, texts[each.at.block].second.local.size(1));
  std::vector<at::Tensor> globals, locals, masks;
  for (auto first = wanted.begin(); first != wanted.end();) {
    const Encoded& block = texts[first->at.block].second;
    std::vector<int64_t> rows;
    auto last = first;
    for (; last != wanted.end() && last->at.block == first->at.block; ++last) rows.push_back(last->at.row);
    const at::Tensor index = torch::tensor(rows, at::kLong).to(block.global.device());
    globals.push_back(block.global.index_select(0, index));
    if (local) {
      const int64_t missing = longest - block.local.size(1);
      locals.push_back(at::constant_pad_nd(block.local.index_select(0, index), {0, 0, 0, missing}));
      masks.push_back(at::constant_pad_nd(block.mask.index_select(0, index), {0, missing}));
    }
    first = last;
  }
  Encoded out{at::cat(globals), {}, {}};
  if (local) out.local = at::cat(locals), out.mask = at::cat(masks);
  return out;
}

}  // namespace

at::Tensor score_cells(System& system, const Experiment& experiment, const at::Tensor& features, const TextViews& texts,
                       const PairCells& cells) {
  const std::vector<CaptionPlace> places = places_of(texts);
  const CountProgress progress("score pairs", static_cast<int64_t>(cells.size()));
  at::Tensor out = at::empty({static_cast<int64_t>(cells.size())}, at::kFloat);
  for (size_t first = 0; first < cells.size();) {
    signals::throw_if_pending();
    const int64_t image = cells[first].first;
    std::vector<WantedCaption> wanted;
    for (; first < cells.size() && cells[first].first == image; ++first)
      wanted.push_back({places.at(static_cast<size_t>(cells[first].second)), first});
    std::ranges::sort(wanted, {}, [](const WantedCaption& each) { return std::pair(each.at.block, each.at.row); });
    const AutocastScope autocast(experiment.precision, system.device.type());
    const Encoded x = system.model->image_view(features.narrow(0, image, 1).to(system.device));
    const at::Tensor scores = system.model->scores(x, gathered(texts, wanted)).to(at::kFloat).cpu().contiguous();
    for (size_t i = 0; i < wanted.size(); ++i) out.data_ptr<float>()[wanted[i].cell] = scores.data_ptr<float>()[i];
    progress.at(static_cast<int64_t>(first));
  }
  return out;
}

}  // namespace diptych
