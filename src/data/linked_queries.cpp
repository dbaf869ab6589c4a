#include "data/linked_queries.h"

#include <algorithm>
#include <set>
#include <tuple>

namespace diptych {
namespace linked {

void cut_images(LinkedSet& set, const ValidationCut& cut) {
  std::vector<std::string> ids;
  std::vector<size_t> image_of;
  std::vector<int64_t> place(set.images.size(), -1);
  for (size_t i = 0; i < set.images.size(); ++i) {
    if (set.images[i].split != Split::train) continue;
    place[i] = static_cast<int64_t>(ids.size());
    ids.push_back(set.images[i].id);
    image_of.push_back(i);
  }
  std::vector<ImageLink> links;
  for (const LinkedQuery& query : set.queries) {
    const int64_t source = place[static_cast<size_t>(query.source)];
    const auto link = [&](int64_t other) {
      if (const int64_t to = place[static_cast<size_t>(other)]; source >= 0 && to >= 0) links.emplace_back(source, to);
    };
    link(query.target);
    for (const int64_t member : query.subset) link(member);
  }
  const std::vector<Split> splits = cut_linked(ids, links, cut);
  for (size_t i = 0; i < splits.size(); ++i) set.images[image_of[i]].split = splits[i];
}

// Training needs the two images alone; an evaluated query its second gallery, too.
bool lies_in_one_split(const LinkedSet& set, const LinkedQuery& query) {
  const auto split_of = [&](int64_t place) { return set.images[static_cast<size_t>(place)].split; };
  const Split split = split_of(query.source);
  if (split_of(query.target) != split) return false;
  return split == Split::train ||
         std::ranges::all_of(query.subset, [&](int64_t member) { return split_of(member) == split; });
}

void add_query(Corpus& corpus, const LinkedQuery& query, ChangeWords words) {
  const Split split = corpus.images[static_cast<size_t>(query.source)].split;
  for (const std::string& text : query.texts) {
    add_modification(corpus, {.text = text,
                              .tokens = words_of_change(text, words),
                              .split = split,
                              .source_row = query.source,
                              .source_label = query.source,
                              .target_label = query.target,
                              .target_row = query.target,
                              .subset = split == Split::train ? std::vector<int64_t>{} : query.subset});
    if (split != Split::train) break;
  }
}

}  // namespace linked

void add_linked(Corpus& corpus, LinkedSet set, const ValidationCut& cut, ChangeWords words) {
  linked::cut_images(set, cut);
  ImageFinder finder(corpus.image_root);
  for (const LinkedImage& image : set.images) {
    const auto row = static_cast<int64_t>(corpus.images.size());
    corpus.images.push_back({finder.find(image.paths), image.id, image.split, row});
  }
  int64_t across = 0, repeated = 0;
  std::set<std::tuple<int64_t, int64_t, std::string_view>> seen;
  for (const LinkedQuery& query : set.queries) {
    if (!linked::lies_in_one_split(set, query)) {
      ++across;
      continue;
    }
    repeated += !seen.emplace(query.source, query.target, query.texts.front()).second;
    linked::add_query(corpus, query, words);
  }
  if (across > 0)
    corpus.notes.push_back(
        concat(across, " training queries lie across the cut of val_share = ", cut.val_share, " and were left out"));
  if (repeated > 0) corpus.notes.push_back(concat(repeated, " queries stand in the files more than once"));
}

}  // namespace diptych
