#pragma once
#include <string>
#include <utility>
#include <vector>

#include "diptych/eval/protocol.h"

namespace diptych {

/// Sentence-to-sentence recall (Wang et al., TPAMI 2018): every caption queries all other captions, relevant are those
/// of the same image. The query itself is no part of its gallery (the paper asks for K + 1 and drops the first).
///
/// scores  all captions against all captions, as a protocol's scorer gives them
/// result  of a protocol on these captions: its folds, its K, its split; gets t2t/R@K, t2t/medr and t2t/meanr, with
///         intervals over images if `bootstrap`. A caption without a sibling does not query; K beyond the gallery is
///         not available.
/// throws  ShapeError if the sizes do not fit, NumericError for a score that is not finite, DataError if no caption has
///         a sibling
void add_text_to_text(ProtocolResult& result, const ScoreTiles& scores, const std::vector<int64_t>& y_image,
                      uint64_t seed, bool bootstrap);

}  // namespace diptych
