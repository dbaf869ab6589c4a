#include "diptych/data/image/positions.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <opencv2/imgcodecs.hpp>
#include <set>

#include "data/image/positions_scene.h"
#include "diptych/core/io/fs.h"
#include "unit/data/corpus_fixture.h"

namespace diptych::testing {
namespace {

using namespace shapes;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr int64_t kPairs = 4 * 480;  // every combination of X and Y once

const std::vector<PositionPair>& pairs() {
  static const std::vector<PositionPair> all = position_pairs(kPairs, 1, 0);
  return all;
}
std::vector<PositionPair> pairs_of(Relation relation) {
  std::vector<PositionPair> out;
  std::ranges::copy_if(pairs(), std::back_inserter(out), [&](const auto& pair) { return pair.relation == relation; });
  return out;
}
constexpr Relation kRelations[] = {Relation::left_right, Relation::above_below, Relation::inside_outside,
                                   Relation::larger_smaller};

std::multiset<std::string> words(const std::string& caption) {
  const auto all = split(caption, ' ');
  return {all.begin(), all.end()};
}

/// How often "x is at least t" (or below) tells which of two answers is right, for the best t: what someone who sees
/// this number alone can know. 0.5 = nothing.
double best_threshold(std::vector<std::pair<double, bool>> seen) {
  std::ranges::sort(seen);
  const auto all = static_cast<double>(seen.size());
  double holding = static_cast<double>(std::ranges::count(seen, true, &std::pair<double, bool>::second));
  double best = std::max(holding, all - holding), right = holding;  // t below everything
  for (size_t i = 0; i < seen.size(); ++i) {
    right += seen[i].second ? -1 : 1;
    if (i + 1 < seen.size() && seen[i + 1].first == seen[i].first) continue;
    best = std::max({best, right, all - right});
  }
  return best / all;
}
/// The same for a number of the scenes of one relation; the answer is whether the relation's first word holds.
double known_from(Relation relation, const std::function<double(const PositionScene&)>& number) {
  std::vector<std::pair<double, bool>> seen;
  for (const PositionPair& pair : pairs_of(relation))
    for (size_t side = 0; side < 2; ++side)
      seen.push_back({number(pair.scenes[side]), (side == 0) == pair.first_holds});
  return best_threshold(seen);
}

TEST(PositionScenes, RelationsAndKindsAreBalanced) {
  for (const Relation relation : kRelations) {
    const auto some = pairs_of(relation);
    EXPECT_THAT(some, SizeIs(kPairs / 4));
    std::map<std::pair<Shape, Colour>, int> as_x, as_y;
    for (const auto& pair : some) {
      const auto& [x, y] = pair.scenes[0].figures;
      ++as_x[{x.shape, x.colour}], ++as_y[{y.shape, y.colour}];
      EXPECT_NE(x.colour, y.colour);
    }
    const size_t kinds = relation == Relation::inside_outside ? 18 : 24;
    EXPECT_THAT(as_x, SizeIs(kinds));
    EXPECT_THAT(as_y, SizeIs(kinds));
    for (const auto* counts : {&as_x, &as_y})
      for (const auto& [kind, count] : *counts) EXPECT_NEAR(count, 480.0 / static_cast<double>(kinds), 1);
  }
}

TEST(PositionScenes, TheFirstWordHoldsWhereItSaysSo) {
  const auto holds = [](Relation relation, const PositionScene& scene) {
    const auto& [x, y] = scene.figures;
    switch (relation) {
      case Relation::left_right:
        return x.x < y.x;
      case Relation::above_below:
        return x.y < y.y;
      case Relation::larger_smaller:
        return box_of(x).right - box_of(x).left > box_of(y).right - box_of(y).left;
      case Relation::inside_outside:
        break;
    }
    const Box inner = box_of(x), frame = box_of(y);
    return inner.left > frame.left && inner.right < frame.right && inner.top > frame.top && inner.bottom < frame.bottom;
  };
  int64_t firsts = 0;
  for (const PositionPair& pair : pairs()) {
    firsts += pair.first_holds;
    for (size_t side = 0; side < 2; ++side)
      ASSERT_EQ(holds(pair.relation, pair.scenes[side]), (side == 0) == pair.first_holds)
          << enum_text(pair.relation) << ": " << pair.scenes[side].captions[0];
  }
  EXPECT_NEAR(firsts, kPairs / 2, 4 * std::sqrt(kPairs) / 2);
}

TEST(PositionScenes, FiguresLieInsideThePictureAndApartUnlessNested) {
  for (const PositionPair& pair : pairs())
    for (const PositionScene& scene : pair.scenes) {
      for (const Figure& figure : scene.figures) {
        const Box box = box_of(figure);
        ASSERT_TRUE(box.left > 0 && box.top > 0 && box.right < 1 && box.bottom < 1) << scene.captions[0];
      }
      const Box a = box_of(scene.figures[0]), b = box_of(scene.figures[1]);
      const bool apart = a.right < b.left || b.right < a.left || a.bottom < b.top || b.bottom < a.top;
      const bool nested =
          pair.relation == Relation::inside_outside && scene.captions[0].find("inside") != std::string::npos;
      if (pair.relation == Relation::left_right || pair.relation == Relation::above_below) {
        ASSERT_TRUE(apart) << scene.captions[0];
      }
      if (nested) {
        ASSERT_FALSE(apart) << scene.captions[0];
      }
    }
}

TEST(PositionScenes, PartnersDifferInNothingButTheRelation) {
  for (const PositionPair& pair : pairs()) {
    const auto &a = pair.scenes[0].figures, &b = pair.scenes[1].figures;
    for (size_t i = 0; i < 2; ++i) {
      ASSERT_EQ(a[i].shape, b[i].shape);
      ASSERT_EQ(a[i].colour, b[i].colour);
      ASSERT_EQ(a[i].is_frame, b[i].is_frame);
      if (pair.relation != Relation::larger_smaller) {
        ASSERT_EQ(a[i].radius, b[i].radius);
      }
    }
    if (pair.relation != Relation::inside_outside) {
      ASSERT_NEAR(a[0].x + a[1].x, b[0].x + b[1].x, 1e-12);
      ASSERT_NEAR(a[0].y + a[1].y, b[0].y + b[1].y, 1e-12);
    }
  }
}

TEST(PositionScenes, NoSingleNumberTellsTheRelation) {
  const double nothing = 0.5 + 4 * 0.5 / std::sqrt(kPairs / 2.0);  // four standard errors, two scenes a pair
  for (const Relation relation : kRelations) {
    SCOPED_TRACE(enum_text(relation));
    const bool frames = relation == Relation::inside_outside;
    // One caption's words: as many of every kind on both sides.
    EXPECT_EQ(
        known_from(relation, [](const PositionScene& s) { return static_cast<double>(words(s.captions[0]).size()); }),
        0.5);
    // The picture's colours, areas and the middle of both shapes.
    for (size_t i = 0; i < 2; ++i)
      EXPECT_EQ(known_from(relation, [&](const PositionScene& s) { return static_cast<double>(s.figures[i].colour); }),
                0.5);
    if (relation != Relation::larger_smaller) {
      EXPECT_LT(known_from(relation, [](const PositionScene& s) { return s.figures[0].radius; }), nothing);
    } else {
      EXPECT_LT(known_from(relation, [](const PositionScene& s) { return s.figures[0].radius; }), 0.8);
    }
    // As long as the place of each shape alone tells nothing, the middle of two shapes apart must vary less than that
    // of two in one place: Var(a + b) < Var(2a). It must stay far from telling all.
    const double middle = frames ? 0.68 : nothing;
    EXPECT_LT(known_from(relation, [](const PositionScene& s) { return s.figures[0].x + s.figures[1].x; }), middle);
    EXPECT_LT(known_from(relation, [](const PositionScene& s) { return s.figures[0].y + s.figures[1].y; }), middle);
    // The place of one shape: for neighbours it cannot tell nothing, but not much.
    for (size_t i = 0; i < 2; ++i) {
      const double from_x = known_from(relation, [&](const PositionScene& s) { return s.figures[i].x; });
      const double from_y = known_from(relation, [&](const PositionScene& s) { return s.figures[i].y; });
      EXPECT_LT(from_x, relation == Relation::left_right ? 0.75 : nothing);
      EXPECT_LT(from_y, relation == Relation::above_below ? 0.75 : nothing);
    }
    // Distance is the relation itself for inside and outside, and nothing elsewhere.
    const double from_distance = known_from(relation, [](const PositionScene& s) {
      return std::hypot(s.figures[0].x - s.figures[1].x, s.figures[0].y - s.figures[1].y);
    });
    if (frames) {
      EXPECT_EQ(from_distance, 1);
    } else {
      EXPECT_LT(from_distance, nothing);
    }
  }
}

TEST(PositionScenes, CaptionsAreOppositeByOneExchange) {
  std::map<std::string, int> relation_words[2];
  for (const PositionPair& pair : pairs()) {
    int64_t same_words = 0;
    for (size_t k = 0; k < 2; ++k) {
      const std::string &a = pair.scenes[0].captions[k], &b = pair.scenes[1].captions[k];
      ASSERT_NE(a, b);
      ASSERT_EQ(words(a).size(), words(b).size());
      std::vector<std::string> gone;
      const auto of_a = words(a), of_b = words(b);
      std::ranges::set_difference(of_a, of_b, std::back_inserter(gone));
      ASSERT_LE(gone.size(), 1u) << a << " | " << b;
      same_words += gone.empty();
      if (pair.relation != Relation::inside_outside)
        for (size_t side = 0; side < 2; ++side)
          for (const char* word : {"left", "right", "above", "below", "larger", "smaller"})
            relation_words[side][word] += pair.scenes[side].captions[k].find(word) != std::string::npos;
    }
    ASSERT_TRUE(same_words == 0 || same_words == 2);
    if (pair.relation == Relation::inside_outside) {
      ASSERT_EQ(same_words, 0);
    }
  }
  EXPECT_EQ(relation_words[0], relation_words[1]);  // the first of a pair is not the one of the "left" captions
  EXPECT_EQ(relation_words[0]["left"], relation_words[0]["right"]);
}

TEST(PositionScenes, OtherSeedsAndSplitsGiveOtherScenes) {
  const auto captions = [](const std::vector<PositionPair>& all) {
    std::vector<std::string> out;
    for (const auto& pair : all) out.push_back(pair.scenes[0].captions[0]);
    return out;
  };
  EXPECT_EQ(captions(position_pairs(40, 1, 0)), captions(position_pairs(40, 1, 0)));
  EXPECT_NE(captions(position_pairs(40, 1, 0)), captions(position_pairs(40, 2, 0)));
  EXPECT_NE(captions(position_pairs(40, 1, 0)), captions(position_pairs(40, 1, 1)));
}

PositionsOptions few() {
  PositionsOptions options;
  options.images = 16, options.val_images = 8, options.test_images = 8, options.size = 64;
  return options;
}

TEST(PositionsCorpus, ReadsWithItsPairsAndRelations) {
  const TempDir folder;
  write_positions_corpus(folder / "set", few());
  const Corpus corpus = read_corpus("{type: jsonl, root: " + (folder / "set").string() + "}");
  EXPECT_NO_THROW(check_images_exist(corpus));
  EXPECT_THAT(corpus.image_rows(Split::train), SizeIs(16));
  EXPECT_THAT(corpus.caption_rows(Split::test), SizeIs(16));
  const auto partners = corpus.partners();
  for (size_t row = 0; row < partners.size(); ++row) {
    ASSERT_GE(partners[row], 0);
    const auto& partner = corpus.images[static_cast<size_t>(partners[row])];
    EXPECT_EQ(partner.relation, corpus.images[row].relation);
    EXPECT_EQ(partner.split, corpus.images[row].split);
    EXPECT_EQ(partners[static_cast<size_t>(partners[row])], static_cast<int64_t>(row));
  }
  EXPECT_EQ(corpus.images[0].relation, "left_right");
}

// The partners' pictures have equal ground and noise: they differ only where a shape is or was.
TEST(PositionsCorpus, PartnersShareTheirGround) {
  const TempDir folder;
  write_positions_corpus(folder / "set", few());
  const auto picture = [&](const char* name) {
    return cv::imread((folder / "set/images" / name).string(), cv::IMREAD_COLOR);
  };
  const cv::Mat a = picture("train-00000-a.jpg"), b = picture("train-00000-b.jpg"), c = picture("train-00001-a.jpg");
  ASSERT_EQ(a.size(), cv::Size(64, 64));
  const auto corner_difference = [](const cv::Mat& left, const cv::Mat& right) {
    return cv::norm(left(cv::Rect(0, 0, 5, 5)), right(cv::Rect(0, 0, 5, 5)), cv::NORM_INF);
  };
  EXPECT_LE(corner_difference(a, b), 6);  // JPEG blocks reach no further than 8 pixels
  EXPECT_GT(cv::norm(a, b, cv::NORM_INF), 60);
  EXPECT_GT(corner_difference(a, c), 0);
}

TEST(PositionsCorpus, ShufflingExchangesHalfOfTheTrainingCaptionsAndNothingElse) {
  const TempDir folder;
  PositionsOptions plain = few(), shuffled = few();
  plain.images = shuffled.images = 200, shuffled.shuffled = true;
  write_positions_corpus(folder / "a", plain), write_positions_corpus(folder / "b", shuffled);
  const auto read = [&](const char* name) {
    return read_corpus("{type: jsonl, root: " + (folder / name).string() + "}");
  };
  const Corpus a = read("a"), b = read("b");
  ASSERT_EQ(a.captions.size(), b.captions.size());
  int64_t moved = 0;
  for (size_t i = 0; i < a.captions.size(); ++i) {
    if (a.captions[i].text == b.captions[i].text) continue;
    ++moved;
    const auto row = static_cast<size_t>(a.captions[i].image_row);
    ASSERT_EQ(a.images[row].split, Split::train);
    const auto partner = a.captions_of_images()[static_cast<size_t>(a.partners()[row])];
    EXPECT_EQ(b.captions[i].text, a.captions[static_cast<size_t>(partner[i % 2])].text);
  }
  EXPECT_NEAR(moved, 200, 80);  // of 400
  const auto bytes = [&](const char* name) { return read_file(folder / name / "images/train-00007-b.jpg", 1 << 20); };
  EXPECT_EQ(bytes("a"), bytes("b"));
}

TEST(PositionsCorpus, RepeatsAndRefuses) {
  const TempDir folder;
  write_positions_corpus(folder / "set", few());
  EXPECT_NO_THROW(write_positions_corpus(folder / "set", few()));
  PositionsOptions other = few();
  other.images = 24;
  EXPECT_THROW(write_positions_corpus(folder / "set", other), UsageError);
  other.images = 20;
  try {
    write_positions_corpus(folder / "new", other);
    ADD_FAILURE() << "20 pictures are no whole number of pairs for each relation";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("images = 20: must be a multiple of 8"));
  }
  EXPECT_FALSE(std::filesystem::exists(folder / "new"));
}

}  // namespace
}  // namespace diptych::testing
