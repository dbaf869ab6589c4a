#pragma once
#include <cstdint>
#include <vector>

#include "diptych/eval/ranks.h"

namespace diptych {

/// What is counted for one score.
struct Tally {
  int32_t above = 0, at_least = 0;  // #(s > s_g), #(s >= s_g), in the block of g
  int32_t tied_before = 0;          // #(s = s_g, index < index of g)
  Tally& operator+=(const Tally& other) {
    above += other.above, at_least += other.at_least, tied_before += other.tied_before;
    return *this;
  }
};

/// The relevant pairs of one direction that lie in one block, or the best of each query.
struct Pairs {
  IndexLists item;           // of each query
  std::vector<float> score;  // of each pair
  int64_t size() const { return static_cast<int64_t>(item.items.size()); }
  size_t begin(int64_t query) const { return static_cast<size_t>(item.offsets[static_cast<size_t>(query)]); }
  size_t end(int64_t query) const { return static_cast<size_t>(item.offsets[static_cast<size_t>(query) + 1]); }
};

/// The tallies of the pairs of both directions, and the least and greatest score met (0, 0: none).
struct Tallies {
  std::vector<Tally> rows, cols;
  float lowest = 0, highest = 0;
};

}  // namespace diptych
