#include "data/composed.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <string_view>

#include "diptych/core/io/hash.h"
#include "diptych/data/vocabulary.h"

namespace diptych {
namespace composed {

using Neighbours = std::vector<std::vector<int64_t>>;

Neighbours neighbours_of(size_t images, const std::vector<ImageLink>& links) {
  Neighbours out(images);
  for (const auto& [a, b] : links) {
    out[static_cast<size_t>(a)].push_back(b);
    out[static_cast<size_t>(b)].push_back(a);
  }
  return out;
}

// Places in an order that depends on ids and seed alone.
std::vector<int64_t> drawn_order(const std::vector<std::string>& ids, int64_t seed) {
  std::vector<std::pair<std::string, int64_t>> keyed;
  for (size_t i = 0; i < ids.size(); ++i)
    keyed.emplace_back(xxh128(concat("split ", seed, " ", ids[i])), static_cast<int64_t>(i));
  std::ranges::sort(keyed);
  std::vector<int64_t> order;
  for (const auto& [hash, place] : keyed) order.push_back(place);
  return order;
}

// The images that can be reached from `start` through images that `taken` does not mark, nearest first, at most `most`.
std::vector<int64_t> region_of(int64_t start, const Neighbours& neighbours, std::vector<char>& taken, size_t most) {
  std::vector<int64_t> region = {start};
  taken[static_cast<size_t>(start)] = 1;
  for (size_t at = 0; at < region.size(); ++at)
    for (const int64_t next : neighbours[static_cast<size_t>(region[at])]) {
      if (region.size() >= most) return region;
      if (std::exchange(taken[static_cast<size_t>(next)], 1) == 0) region.push_back(next);
    }
  return region;
}

}  // namespace composed

std::vector<std::string> words_of_change(std::string_view text, ChangeWords words) {
  if (words == ChangeWords::runs) return tokenize(text);
  std::string kept;
  for (const char c : text)
    if (const auto byte = static_cast<unsigned char>(c); byte < 0x80 && !std::ispunct(byte)) kept += c;
  return clean_tokens({kept});
}

std::vector<std::string> require_words(std::string_view text, ChangeWords words, const char* what, const Place& place) {
  std::vector<std::string> out = words_of_change(text, words);
  if (out.empty()) throw DataError(place.text(), concat(what, " '", escape_for_log(text), "' holds no word"));
  return out;
}

void add_modification(Corpus& corpus, Modification modification) {
  if (corpus.modifications.size() >= kMaxModifications)
    throw DataError(escape_for_log(corpus.source, 200),
                    concat("makes more than ", kMaxModifications, " modifications, which take some 300 bytes each"),
                    "fashion200k: data.corpus.siblings=50; other sets: split the file");
  corpus.modifications.push_back(std::move(modification));
}

std::optional<int64_t> ImageRows::find(const std::string& id) const {
  const auto found = rows_.find(id);
  return found == rows_.end() ? std::nullopt : std::optional(found->second);
}

int64_t ImageRows::require(const std::string& id, const char* what, const std::string& source,
                           const Place& place) const {
  if (const auto row = find(id)) return *row;
  throw DataError(place.text(),
                  concat(what, " '", escape_for_log(id, 200), "' is no image of ", escape_for_log(source, 200)));
}

std::vector<Split> cut_linked(const std::vector<std::string>& ids, const std::vector<ImageLink>& links,
                              const ValidationCut& cut) {
  std::vector<Split> out(ids.size(), Split::train);
  const auto wanted = static_cast<size_t>(std::llround(cut.val_share * static_cast<double>(ids.size())));
  if (wanted == 0) return out;
  const composed::Neighbours neighbours = composed::neighbours_of(ids.size(), links);
  const std::vector<int64_t> order = composed::drawn_order(ids, cut.seed);
  size_t taken = 0;
  const auto take = [&](const std::vector<int64_t>& region) {
    for (const int64_t place : region) out[static_cast<size_t>(place)] = Split::val;
    taken += region.size();
  };
  std::vector<char> seen(ids.size(), 0);
  for (const int64_t start : order) {
    if (seen[static_cast<size_t>(start)]) continue;
    const auto region = composed::region_of(start, neighbours, seen, ids.size());
    if (taken + region.size() <= wanted) take(region);
  }
  for (size_t i = 0; i < ids.size(); ++i) seen[i] = out[i] == Split::val;
  for (size_t i = 0; i < order.size() && 2 * taken < wanted; ++i)
    if (!seen[static_cast<size_t>(order[i])]) take(composed::region_of(order[i], neighbours, seen, wanted - taken));
  return out;
}

void finish_composed(Corpus& corpus) {
  if (corpus.modifications.empty())
    throw DataError(
        escape_for_log(corpus.modification_source.empty() ? corpus.source : corpus.modification_source, 200),
        "gives no query of composed retrieval: an image, a text and images that answer");
  finish_corpus(corpus);
}

}  // namespace diptych
