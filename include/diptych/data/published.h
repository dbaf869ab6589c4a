#pragma once
#include <string>
#include <vector>

#include "diptych/data/corpus.h"

// The counts of images, captions, identities and queries that the literature gives for the known sets.

namespace diptych {

/// flickr8k, flickr30k, coco (as split by Karpathy), coco2014, cuhk-pedes, icfg-pedes, cub, flowers (classes alone),
/// and of composed retrieval fashion200k (test queries), mit-states-comp (pairs), cirr (queries).
std::vector<std::string> published_sets();

/// One sentence for every count of a split that is not the published one: "val has 999 images; published for flickr8k:
/// 1000". COCO's restval, and the validation classes of cub and flowers, may be a split of their own or merged into
/// train; a validation split that a set does not have counts as train. Sets without published counts have none.
std::vector<std::string> published_differences(const Corpus& corpus, const std::string& known);

/// Writes each difference to Corpus::notes.
void note_published_counts(Corpus& corpus, const std::string& known);

}  // namespace diptych
