#include "data/split_shares.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string_view>

#include "diptych/core/error.h"
#include "diptych/core/io/hash.h"
#include "diptych/core/text.h"

namespace diptych {
namespace {

size_t part_of(double share, size_t count) {
  const auto part = static_cast<size_t>(std::llround(share * static_cast<double>(count)));
  return share > 0 ? std::max<size_t>(part, 1) : 0;
}

}  // namespace

std::vector<Split> draw_splits(const std::vector<std::string>& keys, const SplitShares& shares) {
  std::map<std::string, Split> split_of;
  for (const std::string& key : keys) split_of[key] = Split::train;
  std::vector<std::pair<std::string, Split*>> order;
  for (auto& [key, split] : split_of) order.emplace_back(xxh128(concat("split ", shares.seed, " ", key)), &split);
  std::ranges::sort(order);
  const size_t test = part_of(shares.test, order.size()), val = part_of(shares.val, order.size());
  if (test + val >= order.size())
    throw DataError("data.corpus.split",
                    concat("val = ", shares.val, " and test = ", shares.test, " of ", order.size(),
                           " images (or identities) leave none to train on"),
                    "use smaller shares, or more images");
  for (size_t i = 0; i < test + val; ++i) *order[i].second = i < test ? Split::test : Split::val;
  std::vector<Split> out;
  for (const std::string& key : keys) out.push_back(split_of.at(key));
  return out;
}

std::vector<Split> cut_validation(const std::vector<std::string>& keys, const ValidationCut& cut) {
  if (cut.val_share <= 0 || keys.empty()) return std::vector<Split>(keys.size(), Split::train);
  if (std::set<std::string_view>(keys.begin(), keys.end()).size() < 2)
    throw DataError(concat("data.corpus.val_share = ", cut.val_share),
                    "all training images are of one kind or person, which cannot be cut into train and val",
                    "data.corpus.val_share=0");
  return draw_splits(keys, {.val = cut.val_share, .test = 0, .seed = cut.seed});
}

}  // namespace diptych
