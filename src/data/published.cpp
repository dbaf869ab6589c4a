#include "data/published.h"

#include <set>

namespace diptych {
namespace published {

struct Counts {
  Split split;
  int64_t images, captions, identities;  // 0 = not published
};
struct Known {
  const char* name;
  std::vector<Counts> splits;
};

// Flickr8k: Hodosh et al. 2013. Flickr30k, COCO: Karpathy and Fei-Fei 2015. CUHK-PEDES: Li et al. 2017.
const std::vector<Known>& known_sets() {
  static const std::vector<Known> sets = {
      {"flickr8k", {{Split::train, 6000, 30000, 0}, {Split::val, 1000, 5000, 0}, {Split::test, 1000, 5000, 0}}},
      {"flickr30k", {{Split::train, 29000, 145000, 0}, {Split::val, 1014, 5070, 0}, {Split::test, 1000, 5000, 0}}},
      {"coco",
       {{Split::train, 82783, 414113, 0},
        {Split::rest, 30504, 152634, 0},
        {Split::val, 5000, 0, 0},
        {Split::test, 5000, 25010, 0}}},
      {"coco2014", {{Split::train, 82783, 414113, 0}, {Split::val, 40504, 202654, 0}}},
      {"cuhk-pedes",
       {{Split::train, 34054, 68126, 11003}, {Split::val, 3078, 6158, 1000}, {Split::test, 3074, 6156, 1000}}},
  };
  return sets;
}

Counts count(const Corpus& corpus, Split split) {
  Counts found{split, 0, 0, 0};
  std::set<int64_t> labels;
  for (const CorpusImage& image : corpus.images) {
    if (image.split != split) continue;
    ++found.images;
    labels.insert(image.label);
  }
  for (const CorpusCaption& caption : corpus.captions)
    found.captions += corpus.images[caption.image_row].split == split;
  found.identities = static_cast<int64_t>(labels.size());
  return found;
}

void note(Corpus& corpus, const char* set, Split split, const char* what, int64_t found, int64_t expected) {
  if (expected == 0 || found == expected) return;
  corpus.notes.push_back(concat(enum_text(split), " has ", found, " ", what, "; published for ", set, ": ", expected));
}

}  // namespace published

void note_published_counts(Corpus& corpus, const std::string& known) {
  for (const auto& set : published::known_sets()) {
    if (known != set.name) continue;
    for (const auto& expected : set.splits) {
      const auto found = published::count(corpus, expected.split);
      published::note(corpus, set.name, expected.split, "images", found.images, expected.images);
      published::note(corpus, set.name, expected.split, "captions", found.captions, expected.captions);
      published::note(corpus, set.name, expected.split, "identities", found.identities, expected.identities);
    }
  }
}

}  // namespace diptych
