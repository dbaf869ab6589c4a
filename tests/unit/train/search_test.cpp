#include "diptych/train/search.h"

#include <gmock/gmock.h>

#include <functional>

#include "diptych/core/text.h"
#include "diptych/train/encode_files.h"
#include "unit/train/trained_fixture.h"

namespace diptych::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Search : public ::testing::Test {
 protected:
  Search() : trained_(load_trained_model(catalog_, write_run(catalog_, dir_ / "run", use_config()), "best", {}, 0)) {
    for (int i = 0; i < 7; ++i) write_noise(dir_ / ("p/" + std::to_string(i) + ".png"), i);
  }
  Gallery gallery(const EncodeItems& items) {
    encode_items(trained_, items, {.out = dir_ / "g.safetensors", .overwrite = true});
    return read_gallery(dir_ / "g.safetensors");
  }
  Catalog catalog_;
  TempDir dir_;
  TrainedModel trained_;
};

TEST_F(Search, APictureFindsItselfFirst) {
  const Gallery pictures = gallery(list_pictures({dir_ / "p"}));
  for (const int64_t i : {0, 3, 6}) {
    const std::string name = concat(i, ".png");
    const SearchOutcome outcome = search(pictures, trained_, {{View::image, dir_ / ("p/" + name), "here"}}, 7);
    const auto& best = outcome.answers[0].best;
    ASSERT_EQ(best.size(), 7u);
    EXPECT_EQ(best[0].index, i);
    EXPECT_NEAR(best[0].score, 1, 1e-5);
    EXPECT_LT(best[1].score, 0.99);
    EXPECT_TRUE(std::ranges::is_sorted(best, std::greater{}, &Scored::score));
  }
}

TEST_F(Search, TextToImageAgreesWithTheScorer) {
  const Gallery pictures = gallery(list_pictures({dir_ / "p"}));
  const SearchOutcome outcome = search(
      pictures, trained_, {{View::text, "a red circle", "here"}, {View::text, "blue square zebra", "here"}}, 100);
  const at::Tensor text = trained_.embed_texts({{4, 5, 7}, {6, 8, 1}});
  const at::Tensor scores = trained_.model->scorer().forward(text, pictures.embeddings);
  for (int64_t q = 0; q < 2; ++q) {
    const auto& best = outcome.answers[static_cast<size_t>(q)].best;
    ASSERT_EQ(best.size(), 7u);
    for (size_t i = 0; i < best.size(); ++i) {
      EXPECT_NEAR(best[i].score, scores[q][best[i].index].item<float>(), 1e-5);
      if (i > 0) {
        EXPECT_TRUE(best[i - 1].before(best[i]));
      }
    }
  }
  EXPECT_THAT(outcome.answers[1].unknown, ElementsAre("zebra"));
  EXPECT_FALSE(outcome.answers[1].all_unknown);
}

TEST_F(Search, ImageToTextAndItsForms) {
  const Gallery captions = gallery(parse_captions("one\ta red circle\ntwo\tblue square\n", "c.txt"));
  const SearchOutcome outcome = search(captions, trained_, {{View::image, dir_ / "p/0.png", "here"}}, 2);
  EXPECT_THAT(to_text(outcome, captions), HasSubstr("a red circle"));
  const Json json = to_json(outcome, captions);
  EXPECT_EQ(json["queries"][0]["results"].size(), 2u);
  EXPECT_EQ(json["queries"][0]["results"][0]["rank"], 1);
  EXPECT_EQ(json["gallery"]["view"], "text");
}

TEST_F(Search, AGalleryOfAnotherModelIsRefused) {
  const Gallery pictures = gallery(list_pictures({dir_ / "p"}));
  const TrainedModel other =
      load_trained_model(catalog_, write_run(catalog_, dir_ / "other", use_config(), 2), "best", {}, 0);
  try {
    search(pictures, other, {{View::text, "a red circle", "here"}}, 1);
    ADD_FAILURE() << "no error";
  } catch (const CheckpointError& error) {
    EXPECT_THAT(error.what(), HasSubstr((dir_ / "run").string()));
  }
}

TEST_F(Search, BadQueriesAreNamed) {
  const Gallery pictures = gallery(list_pictures({dir_ / "p"}));
  EXPECT_THROW(search(pictures, trained_, {}, 1), UsageError);
  EXPECT_THROW(search(pictures, trained_, {{View::text, "a", "here"}}, 0), UsageError);
  EXPECT_THROW(search(pictures, trained_, {{View::text, "", "here"}}, 1), DataError);
  EXPECT_THROW(search(pictures, trained_, {{View::image, dir_.write("x.jpg", "text"), "here"}}, 1), DataError);
  const auto outcome = search(pictures, trained_, {{View::text, "zebra", "here"}}, 1);
  EXPECT_TRUE(outcome.answers[0].all_unknown);
}

TEST_F(Search, QueriesOfAFile) {
  const auto queries = read_queries(dir_.write("q.txt", "a red circle\nblue\n"));
  ASSERT_EQ(queries.size(), 2u);
  EXPECT_EQ(queries[1].content, "blue");
  EXPECT_THAT(queries[1].place, HasSubstr("q.txt:2"));
}

}  // namespace
}  // namespace diptych::testing
