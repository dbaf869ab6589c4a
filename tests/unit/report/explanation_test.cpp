#include "diptych/report/explanation.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <fstream>

#include "diptych/core/error.h"
#include "diptych/core/text.h"
#include "support/temp_dir.h"

namespace diptych::report {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

at::Tensor grey(int64_t height, int64_t width) { return torch::full({height, width, 3}, 128, at::kByte); }

Json record(const std::string& text = "a dog") {
  return Json{{"text", text},
              {"score", 0.5},
              {"scorer", "cosine"},
              {"method", "Grad-CAM"},
              {"closed_form_difference", 1e-7},
              {"relevance", {{0.0, 1.0}, {-1.0, 0.0}}},
              {"words",
               {{{"word", "a"}, {"known", true}, {"left_out", 0.01}, {"gradient", -0.02}},
                {{"word", "dog"}, {"known", false}, {"left_out", 0.4}, {"gradient", 0.3}}}},
              {"words_cut", 0},
              {"attention", Json::array()}};
}

TEST(HeatOverlay, ColoursThePlacesAboveZeroOnly) {
  const at::Tensor relevance = torch::tensor({{0.f, 2.f}, {-5.f, 0.f}});
  const at::Tensor out = heat_overlay(grey(40, 40), relevance, 80);
  ASSERT_EQ(out.sizes(), (at::IntArrayRef{80, 80, 3}));
  const auto pixel = [&](int64_t y, int64_t x) { return out[y][x].to(at::kInt); };
  EXPECT_TRUE(at::equal(pixel(70, 10), torch::tensor({128, 128, 128}, at::kInt)));  // below zero: as it was
  const at::Tensor hot = pixel(5, 75);
  EXPECT_GT(hot[0].item<int>(), hot[2].item<int>() + 20);  // yellow: red above blue
  EXPECT_FALSE(at::equal(hot, pixel(5, 5)));
}

// Two places; the first looks at the picture's left edge, so that the second one looks at its middle.
TEST(HeatOverlay, DrawsPlacesWhereTheyLook) {
  const at::Tensor relevance = torch::tensor({{0.f, 1.f}});
  const auto warmth = [&](const at::Tensor& picture, int64_t x) { return picture[20][x][0].item<int>(); };
  const at::Tensor cells = heat_overlay(grey(40, 40), relevance, 40),
                   edges = heat_overlay(grey(40, 40), relevance, 40, {0.5, 0});
  EXPECT_LT(warmth(cells, 20), warmth(cells, 30)) << "between the two places";
  EXPECT_EQ(warmth(edges, 20), warmth(edges, 30)) << "at the second place, and beyond";
  EXPECT_NE(warmth(edges, 20), warmth(edges, 2));
}

TEST(HeatOverlay, NothingAboveZeroIsThePlainPicture) {
  EXPECT_TRUE(at::equal(heat_overlay(grey(8, 16), torch::full({3, 3}, -1.f), 32), grey(16, 32)));
  EXPECT_THROW(heat_overlay(grey(8, 8), torch::zeros({3})), ShapeError);
  EXPECT_THROW(heat_overlay(torch::zeros({8, 8, 3}), torch::zeros({3, 3})), ShapeError);
}

TEST(ExplanationPage, ShowsWordsAsTextAndBothMeasures) {
  const std::string html = explanation_page(record("<script>alert(1)</script> dog"), grey(20, 30), {{"run", "a & b"}});
  EXPECT_THAT(html,
              AllOf(HasSubstr("&lt;script&gt;alert(1)"), Not(HasSubstr("<script>alert")), HasSubstr("a &amp; b")));
  EXPECT_THAT(html, AllOf(HasSubstr("+0.400"), HasSubstr("-0.020"), HasSubstr("read as &lt;unk&gt;"),
                          HasSubstr("Grad-CAM"), HasSubstr("gradient x input"), HasSubstr("cosine 0.500"),
                          HasSubstr("at most 1.0e-07 of"), HasSubstr("data:image/jpeg;base64,")));
}

TEST(ExplanationPage, SaysWhatIsMissing) {
  Json cut = record();
  cut["words_cut"] = 3;
  cut["relevance"] = {{-1.0}};
  cut["words"][0]["gradient"] = nullptr, cut["words"][1]["gradient"] = nullptr;
  const std::string html = explanation_page(cut, grey(20, 30), {});
  EXPECT_THAT(html, AllOf(HasSubstr("3 words beyond"), HasSubstr("No place of the picture speaks")));
  EXPECT_THAT(html, Not(HasSubstr("word vector times")));  // the column of gradients
  EXPECT_THAT(explanation_page(record(), grey(20, 30), {}), HasSubstr("word vector times"));
  Json attention = record();
  attention["attention"] = {{{"name", "step 1"}, {"map", {{1.0, 0.0}}}}};
  EXPECT_THAT(explanation_page(attention, grey(20, 30), {}), HasSubstr("attention: step 1"));
  std::vector<double> looked(attention["words"].size(), 0.1);
  looked.back() = 0.8;
  attention["attention"][0]["words"] = looked;
  EXPECT_THAT(explanation_page(attention, grey(20, 30), {}),
              AllOf(HasSubstr("step 1, most on the word"), HasSubstr("dog")));
}

TEST(ExplanationPage, ALongTextIsCutAtALetterInTheHeading) {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "\xc3\xa9";  // 10 kB of one word
  const std::string html = explanation_page(record(text), grey(20, 30), {});
  const std::string head = html.substr(0, html.find("Picture and words"));
  EXPECT_THAT(head, HasSubstr("\xc3\xa9..."));
  EXPECT_FALSE(find_invalid_utf8(html));
}

TEST(ExplanationPage, SaysWhenNoWordIsKnown) {
  EXPECT_THAT(explanation_page(record(), grey(20, 30), {}), Not(HasSubstr("none of these words")));
  Json unknown = record();
  unknown["words"][0]["known"] = false;
  EXPECT_THAT(explanation_page(unknown, grey(20, 30), {}), HasSubstr("none of these words"));
}

TEST(Explanations, ComeFromTheRunsFiles) {
  const testing::TempDir folder;
  Thumbnails thumbnails([](const std::filesystem::path&) { return grey(9, 9); });
  const PictureReader reader = [](const std::filesystem::path&) { return grey(9, 9); };
  EXPECT_TRUE(explanations(folder.path(), reader, thumbnails).empty());
  Json own = record(), first = record();
  own.update(Json{{"image", "i1"}, {"caption", "i1#0"}, {"match", true}, {"rank", 7}, {"picture", "0.jpg"}});
  first.update(Json{{"image", "i2"}, {"caption", "i1#0"}, {"match", false}, {"rank", 7}, {"picture", "0.jpg"}});
  folder.write("explain/0.jpg", "x");
  folder.write("explain/explain.json", Json{{"v", 1}, {"what", "worst:1"}, {"pairs", {own, first}}}.dump());
  const std::string html = explanations(folder.path(), reader, thumbnails).markup();
  EXPECT_THAT(html, AllOf(HasSubstr("its own picture, i1, at rank 7"), HasSubstr("came first instead, i2")));
  own.erase("words");
  folder.write("explain/explain.json", Json{{"v", 1}, {"pairs", {own}}}.dump());
  try {
    explanations(folder.path(), reader, thumbnails);
    ADD_FAILURE() << "a record without words is no explanation";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("explain.json"), HasSubstr("words")));
  }
  own = record();
  own.update(Json{{"image", "i1"}, {"caption", "i1#0"}, {"match", true}, {"rank", 7}, {"picture", "../../etc/passwd"}});
  folder.write("explain/explain.json", Json{{"v", 1}, {"pairs", {own}}}.dump());
  EXPECT_THROW(explanations(folder.path(), reader, thumbnails), DataError) << "a picture outside the folder";
}

}  // namespace
}  // namespace diptych::report
