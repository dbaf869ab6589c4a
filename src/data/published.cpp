#include "diptych/data/published.h"

#include <algorithm>
#include <set>

namespace diptych {
namespace published {

struct Counts {
  Split split;
  int64_t images, captions, identities;  // 0 = not published
  int64_t queries = 0;                   // of composed retrieval
};
struct Known {
  const char* name;
  std::vector<Counts> splits;
};

// Flickr8k: Hodosh et al. 2013. Flickr30k, COCO: Karpathy and Fei-Fei 2015. CUHK-PEDES: Li et al. 2017. ICFG-PEDES:
// Ding et al. 2021. Classes of CUB-200-2011 and Oxford-102 Flowers: Reed et al. 2016. Test queries of Fashion200k: Vo
// et al. 2019. Pairs of MIT-States: Misra et al. 2017. CIRR: Liu et al. 2021; its released val is our test. Sets
// without `val` have it cut from train.
const std::vector<Known>& known_sets() {
  static const std::vector<Known> kSets = {
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
      {"icfg-pedes", {{Split::train, 34674, 34674, 3102}, {Split::test, 19848, 19848, 1000}}},
      {"cub", {{Split::train, 0, 0, 100}, {Split::val, 0, 0, 50}, {Split::test, 0, 0, 50}}},
      {"flowers", {{Split::train, 0, 0, 62}, {Split::val, 0, 0, 20}, {Split::test, 0, 0, 20}}},
      {"fashion200k", {{Split::test, 0, 0, 0, 33480}}},
      {"mit-states-comp", {{Split::train, 0, 0, 1262}, {Split::test, 0, 0, 700}}},
      {"cirr", {{Split::train, 0, 0, 0, 28225}, {Split::test, 0, 0, 0, 4181}}},
  };
  return kSets;
}

/// `with_val`: val counts as train.
Counts count(const Corpus& corpus, Split split, bool with_val = false) {
  const auto counts = [&](Split each) {
    return each == split || (with_val && split == Split::train && each == Split::val);
  };
  Counts found{split, 0, 0, 0};
  std::set<int64_t> labels;
  for (const CorpusImage& image : corpus.images) {
    if (!counts(image.split)) continue;
    ++found.images;
    labels.insert(image.label);
  }
  for (const CorpusCaption& caption : corpus.captions) found.captions += counts(corpus.images[caption.image_row].split);
  for (const Modification& query : corpus.modifications) found.queries += counts(query.split);
  found.identities = static_cast<int64_t>(labels.size());
  return found;
}

bool has_own_val(const std::vector<Counts>& splits) {
  return std::ranges::any_of(splits, [](const Counts& each) { return each.split == Split::val; });
}

void compare(std::vector<std::string>& out, const char* set, Split split, const char* what, int64_t found,
             int64_t expected) {
  if (expected == 0 || found == expected) return;
  out.push_back(concat(enum_text(split), " has ", found, " ", what, "; published for ", set, ": ", expected));
}

/// What is expected of a corpus in which a split has become part of the first one.
std::vector<Counts> with_merged(const std::vector<Counts>& splits, Split merged) {
  std::vector<Counts> out;
  for (const Counts& each : splits)
    if (each.split == merged)
      out.front().images += each.images, out.front().captions += each.captions,
          out.front().identities += each.identities;
    else
      out.push_back(each);
  return out;
}

/// The published counts in the form that the corpus has: restval, or validation classes, as a split or in train.
std::vector<Counts> expected_of(const Corpus& corpus, const std::vector<Counts>& splits) {
  const Counts train = count(corpus, Split::train), &published = splits.front();
  const bool of_classes = published.images == 0;
  const Split merged = of_classes ? Split::val : Split::rest;
  const bool more = of_classes ? train.identities > published.identities : train.images > published.images;
  return more && count(corpus, merged).images == 0 ? with_merged(splits, merged) : splits;
}

}  // namespace published

std::vector<std::string> published_sets() {
  std::vector<std::string> names;
  for (const auto& set : published::known_sets()) names.push_back(set.name);
  return names;
}

std::vector<std::string> published_differences(const Corpus& corpus, const std::string& known) {
  std::vector<std::string> out;
  for (const auto& set : published::known_sets()) {
    if (known != set.name) continue;
    for (const auto& expected : published::expected_of(corpus, set.splits)) {
      const auto found = published::count(corpus, expected.split, !published::has_own_val(set.splits));
      published::compare(out, set.name, expected.split, "images", found.images, expected.images);
      published::compare(out, set.name, expected.split, "captions", found.captions, expected.captions);
      published::compare(out, set.name, expected.split, "identities", found.identities, expected.identities);
      published::compare(out, set.name, expected.split, "queries", found.queries, expected.queries);
    }
  }
  return out;
}

void note_published_counts(Corpus& corpus, const std::string& known) {
  for (std::string& each : published_differences(corpus, known)) corpus.notes.push_back(std::move(each));
}

}  // namespace diptych
