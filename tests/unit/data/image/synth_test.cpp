#include "diptych/data/image/synth.h"

#include <gmock/gmock.h>

#include <opencv2/imgcodecs.hpp>
#include <set>

#include "data/image/shapes.h"
#include "diptych/core/io/fs.h"
#include "diptych/core/io/hash.h"
#include "diptych/data/corpus.h"
#include "support/temp_dir.h"

namespace diptych {
namespace {

using namespace shapes;
using ::testing::HasSubstr;
using ::testing::SizeIs;

ShapesOptions small_options() {
  ShapesOptions options;
  options.images = 30, options.val_images = 10, options.test_images = 10;
  return options;
}
Corpus read_shapes(const std::filesystem::path& root) {
  CorpusRegistry corpora("corpus");
  register_corpora(corpora);
  Choice<CorpusRegistry> choice(corpora, "jsonl");
  Complaints complaints;
  choice.read(parse_config("{root: " + root.string() + ", name: shapes}", "test.yaml"), "data", complaints);
  complaints.throw_if_any();
  return choice.make()->read();
}
std::string usage_error(const std::filesystem::path& directory, const ShapesOptions& options) {
  try {
    write_shapes_corpus(directory, options);
  } catch (const UsageError& error) {
    EXPECT_EQ(error.exit_code(), 2);
    return to_text(error.issues().front());
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

TEST(ShapesCorpus, ReadsAsAJsonlSet) {
  const testing::TempDir folder;
  write_shapes_corpus(folder / "shapes", small_options());
  const Corpus corpus = read_shapes(folder / "shapes");
  EXPECT_THAT(corpus.image_rows(Split::train), SizeIs(30));
  EXPECT_THAT(corpus.image_rows(Split::val), SizeIs(10));
  EXPECT_THAT(corpus.caption_rows(Split::test), SizeIs(30));
  EXPECT_NO_THROW(check_images_exist(corpus));
  const cv::Mat picture = cv::imread((corpus.image_root / corpus.images[0].path).string());
  EXPECT_EQ(picture.size(), cv::Size(64, 64));
}
TEST(ShapesCorpus, BytesFollowFromTheOptions) {
  const testing::TempDir folder;
  write_shapes_corpus(folder / "a", small_options());
  write_shapes_corpus(folder / "b", small_options());
  ShapesOptions other = small_options();
  other.seed = 2;
  write_shapes_corpus(folder / "c", other);
  const auto bytes = [&](const char* name, const char* file) { return read_file(folder / name / file, 1 << 20); };
  for (const char* file : {"set.jsonl", "synth.json", "images/train-00007.jpg", "images/test-00009.jpg"}) {
    EXPECT_EQ(bytes("a", file), bytes("b", file)) << file;
    EXPECT_NE(bytes("a", file), bytes("c", file)) << file;
  }
  // Scenes and words are the same on every machine: raise the generator's version when this changes.
  EXPECT_EQ(sha256(bytes("a", "set.jsonl")), "7887fab05a2b32dda0a43227f05ff66dc7bb4b74a15fe65bf714a6ab1717d118");
}
TEST(ShapesCorpus, RepeatingLeavesTheFolderAlone) {
  const testing::TempDir folder;
  const auto directory = folder / "shapes";
  write_shapes_corpus(directory, small_options());
  const auto time = std::filesystem::last_write_time(directory / "set.jsonl");
  EXPECT_NO_THROW(write_shapes_corpus(directory, small_options()));
  EXPECT_NO_THROW(write_shapes_corpus(directory.string() + "/", small_options()));
  EXPECT_EQ(std::filesystem::last_write_time(directory / "set.jsonl"), time);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);  // no draft is left
}
TEST(ShapesCorpus, AnEmptyFolderIsFilled) {
  const testing::TempDir folder;
  std::filesystem::create_directories(folder / "deep/er");
  EXPECT_NO_THROW(write_shapes_corpus(folder / "deep/er", small_options()));
  EXPECT_NO_THROW(write_shapes_corpus(folder / "not/yet/there", small_options()));
}
TEST(ShapesCorpus, RefusesAFolderWithAnythingElse) {
  const testing::TempDir folder;
  folder.write("mine/notes.txt", "keep");
  EXPECT_THAT(usage_error(folder / "mine", small_options()), HasSubstr("is not empty, and holds no generated corpus"));
  EXPECT_EQ(read_file(folder / "mine/notes.txt", 100), "keep");
  EXPECT_THAT(usage_error(folder / "mine/notes.txt", small_options()), HasSubstr("notes.txt"));

  const auto directory = folder / "shapes";
  write_shapes_corpus(directory, small_options());
  ShapesOptions other = small_options();
  other.images = 31;
  EXPECT_THAT(usage_error(directory, other), HasSubstr("made with other options: images is 30, asked for 31"));
  folder.write("shapes/images/extra.jpg", "x");
  EXPECT_THAT(usage_error(directory, small_options()), HasSubstr("files were changed, added or removed"));
  std::filesystem::remove(directory / "images/extra.jpg");
  EXPECT_NO_THROW(write_shapes_corpus(directory, small_options()));
  folder.write("shapes/images/val-00003.jpg", "x");
  EXPECT_THAT(usage_error(directory, small_options()), HasSubstr("files were changed"));
  std::filesystem::remove(directory / "images/val-00003.jpg");
  EXPECT_THAT(usage_error(directory, small_options()), HasSubstr("files were changed"));
}

TEST(ShapesScenes, EvaluationDescriptionsAreUnique) {
  for (const uint64_t seed : {1, 2}) {
    const auto scenes = distinct_scenes(250, seed, 2);
    ASSERT_THAT(scenes, SizeIs(250));
    for (size_t i = 0; i < scenes.size(); ++i)
      for (size_t j = 0; j < i; ++j) EXPECT_NE(scenes[i], scenes[j]);
  }
  EXPECT_NE(distinct_scenes(5, 1, 1), distinct_scenes(5, 1, 2));
}
TEST(ShapesScenes, EvaluationScenesDifferInMoreThanOneAttribute) {
  const auto scenes = distinct_scenes(200, 1, 1);
  for (size_t i = 0; i < scenes.size(); ++i)
    for (size_t j = 0; j < i; ++j) {
      if (scenes[i].size() != scenes[j].size()) continue;
      int64_t different = 0;
      for (size_t k = 0; k < scenes[i].size(); ++k) {
        const Object &a = scenes[i][k], &b = scenes[j][k];
        different += (a.shape != b.shape) + (a.colour != b.colour) + (a.is_large != b.is_large) + (a.place != b.place);
      }
      EXPECT_GE(different, 2);
    }
}
TEST(ShapesScenes, TrainingCoversEverySingleObject) {
  std::set<std::vector<int>> singles;
  for (const Scene& scene : training_scenes(ShapesOptions{}.images, 1))
    if (scene.size() == 1)
      singles.insert({static_cast<int>(scene[0].shape), static_cast<int>(scene[0].colour), scene[0].is_large,
                      static_cast<int>(scene[0].place)});
  EXPECT_THAT(singles, SizeIs(240));
}
TEST(ShapesScenes, ObjectsOfAPictureDifferInColour) {
  for (const Scene& scene : training_scenes(300, 3)) {
    ASSERT_LE(scene.size(), 3u);
    std::set<Colour> colours;
    for (const Object& object : scene) colours.insert(object.colour);
    EXPECT_THAT(colours, SizeIs(scene.size()));
  }
}

TEST(ShapesWords, EveryCaptionStatesEverything) {
  const Scene scene = {{Shape::circle, Colour::red, false, Place::left},
                       {Shape::cross, Colour::blue, true, Place::right}};
  const auto captions = captions_of(scene, 6, Random(1));
  EXPECT_THAT(std::set<std::string>(captions.begin(), captions.end()), SizeIs(6));
  for (const std::string& caption : captions) {
    EXPECT_THAT(caption, ::testing::AnyOf(HasSubstr("small red circle"), HasSubstr("little red circle")));
    EXPECT_THAT(caption, ::testing::AnyOf(HasSubstr("large blue cross"), HasSubstr("big blue cross")));
    EXPECT_THAT(caption, ::testing::AllOf(HasSubstr("left"), HasSubstr("right")));
  }
}
TEST(ShapesDrawing, ColourAndPlaceAreAsDescribed) {
  for (const Place place : {Place::left, Place::right, Place::top, Place::bottom, Place::centre}) {
    const std::string jpeg = draw({{Shape::square, Colour::red, true, place}}, 64, Random(4)).jpeg;
    const cv::Mat picture = cv::imdecode(std::vector<uint8_t>(jpeg.begin(), jpeg.end()), cv::IMREAD_COLOR);
    double x = 0, y = 0, red = 0;
    for (int row = 0; row < 64; ++row)
      for (int column = 0; column < 64; ++column) {
        const auto pixel = picture.at<cv::Vec3b>(row, column);  // blue, green, red
        if (pixel[2] < 150 || pixel[1] > 120) continue;
        x += column, y += row, ++red;
      }
    ASSERT_GT(red, 150) << enum_text(place);
    const double expected_x = place == Place::left ? 11 : place == Place::right ? 53 : 32;
    const double expected_y = place == Place::top ? 11 : place == Place::bottom ? 53 : 32;
    EXPECT_NEAR(x / red, expected_x, 4) << enum_text(place);
    EXPECT_NEAR(y / red, expected_y, 4) << enum_text(place);
  }
}

}  // namespace
}  // namespace diptych
