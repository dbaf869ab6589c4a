#include "diptych/data/image/css_corpus.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <opencv2/imgcodecs.hpp>
#include <set>
#include <tuple>

#include "data/css_annotation.h"
#include "data/image/css_draw.h"
#include "diptych/core/text.h"
#include "support/slurp.h"
#include "unit/data/corpus_fixture.h"

namespace diptych::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

CssCorpusOptions small_css() { return {.train_queries = 200, .test_queries = 40, .size = 32}; }

struct GeneratedCss {
  TempDir folder;
  GeneratedCss() { write_css_corpus(folder / "set", small_css()); }
  Corpus read(const std::string& more = "") const {
    return read_corpus("{type: css, root: " + (folder / "set").string() + more + "}");
  }
  css::Annotation annotation() const {
    return css::parse_annotation(slurp(folder / "set" / css::kAnnotationFile), "css");
  }
};

// ------------------------------------------------------------------- the texts, read by somebody who knows no
// generator

using Thing = std::tuple<std::string, std::string, std::string, std::string>;  // place, size, colour, shape
using Things = std::set<Thing>;

Things things_in(const std::vector<css::SceneObject>& scene) {
  const char *rows[] = {"top", "middle", "bottom"}, *columns[] = {"left", "center", "right"};
  Things out;
  for (const css::SceneObject& each : scene)
    out.emplace(concat(rows[static_cast<int>(each.y * 3)], "-", columns[static_cast<int>(each.x * 3)]), each.size,
                each.color, each.shape);
  return out;
}

bool is_said_of(const std::string& word, const Thing& thing) {
  const auto& [place, size, colour, shape] = thing;
  return word == place || word == size || word == colour || word == shape;
}

void become(Thing& thing, const std::string& word) {
  if (word == "small" || word == "large")
    std::get<1>(thing) = word;
  else if (word == "rectangle" || word == "circle" || word == "triangle")
    std::get<3>(thing) = word;
  else
    std::get<2>(thing) = word;
}

/// What the text makes of the things; fails if it is not true of exactly one.
Things changed_by(const std::string& text, Things things) {
  std::vector<std::string> words;
  for (const std::string& word : split(text, ' '))
    if (word != "a" && word != "the" && word != "to") words.push_back(word);
  const std::string action = words.front();
  words.erase(words.begin());
  if (action == "add") {
    EXPECT_THAT(words, SizeIs(4)) << text;
    things.emplace(words.at(3), words.at(0), words.at(1), words.at(2));
    return things;
  }
  const std::string last = words.back();
  if (action == "make") words.pop_back();
  std::vector<Thing> meant;
  for (const Thing& thing : things)
    if (std::ranges::all_of(words, [&](const std::string& word) { return is_said_of(word, thing); }))
      meant.push_back(thing);
  EXPECT_THAT(meant, SizeIs(1)) << text;
  if (meant.size() != 1) return {};
  things.erase(meant[0]);
  if (action == "make") {
    become(meant[0], last);
    things.insert(meant[0]);
  }
  return things;
}

TEST(CssCorpus, EveryTextMakesItsTargetOfItsSourceAndOfNothingElse) {
  const GeneratedCss generated;
  const css::Annotation annotation = generated.annotation();
  for (const css::SplitAnnotation* part : {&annotation.train, &annotation.test}) {
    std::map<Things, int64_t> label_of;
    size_t pairs = 0;
    for (size_t i = 0; i < part->objects.size(); ++i) {
      const Things things = things_in(part->objects[i]);
      EXPECT_EQ(things.size(), part->objects[i].size());  // one a cell
      EXPECT_EQ(label_of.emplace(things, part->labels[i]).first->second, part->labels[i]) << i;
    }
    EXPECT_EQ(label_of.size(), std::set<int64_t>(part->labels.begin(), part->labels.end()).size());
    for (const css::TextEdit& edit : part->edits)
      for (size_t i = 0; i < edit.from.size(); ++i, ++pairs) {
        const Things from = things_in(part->objects[static_cast<size_t>(edit.from[i])]);
        const Things to = things_in(part->objects[static_cast<size_t>(edit.to[i])]);
        EXPECT_NE(from, to);
        EXPECT_EQ(changed_by(edit.text, from), to) << edit.text;
      }
    EXPECT_EQ(pairs, part == &annotation.train ? 200u : 40u);
    EXPECT_LT(part->edits.size(), pairs);  // some texts are true of several scenes
  }
}

TEST(CssCorpus, TestScenesCombineKnownShapesAndColoursAnew) {
  std::map<css::Part, int> combinations;
  for (const css::Part part : {css::Part::train, css::Part::test}) {
    std::set<css::Shape> shapes;
    std::set<css::Colour> colours;
    for (const auto& [shape, shape_name] : enum_names(css::Shape{}))
      for (const auto& [colour, colour_name] : enum_names(css::Colour{}))
        if (css::belongs_to(part, shape, colour)) {
          ++combinations[part];
          shapes.insert(shape), colours.insert(colour);
          EXPECT_FALSE(css::belongs_to(part == css::Part::train ? css::Part::test : css::Part::train, shape, colour));
        }
    EXPECT_THAT(shapes, SizeIs(3));
    EXPECT_THAT(colours, SizeIs(8));
    EXPECT_EQ(combinations[part], 12);
  }
  const GeneratedCss generated;
  const css::Annotation annotation = generated.annotation();
  const auto kinds = [](const css::SplitAnnotation& part) {
    std::set<std::string> out;
    for (const auto& scene : part.objects)
      for (const auto& object : scene) out.insert(object.color + " " + object.shape);
    return out;
  };
  EXPECT_THAT(kinds(annotation.train), SizeIs(12));
  for (const std::string& kind : kinds(annotation.test)) EXPECT_EQ(kinds(annotation.train).count(kind), 0u) << kind;
}

TEST(CssCorpus, ReadsInTheLayoutOfTheRelease) {
  const GeneratedCss generated;
  for (const char* mode : {"2d, gallery_images: 2d", "3d, gallery_images: 3d", "2d, gallery_images: 3d"}) {
    const Corpus corpus = generated.read(concat(", query_images: ", mode));
    EXPECT_NO_THROW(check_images_exist(corpus)) << mode;
    int64_t ranked = 0;
    for (const int64_t row : corpus.image_rows(Split::test)) ranked += corpus.images[static_cast<size_t>(row)].gallery;
    EXPECT_EQ(ranked, 45) << mode;  // 5 scenes, 40 edits
    EXPECT_THAT(corpus.modifications, SizeIs(240));
    EXPECT_THAT(corpus.notes, IsEmpty());
    std::set<std::string> training_words;
    std::map<int64_t, int> edits_of_source;
    for (const Modification& edit : corpus.modifications) {
      if (edit.split != Split::test) training_words.insert(edit.tokens.begin(), edit.tokens.end());
      ++edits_of_source[edit.source_row];
      for (const std::string& word : edit.tokens) EXPECT_EQ(training_words.count(word), 1u) << word;
    }
    for (const auto& [row, edits] : edits_of_source) EXPECT_EQ(edits, 8);
  }
}

TEST(CssCorpus, IsLeftAsItIsUnlessItWasChanged) {
  const GeneratedCss generated, again;
  EXPECT_EQ(slurp(generated.folder / "set/synth.json"), slurp(again.folder / "set/synth.json"));
  EXPECT_NO_THROW(write_css_corpus(generated.folder / "set", small_css()));
  CssCorpusOptions other = small_css();
  other.seed = 2;
  EXPECT_THROW(write_css_corpus(generated.folder / "set", other), UsageError);
  std::filesystem::remove(generated.folder / "set/images_2d/css_test_000003.png");
  EXPECT_THROW(write_css_corpus(generated.folder / "set", small_css()), UsageError);
  other.train_queries = -1;
  try {
    write_css_corpus(generated.folder / "new", other);
    ADD_FAILURE() << "nothing was thrown";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("train_queries = -1: expected 16 to 200000"));
  }
}

// ------------------------------------------------------------------------------------------------ drawing

cv::Mat decoded(const std::string& png) {
  return cv::imdecode(std::vector<uint8_t>(png.begin(), png.end()), cv::IMREAD_COLOR);
}
int64_t pixels_of(const cv::Mat& picture, const cv::Vec3b& bgr) {
  int64_t count = 0;
  for (int row = 0; row < picture.rows; ++row)
    for (int column = 0; column < picture.cols; ++column) count += picture.at<cv::Vec3b>(row, column) == bgr;
  return count;
}

TEST(CssDrawing, FlatShapesHaveTheirPixels) {
  using css::Colour, css::Shape;
  const cv::Mat picture = decoded(css::draw_2d({{Colour::red, Shape::rectangle, true, 0, 0.25, 0.25},
                                                {Colour::blue, Shape::circle, false, 4, 0.5, 0.5},
                                                {Colour::green, Shape::triangle, true, 8, 0.75, 0.75}}));
  EXPECT_EQ(picture.rows, 64);
  EXPECT_EQ(picture.cols, 64);
  EXPECT_EQ(pixels_of(picture, {35, 35, 244}), 16 * 16);
  EXPECT_EQ(picture.at<cv::Vec3b>(8, 8), cv::Vec3b(35, 35, 244));  // [16 - 8, 16 + 8) both ways
  EXPECT_EQ(picture.at<cv::Vec3b>(23, 23), cv::Vec3b(35, 35, 244));
  EXPECT_EQ(pixels_of(picture, {215, 75, 42}), 25);  // |dx| + |dy| < 4: 1 + 3 + 5 + 7 + 5 + 3 + 1
  EXPECT_EQ(picture.at<cv::Vec3b>(32, 29), cv::Vec3b(215, 75, 42));
  EXPECT_EQ(picture.at<cv::Vec3b>(30, 30), cv::Vec3b(255, 255, 255));
  EXPECT_EQ(picture.at<cv::Vec3b>(40, 48), cv::Vec3b(20, 205, 29));  // the point of the triangle
  EXPECT_EQ(picture.at<cv::Vec3b>(40, 47), cv::Vec3b(255, 255, 255));
  EXPECT_EQ(picture.at<cv::Vec3b>(55, 41), cv::Vec3b(20, 205, 29));  // its base
}

TEST(CssDrawing, EveryAttributeShowsInThePerspective) {
  using css::Colour, css::Shape;
  const css::Object plain{Colour::red, Shape::rectangle, true, 4, 0.5, 0.5};
  const Random random(1);
  const cv::Mat picture = decoded(css::draw_3d({plain}, 48, random));
  EXPECT_EQ(picture.rows, 48);
  EXPECT_EQ(picture.cols, 48);
  const auto differs_from_plain = [&](const css::Scene& scene) {
    return cv::norm(picture, decoded(css::draw_3d(scene, 48, random)), cv::NORM_L1) / (48 * 48 * 3);
  };
  EXPECT_EQ(differs_from_plain({plain}), 0);
  css::Object other = plain;
  other.colour = Colour::blue;
  EXPECT_GT(differs_from_plain({other}), 1);
  other = plain, other.shape = Shape::triangle;
  EXPECT_GT(differs_from_plain({other}), 1);
  other = plain, other.is_large = false;
  EXPECT_GT(differs_from_plain({other}), 1);
  other = plain, other.x = 0.85;
  EXPECT_GT(differs_from_plain({other}), 1);
  const cv::Vec3b middle = picture.at<cv::Vec3b>(24, 24), corner = picture.at<cv::Vec3b>(0, 0);
  EXPECT_GT(middle[2], middle[0] + 50);  // red
  EXPECT_EQ(corner[0], corner[2]);       // grey
}

TEST(CssDrawing, ASmallObjectBehindALargeOneIsSeen) {
  using css::Colour, css::Shape;
  for (const auto& [shape, name] : enum_names(Shape{})) {
    const css::Object front{Colour::gray, shape, true, 7, 5.0 / 6, 0.5};
    const css::Object behind{Colour::red, Shape::circle, false, 4, 0.5, 0.5};
    const cv::Mat picture = decoded(css::draw_3d({behind, front}, 96, Random(1)));
    int64_t red = 0;
    for (int row = 0; row < picture.rows; ++row)
      for (int column = 0; column < picture.cols; ++column)
        red += picture.at<cv::Vec3b>(row, column)[2] > picture.at<cv::Vec3b>(row, column)[0] + 60;
    EXPECT_GT(red, 20) << name;
  }
}

}  // namespace
}  // namespace diptych::testing
