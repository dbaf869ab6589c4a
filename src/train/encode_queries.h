#pragma once
#include <functional>

#include "diptych/train/encode.h"

namespace diptych {

/// Fills x and y of a split of composed retrieval. `features`: [N, F] of its images, asked for unless the composer
/// reads pictures. Evaluation mode is the caller's.
void encode_queries(System& system, const DataBundle& data, const Experiment& experiment,
                    const std::function<at::Tensor()>& features, EncodedSplit& encoded);

/// What protocols of composed retrieval know beyond scores and labels.
void add_queries(RetrievalSet& set, const Corpus& corpus, const EncodedSplit& encoded);

}  // namespace diptych
