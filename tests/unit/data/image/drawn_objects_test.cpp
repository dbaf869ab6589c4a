#include "diptych/data/image/drawn_objects.h"

#include <gmock/gmock.h>

#include <opencv2/imgcodecs.hpp>

#include "diptych/data/image/positions.h"
#include "diptych/data/image/synth.h"
#include "unit/data/corpus_fixture.h"

namespace diptych::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

/// Whether the middle of a pixel lies in the box, grown by `rim` pixels on every side.
bool in_box(const DrawnObject& object, const cv::Mat& picture, int x, int y, double rim = 0) {
  const double u = x + 0.5, v = y + 0.5;
  return u >= object.left * picture.cols - rim && u <= object.right * picture.cols + rim &&
         v >= object.top * picture.rows - rim && v <= object.bottom * picture.rows + rim;
}

/// Share of the pixels that `where` chooses that differ clearly from the light, grey ground.
double drawn_share(const cv::Mat& picture, const auto& where) {
  int64_t drawn = 0, all = 0;
  for (int y = 0; y < picture.rows; ++y)
    for (int x = 0; x < picture.cols; ++x) {
      if (!where(x, y)) continue;
      const auto pixel = picture.at<cv::Vec3b>(y, x);
      drawn += std::min({pixel[0], pixel[1], pixel[2]}) < 150;
      ++all;
    }
  return all > 0 ? static_cast<double>(drawn) / static_cast<double>(all) : 0;
}

void expect_objects_where_they_are_said(const std::filesystem::path& folder, double least, size_t images) {
  const auto objects = drawn_objects(folder / "set.jsonl");
  ASSERT_THAT(objects, SizeIs(images));
  for (const auto& [id, all] : objects) {
    const cv::Mat picture = cv::imread((folder / "images" / (id + ".jpg")).string());
    for (const DrawnObject& object : all)
      EXPECT_GT(drawn_share(picture, [&](int x, int y) { return in_box(object, picture, x, y); }), least)
          << id << " " << object.phrase();
    const auto beside_all = [&](int x, int y) {
      return std::ranges::none_of(all, [&](const DrawnObject& each) { return in_box(each, picture, x, y, 1.5); });
    };
    EXPECT_LT(drawn_share(picture, beside_all), 0.003) << id;  // JPEG lets colours bleed a little
  }
}

TEST(DrawnObjects, LieInTheirBoxes) {
  const TempDir folder;
  ShapesOptions shapes;
  shapes.images = 40, shapes.val_images = 4, shapes.test_images = 4;
  write_shapes_corpus(folder / "shapes", shapes);
  expect_objects_where_they_are_said(folder / "shapes", 0.25, 48);  // a cross fills half of its box
  PositionsOptions positions;
  positions.images = 40, positions.val_images = 8, positions.test_images = 8;
  write_positions_corpus(folder / "positions", positions);
  expect_objects_where_they_are_said(folder / "positions", 0.15, 56);  // a frame its rim
}

TEST(DrawnObjects, MissingAndBrokenObjectsAreNamed) {
  const TempDir folder;
  const auto message = [&](const std::string& meta) {
    folder.write("set.jsonl", R"({"id": "a", "image": "a.jpg", "split": "train", "captions": ["x"])" + meta + "}\n");
    return data_error([&] { drawn_objects(folder / "set.jsonl"); });
  };
  EXPECT_THAT(message(""), AllOf(HasSubstr("set.jsonl:1 (id a)"), HasSubstr("meta.objects"), HasSubstr("data synth")));
  EXPECT_THAT(message(R"(, "meta": {"objects": [{"colour": "red", "shape": "circle"}]})"), HasSubstr("box"));
  EXPECT_THAT(message(R"(, "meta": {"objects": [{"colour": "red", "shape": "circle", "box": [1, 2]}]})"),
              HasSubstr("[left, top, right, bottom]"));
}

}  // namespace
}  // namespace diptych::testing
