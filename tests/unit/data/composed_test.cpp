#include "data/composed.h"

#include <gmock/gmock.h>

#include <set>

#include "unit/data/corpus_fixture.h"

namespace diptych::testing {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(WordsOfChange, RunsOrStripped) {
  const std::string text = "Replace the men's V-neck, caf\u00e9!";
  EXPECT_THAT(words_of_change(text, ChangeWords::runs),
              ElementsAre("replace", "the", "men's", "v", "neck", "caf\u00e9"));
  EXPECT_THAT(words_of_change(text, ChangeWords::stripped), ElementsAre("replace", "the", "mens", "vneck", "caf"));
  EXPECT_THAT(words_of_change(" .,! ", ChangeWords::stripped), IsEmpty());
  EXPECT_THAT(data_error([] {
                require_words("?", ChangeWords::runs, "the text", Place{"q.txt", 7, true, {}});
              }),
              HasSubstr("q.txt:7: the text '?' holds no word"));
}

TEST(CutValidation, KeepsEqualKeysTogether) {
  const std::vector<std::string> keys = {"a", "b", "a", "c", "d", "a"};
  const auto splits = cut_validation(keys, {.val_share = 0.25, .seed = 3});
  EXPECT_EQ(splits[0], splits[2]);
  EXPECT_EQ(splits[0], splits[5]);
  std::set<std::string> val;
  for (size_t i = 0; i < keys.size(); ++i)
    if (splits[i] == Split::val) val.insert(keys[i]);
  EXPECT_EQ(val.size(), 1u);
  EXPECT_THAT(cut_validation(keys, {.val_share = 0, .seed = 3}), Each(Split::train));
  EXPECT_THAT(cut_validation({}, {.val_share = 0.5, .seed = 3}), IsEmpty());
  EXPECT_THAT(data_error([] {
                cut_validation({"a", "a"}, {.val_share = 0.5, .seed = 3});
              }),
              HasSubstr("data.corpus.val_share = 0.5"));
}

std::vector<std::string> image_names(int64_t count) {
  std::vector<std::string> out;
  for (int64_t i = 0; i < count; ++i) out.push_back("image " + std::to_string(i));
  return out;
}

size_t in_val(const std::vector<Split>& splits) {
  return static_cast<size_t>(std::count(splits.begin(), splits.end(), Split::val));
}

TEST(CutLinked, KeepsLinkedImagesTogether) {
  std::vector<ImageLink> links;  // fifty chains of four
  for (int64_t i = 0; i < 200; ++i)
    if (i % 4 > 0) links.emplace_back(i, i - 1);
  const auto splits = cut_linked(image_names(200), links, {.val_share = 0.1, .seed = 1});
  EXPECT_EQ(in_val(splits), 20u);
  for (const auto& [a, b] : links) EXPECT_EQ(splits[static_cast<size_t>(a)], splits[static_cast<size_t>(b)]);
  EXPECT_EQ(cut_linked(image_names(200), links, {.val_share = 0.1, .seed = 1}), splits);
  EXPECT_NE(cut_linked(image_names(200), links, {.val_share = 0.1, .seed = 2}), splits);
  EXPECT_EQ(in_val(cut_linked(image_names(200), links, {.val_share = 0, .seed = 1})), 0u);
  EXPECT_THAT(cut_linked({}, {}, {.val_share = 0.5, .seed = 1}), IsEmpty());
}

TEST(CutLinked, CutsARegionWhereAllIsLinked) {
  std::vector<ImageLink> links;  // a ring: a region of it has two borders
  for (int64_t i = 0; i < 100; ++i) links.emplace_back(i, (i + 1) % 100);
  const auto splits = cut_linked(image_names(100), links, {.val_share = 0.2, .seed = 1});
  EXPECT_EQ(in_val(splits), 20u);
  size_t across = 0;
  for (const auto& [a, b] : links) across += splits[static_cast<size_t>(a)] != splits[static_cast<size_t>(b)];
  EXPECT_EQ(across, 2u);
}

TEST(ImageRows, NameTheImageThatIsNotThere) {
  ImageRows rows;
  rows.add("a", 4);
  const Place place{"q.json", 2, false, {}};
  EXPECT_EQ(rows.require("a", "source", "set", place), 4);
  EXPECT_THAT(data_error([&] { rows.require("b", "source", "set", place); }),
              HasSubstr("q.json record 2: source 'b' is no image of set"));
}

}  // namespace
}  // namespace diptych::testing
