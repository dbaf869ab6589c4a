#pragma once
#include "data/composed.h"

// FashionIQ and CIRR: queries that name their source and their target image, in the released splits train and val.

namespace diptych {

struct LinkedImage {
  std::string id;
  std::vector<std::string> paths;  // where the picture may lie below the image folder
  Split split;
};
struct LinkedQuery {
  int64_t source, target;            // places in LinkedSet::images
  std::vector<std::string> texts;    // the first is the query; training has one modification for each
  std::vector<int64_t> subset = {};  // places of a second, smaller gallery
};
/// What a reader collects. The released split `val`, which papers report on because the answers of the released test
/// split are not public, must have become Split::test; the other split is train.
struct LinkedSet {
  std::vector<LinkedImage> images;
  std::vector<LinkedQuery> queries;
};

/// Adds images (each a label of its own) and modifications to the corpus. Validation images are cut from the training
/// ones by `cut_linked`; training queries across the cut are left out and counted in the corpus's notes.
void add_linked(Corpus& corpus, LinkedSet set, const ValidationCut& cut, ChangeWords words);

}  // namespace diptych
