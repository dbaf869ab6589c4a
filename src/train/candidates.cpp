#include "train/candidates.h"

#include <torch/torch.h>

#include "diptych/core/random.h"
#include "train/caption_batch.h"

namespace diptych {
namespace {

/// Texts are seen once for as long as this lives.
class OneView {
 public:
  explicit OneView(TextEncoder& text) : text_(text), before_(text_.want_one_view(true)) {}
  ~OneView() { text_.want_one_view(before_); }
  OneView(const OneView&) = delete;
  OneView& operator=(const OneView&) = delete;

 private:
  TextEncoder& text_;
  bool before_;
};

}  // namespace

CandidateCaptions::CandidateCaptions(const DataBundle& data, std::vector<int64_t> caption_rows, const Loss& loss,
                                     uint64_t seed)
    : data_(data), caption_rows_(std::move(caption_rows)), loss_(loss), seed_(seed) {}

LabelledCaptions CandidateCaptions::draw(int64_t step) const {
  Random random(seed_, {static_cast<uint64_t>(Stream::candidates), static_cast<uint64_t>(step)});
  std::vector<int64_t> rows, labels;
  for (int64_t i = 0; i < loss_.candidates(); ++i) {
    rows.push_back(caption_rows_[random.below(caption_rows_.size())]);
    const CorpusCaption& caption = data_.corpus.captions[static_cast<size_t>(rows.back())];
    labels.push_back(data_.corpus.images[static_cast<size_t>(caption.image_row)].label);
  }
  const CaptionBatch texts = caption_batch(data_.token_ids, rows);
  return {texts.tokens, texts.length, at::tensor(labels, at::kLong)};
}

LabelledCaptions CandidateCaptions::choose(System& system, const Batch& batch, Precision precision,
                                           int64_t step) const {
  JointModel& model = *system.model;
  const LabelledCaptions drawn = draw(step);
  const at::Tensor tokens = drawn.tokens.to(system.device), length = drawn.length.to(system.device),
                   label = drawn.label.to(system.device);
  const EvalScope evaluation(model);
  const OneView once(model.text());
  at::Tensor x, y;
  {
    const AutocastScope autocast(precision, system.device.type());
    x = model.image_embedding(batch.image.dim() < 4 ? batch.image : model.image_features(batch.image));
    y = model.text_embedding(tokens, length);
  }
  const at::Tensor scores = model.scorer().forward(x.to(at::kFloat), y.to(at::kFloat));  // [U, K]
  const at::Tensor chosen = loss_.choose({scores.index_select(0, batch.image_index), batch.label, label});
  return {tokens.index_select(0, chosen), length.index_select(0, chosen), label.index_select(0, chosen)};
}

}  // namespace diptych
