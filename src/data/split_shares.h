#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "diptych/core/options.h"
#include "diptych/data/corpus.h"

namespace diptych {

/// Shares of a corpus whose file says nothing of splits.
struct SplitShares {
  double val = 0, test = 0;
  int64_t seed = 1;
  static void visit(auto& self, auto& field) {
    field("val", self.val, "share of the images that go to val", Field{.lo = 0, .hi = 0.9});
    field("test", self.test, "share of the images that go to test; train keeps the rest", Field{.lo = 0, .hi = 0.9});
    field("seed", self.seed, "of the drawing", Field{.lo = 0, .hi = 9007199254740992.0});
  }
  bool given() const { return val > 0 || test > 0; }
};

/// A split for each key (an image's id, or its identity, so that an identity never lies in two splits). Keys are
/// ordered by a hash of seed and key; the first go to test, the next to val, at least one each if its share is above 0.
/// The order of the keys does not matter, and a key that is added moves few others. Equal keys get equal splits. throws
/// DataError if train would be empty.
std::vector<Split> draw_splits(const std::vector<std::string>& keys, const SplitShares& shares);

/// Validation images of a set that has none of its own: cut from the training images, so that what is chosen by
/// validation never sees the test split.
struct ValidationCut {
  double val_share = 0.1;
  int64_t seed = 1;
  static void visit_cut(auto& self, auto& field,
                        const char* what =
                            "share of the training images that become the split val, so that choosing "
                            "by validation never touches test; 0 = none") {
    field("val_share", self.val_share, what, Field{.lo = 0, .hi = 0.5});
    field("seed", self.seed, "of the drawing of val", Field{.lo = 0, .hi = 9007199254740992.0});
  }
};

/// train or val for each key; equal keys stay together, `share` of the different keys become val, at least one if it is
/// above 0. throws DataError if there is only one key.
std::vector<Split> cut_validation(const std::vector<std::string>& keys, const ValidationCut& cut);

}  // namespace diptych
