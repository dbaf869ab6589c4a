#include "data/reed.h"

#include <gmock/gmock.h>

#include "data/class_lists.h"
#include "diptych/data/published.h"
#include "unit/data/corpus_fixture.h"

namespace diptych::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

/// Four classes of two images with two captions each, as released: numbers in trainids.txt and valids.txt, names in
/// testclasses.txt.
struct ReedSet {
  TempDir folder;
  ReedSet() {
    folder.write("manifest.txt", "1.gull.t7\n2.wren.t7\n3.crow.t7\n4.owl.t7\n");
    folder.write("trainids.txt", "2\n4\n"), folder.write("valids.txt", "1\n"),
        folder.write("trainvalids.txt", "1\n2\n4\n");
    folder.write("testclasses.txt", "3.crow.t7\n");
    for (const char* name : {"1.gull", "2.wren", "3.crow", "4.owl"})
      for (const char* image : {"a", "b"}) {
        folder.write(text(name, image), "A grey bird.\nThis one's beak is short\n");
        folder.write("images/" + std::string(name) + "/" + name + "_" + image + ".jpg", "");
      }
  }
  static std::string text(const std::string& name, const std::string& image) {
    return "text_c10/" + name + "/" + name + "_" + image + ".txt";
  }
  void remove(const std::string& name) const { std::filesystem::remove_all(folder / name); }
  Corpus read(const std::string& more = "") const {
    return read_corpus("{type: reed, captions: 2, name: birds, root: " + folder.path().string() + more + "}");
  }
  std::string error(const std::string& more = "") const {
    return data_error([&] { read(more); });
  }
};

std::vector<std::string> classes_of(const Corpus& corpus, Split split) {
  std::vector<std::string> out;
  for (const int64_t row : corpus.image_rows(split)) {
    const std::string& name = corpus.label_names.at(static_cast<size_t>(corpus.images[static_cast<size_t>(row)].label));
    if (out.empty() || out.back() != name) out.push_back(name);
  }
  return out;
}

TEST(Reed, ReadsClassesPicturesAndCaptions) {
  const ReedSet set;
  const Corpus corpus = set.read();
  EXPECT_EQ(corpus.images.size(), 8u);
  EXPECT_EQ(corpus.captions.size(), 16u);
  EXPECT_TRUE(corpus.has_identities);
  EXPECT_THAT(classes_of(corpus, Split::train), ElementsAre("2.wren", "4.owl"));
  EXPECT_THAT(classes_of(corpus, Split::val), ElementsAre("1.gull"));
  EXPECT_THAT(classes_of(corpus, Split::test), ElementsAre("3.crow"));
  EXPECT_EQ(corpus.train_classes(), 2);
  EXPECT_EQ(corpus.images[0].id, "2.wren/2.wren_a");
  EXPECT_EQ(corpus.images[0].path, "2.wren/2.wren_a.jpg");
  EXPECT_EQ(corpus.captions[1].text, "This one's beak is short");
  EXPECT_THAT(corpus.captions[0].tokens, ElementsAre("a", "grey", "bird"));
  EXPECT_THAT(corpus.notes, IsEmpty());
  check_images_exist(corpus);
}

TEST(Reed, ValidationClassesMayBeTrainedOn) {
  const ReedSet set;
  const Corpus corpus = set.read(", validation: train");
  EXPECT_THAT(classes_of(corpus, Split::train), ElementsAre("1.gull", "2.wren", "4.owl"));
  EXPECT_THAT(corpus.image_rows(Split::val), IsEmpty());
}

TEST(Reed, KnowsTheOtherNamesOfItsFiles) {
  ReedSet set;
  const std::string before = set.read().fingerprint;
  set.remove("trainids.txt"), set.remove("valids.txt"), set.remove("testclasses.txt"), set.remove("trainvalids.txt");
  set.folder.write("trainclasses.txt", "images/4.owl.t7\r\n\r\n2.wren\r\n"),
      set.folder.write("valclasses.txt", "1.gull\n");
  set.folder.write("testids.txt", "3");
  EXPECT_EQ(set.read().fingerprint, before);
  set.remove("trainclasses.txt"), set.folder.write("trainvalclasses.txt", "1\n2\n4\n");  // without the validation ones
  EXPECT_EQ(set.read().fingerprint, before);
  set.remove("valclasses.txt");
  EXPECT_THAT(classes_of(set.read(), Split::train), ElementsAre("1.gull", "2.wren", "4.owl"));
  set.folder.write("my.txt", "2.wren\n");
  EXPECT_THAT(classes_of(set.read(", train_list: my.txt"), Split::train), ElementsAre("2.wren"));
}

TEST(Reed, FindsPicturesByNameAndExtension) {
  ReedSet set;
  set.remove("images");
  set.folder.write("jpg/2.wren_a.jpg", ""), set.folder.write("jpg/deep/2.wren_b.jpg", "");
  set.folder.write("jpg/4.owl/4.owl_a.png", "");
  const Corpus corpus = set.read(", images: jpg");
  EXPECT_EQ(corpus.images[0].path, "2.wren_a.jpg");
  EXPECT_EQ(corpus.images[1].path, "deep/2.wren_b.jpg");
  EXPECT_EQ(corpus.images[2].path, "4.owl/4.owl_a.png");
  EXPECT_EQ(corpus.images[3].path, "4.owl/4.owl_b.jpg");  // there is none
  EXPECT_THAT(data_error([&] { check_images_exist(corpus); }), HasSubstr("5 of 8 images are missing"));
}

TEST(Reed, WithoutManifestTheFoldersAreTheClasses) {
  ReedSet set;
  set.remove("manifest.txt");
  EXPECT_THAT(set.error(), AllOf(HasSubstr("trainids.txt:1: 2 would be a line of"), HasSubstr("manifest.txt")));
  set.remove("trainvalids.txt");
  set.folder.write("trainids.txt", "2.wren\n"), set.folder.write("valids.txt", "1.gull\n");
  const Corpus corpus = set.read();
  EXPECT_THAT(classes_of(corpus, Split::train), ElementsAre("2.wren"));
  EXPECT_THAT(corpus.notes, ElementsAre("1 classes are in no split and left out: 4.owl"));
}

TEST(Reed, ContradictingListsAreNamedWithTheirLines) {
  {
    ReedSet set;
    set.folder.write("testclasses.txt", "3.crow\n4.owl\n");
    EXPECT_THAT(set.error(), AllOf(HasSubstr("testclasses.txt:2: class 4.owl is in test here and in train in"),
                                   HasSubstr("trainids.txt:2")));
  }
  {
    ReedSet set;
    set.folder.write("trainids.txt", "2\n4\n2.wren\n");
    EXPECT_THAT(set.error(),
                AllOf(HasSubstr("trainids.txt:3: class 2.wren is listed twice"), HasSubstr("trainids.txt:1")));
  }
  {
    ReedSet set;
    set.folder.write("trainclasses.txt", "2.wren\n");
    EXPECT_THAT(set.error(), HasSubstr("trainids.txt:2: class 4.owl is not in trainclasses.txt"));
  }
  {
    ReedSet set;
    set.folder.write("trainvalids.txt", "2\n1\n3\n");
    EXPECT_THAT(set.error(), AllOf(HasSubstr("trainvalids.txt:3: class 3.crow is neither"),
                                   HasSubstr("trainids.txt:2: class 4.owl is not in trainvalids.txt")));
  }
  {
    ReedSet set;
    set.folder.write("manifest.txt", "1.gull\n2.wren\n3.crow\n2.wren\n4.owl\n..\n");
    EXPECT_THAT(set.error(), AllOf(HasSubstr("manifest.txt:4: class 2.wren is listed twice"),
                                   HasSubstr("manifest.txt:6: is no name")));
  }
}

TEST(Reed, UnknownClassesAreNamedWithTheNearest) {
  const ReedSet set;
  set.folder.write("testclasses.txt", "\n3.crwo\n");
  EXPECT_THAT(set.error(), AllOf(HasSubstr("testclasses.txt:2: no class is called '3.crwo'"), HasSubstr("3.crow")));
  set.folder.write("testclasses.txt", "3.crow\n5\n0\n-1\n");
  EXPECT_THAT(set.error(), AllOf(HasSubstr("testclasses.txt:2: 5 is no line of manifest.txt, which has 4 classes"),
                                 HasSubstr("testclasses.txt:3: 0 is no line"), HasSubstr("-1 is no line")));
}

TEST(Reed, MissingListsAreNamed) {
  ReedSet set;
  set.remove("testclasses.txt");
  EXPECT_THAT(set.error(), HasSubstr("no list of test classes: neither testclasses.txt nor testids.txt"));
  EXPECT_THAT(set.error(", test_list: mine.txt"), HasSubstr("mine.txt"));
  set.folder.write("testclasses.txt", "3\n");
  set.remove("trainids.txt"), set.remove("trainvalids.txt");
  EXPECT_THAT(set.error(), HasSubstr("no list of training classes"));
}

TEST(Reed, CaptionsAreCountedAndRead) {
  ReedSet set;
  set.folder.write(ReedSet::text("3.crow", "a"), "One caption.\n\n");
  set.folder.write(ReedSet::text("4.owl", "b"), "Fine.\n\xff\xfe\n");
  EXPECT_THAT(set.error(),
              AllOf(HasSubstr("3.crow_a.txt: has 1 captions, needed are 2"),
                    HasSubstr("4.owl_b.txt:2: invalid UTF-8 at byte 0"), HasSubstr("data.corpus.captions=0")));
  set.folder.write(ReedSet::text("4.owl", "b"), "Fine.\n");
  const std::string root = set.folder.path().string();
  EXPECT_EQ(read_corpus("{type: reed, captions: 0, name: birds, root: " + root + "}").captions.size(), 14u);
  set.folder.write(ReedSet::text("4.owl", "b"), "Fine.\n...\n");
  set.folder.write(ReedSet::text("3.crow", "a"), "One.\nTwo.\n");
  EXPECT_THAT(set.error(), AllOf(HasSubstr("1 captions hold no word"), HasSubstr("4.owl/4.owl_b")));
}

TEST(Reed, AClassWithoutTextsIsNamed) {
  ReedSet set;
  set.remove("text_c10/3.crow");
  EXPECT_THAT(set.error(), AllOf(HasSubstr("3.crow: has no IMAGE.txt with captions"), HasSubstr("data.corpus.texts")));
  set.folder.write("text_c10/3.crow.t7", "");
  EXPECT_THAT(set.error(), HasSubstr("character ids of the .t7 file beside it are not read"));
}

TEST(Reed, FeaturesInPlaceOfPicturesAreNoted) {
  ReedSet set;
  set.remove("images");
  for (const char* name : {"1.gull", "2.wren"}) set.folder.write("images/" + std::string(name) + ".t7", "");
  EXPECT_THAT(set.read().notes,
              ElementsAre(AllOf(HasSubstr("2 classes have features (CLASS.t7) and no folder of pictures"),
                                HasSubstr("type: features, file: "))));
}

TEST(Reed, CountsOfThePublishedSetsAreCompared) {
  const ReedSet set;
  const Corpus corpus = read_corpus("{type: reed, captions: 2, name: cub, root: " + set.folder.path().string() + "}");
  EXPECT_THAT(corpus.notes, ElementsAre("train has 2 identities; published for cub: 100",
                                        "val has 1 identities; published for cub: 50",
                                        "test has 1 identities; published for cub: 50"));
}

TEST(Reed, NeededFilesAreTheListsThatAreThere) {
  EXPECT_THAT(corpus_reader("{type: reed, root: /r}")->needed_files(),
              ElementsAre("/r/trainids.txt", "/r/testclasses.txt"));
  ReedSet set;
  set.remove("trainids.txt");
  EXPECT_THAT(corpus_reader("{type: reed, root: " + set.folder.path().string() + "}")->needed_files(),
              ElementsAre(set.folder / "trainvalids.txt", set.folder / "testclasses.txt"));
}

TEST(BareClassName, LeavesFoldersAndExtension) {
  EXPECT_EQ(bare_class_name(" images/001.Albatross.t7 "), "001.Albatross");
  EXPECT_EQ(bare_class_name("class_00001"), "class_00001");
  EXPECT_EQ(bare_class_name("a/.."), "");
}

}  // namespace
}  // namespace diptych::testing
