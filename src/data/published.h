#pragma once
#include <string>

#include "diptych/data/corpus.h"

namespace diptych {

/// Compares the counts of images, captions and identities of every split with the published ones of `known` (flickr8k,
/// flickr30k, coco, coco2014, cuhk-pedes; other names have none) and writes each difference to Corpus::notes.
/// Call it on the splits as annotated, before restval is merged.
void note_published_counts(Corpus& corpus, const std::string& known);

}  // namespace diptych
