#pragma once
#include <optional>
#include <string>
#include <vector>

#include "diptych/train/encode.h"

namespace diptych {

/// Ids of the images and captions of an encoded split: "img1", "img1#0", "img1#1", ...
struct SplitIds {
  std::vector<std::string> x, y;
  std::vector<int64_t> y_image;  // row of x
};
SplitIds ids_of(const Corpus& corpus, const EncodedSplit& encoded);

/// A text of an encoded split, with what it belongs to: a caption, or the change that a composed query asks for.
struct SplitText {
  const std::string& text;
  const std::vector<std::string>& tokens;
  int64_t image_row;  // of the corpus: the image that is described, or that is to be changed
  int64_t label;      // of the images that answer
};
SplitText text_of(const Corpus& corpus, const EncodedSplit& encoded, size_t number);

/// Labels of the images of an encoded split; and which of them are ranked (CorpusImage::gallery).
std::vector<int64_t> labels_of(const Corpus& corpus, const EncodedSplit& encoded);
std::vector<bool> gallery_of(const Corpus& corpus, const EncodedSplit& encoded);

/// What the images of a split are ranked against: its captions, or one text for each class.
struct RankedTexts {
  at::Tensor y;                   // [M, D] raw embeddings
  SplitIds ids;                   // of a class: its name, and the first of its images
  std::vector<int64_t> label;     // [M]
  std::vector<int64_t> captions;  // [M] how many captions the class's text is the mean of; empty: y are the captions
};
/// class_texts: of the protocol, or of its result.
RankedTexts ranked_texts(const Corpus& corpus, const EncodedSplit& encoded,
                         const std::optional<ClassTextOptions>& class_texts);
/// Scores of the split's images against those texts. throws UsageError for a PairScorer and texts of classes.
std::unique_ptr<ScoreTiles> text_tiles(System& system, const EncodedSplit& encoded, const RankedTexts& texts);

}  // namespace diptych
