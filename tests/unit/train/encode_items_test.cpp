#include "diptych/train/encode_items.h"

#include <gmock/gmock.h>

#include "support/temp_dir.h"

namespace diptych::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

template <class F>
void expect_message(const F& call, const std::string& words) {
  try {
    call();
    ADD_FAILURE() << "no error: " << words;
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr(words));
  }
}

TEST(ListPictures, AFolderAtAllDepthsInOrder) {
  const TempDir dir;
  for (const char* name :
       {"p/b.JPG", "p/a/z.png", "p/a.jpeg", "p/c.webp", "p/notes.txt", "p/.hidden.jpg", "p/.git/x.jpg"})
    dir.write(name, "");
  std::filesystem::create_directory_symlink(dir / "p", dir / "p/loop");
  const EncodeItems items = list_pictures({dir / "p"});
  EXPECT_THAT(items.ids, ElementsAre("a.jpeg", "a/z.png", "b.JPG", "c.webp"));
  EXPECT_EQ(items.content[1], (dir / "p/a/z.png").string());
  EXPECT_THAT(items.notes, ElementsAre("files with other endings that were passed over: 1",
                                       "linked folders that were passed over: 1"));
}

TEST(ListPictures, NamesThatAreNoUtf8KeepDistinctIds) {
  const TempDir dir;
  dir.write("p/\xff\xfe.jpg", "x"), dir.write("p/\xff\xfd.jpg", "x");
  const EncodeItems items = list_pictures({dir / "p"});
  EXPECT_THAT(items.ids, ElementsAre("\\xff\\xfd.jpg", "\\xff\\xfe.jpg"));
  EXPECT_THAT(items.notes, ElementsAre(HasSubstr("no UTF-8")));
  EXPECT_TRUE(std::filesystem::exists(items.content[0]));
}

TEST(ListPictures, SeveralPathsKeepTheirNames) {
  const TempDir dir;
  dir.write("p/a.jpg", ""), dir.write("q/a.jpg", "");
  EXPECT_THAT(list_pictures({dir / "p", dir / "q/a.jpg"}).ids,
              ElementsAre((dir / "p/a.jpg").string(), (dir / "q/a.jpg").string()));
}

TEST(ListPictures, AListIsReadFromItsFolder) {
  const TempDir dir;
  dir.write("p/a.jpg", "");
  const EncodeItems items = list_pictures({dir.write("p/list.txt", "first\ta.jpg\r\nsecond\tsub/b.jpg")});
  EXPECT_THAT(items.ids, ElementsAre("first", "second"));
  EXPECT_EQ(items.content[1], (dir / "p/sub/b.jpg").string());  // a missing picture is found out when it is read
}

TEST(ListPictures, SaysWhatIsWrong) {
  const TempDir dir;
  dir.write("empty/notes.txt", "");
  expect_message([&] { list_pictures({dir / "absent"}); }, "no such file or folder");
  expect_message([&] { list_pictures({dir / "empty"}); }, "holds no .jpg");
  expect_message([&] { list_pictures({dir.write("l.txt", "a\tx.jpg\na\ty.jpg\n")}); }, "two items have the id 'a'");
  expect_message([&] { list_pictures({dir.write("m.txt", "x.jpg\n\n")}); }, "m.txt:2");
  expect_message([&] { list_pictures({dir.write("n.bin", std::string("\x00\x01", 2))}); }, "neither a picture");
}

TEST(ParseCaptions, NumbersLinesOrTakesTheirIds) {
  const EncodeItems plain = parse_captions("a dog\nit's, a \"cat\"\r\n", "c.txt");
  EXPECT_THAT(plain.ids, ElementsAre("1", "2"));
  EXPECT_THAT(plain.content, ElementsAre("a dog", "it's, a \"cat\""));
  EXPECT_EQ(plain.places[1], "c.txt:2");
  EXPECT_THAT(parse_captions("x\ta dog\ny\ta\tcat\n", "c.txt").content, ElementsAre("a dog", "a\tcat"));
}

TEST(ParseCaptions, SaysWhatIsWrong) {
  expect_message([] { parse_captions("", "c.txt"); }, "holds no caption");
  expect_message([] { parse_captions("x\ta dog\na cat\n", "c.txt"); }, "c.txt:2: has no tab");
  expect_message([] { parse_captions("a cat\nx\ta dog\n", "c.txt"); }, "c.txt:2: has a tab");
  expect_message([] { parse_captions("x\ta dog\nx\ta cat\n", "c.txt"); }, "c.txt:1 and c.txt:2");
  expect_message([] { parse_captions("\ta dog\n", "c.txt"); }, "id before the tab is empty");
}

TEST(EncodeItemsFingerprint, ChangesWithListAndFiles) {
  const TempDir dir;
  dir.write("p/a.jpg", "1");
  const std::string before = list_pictures({dir / "p"}).fingerprint();
  EXPECT_EQ(list_pictures({dir / "p"}).fingerprint(), before);
  dir.write("p/a.jpg", "12");
  EXPECT_NE(list_pictures({dir / "p"}).fingerprint(), before);
  EXPECT_NE(parse_captions("ab\nc\n", "x").fingerprint(), parse_captions("a\nbc\n", "x").fingerprint());
}

TEST(ItemsOfSplit, UseTheIdsOfEvaluation) {
  Corpus corpus;
  corpus.image_root = "/data";
  corpus.images = {{"1.jpg", "one", Split::train, 0}, {"2.jpg", "two", Split::test, 1}};
  corpus.captions = {{"a b", {"a", "b"}, 0}, {"c d", {"c", "d"}, 1}, {"e f", {"e", "f"}, 1}};
  EXPECT_THAT(items_of_split(corpus, Split::test, View::image).content, ElementsAre("/data/2.jpg"));
  const EncodeItems captions = items_of_split(corpus, Split::test, View::text);
  EXPECT_THAT(captions.ids, ElementsAre("two#0", "two#1"));
  EXPECT_THAT(captions.tokens[1], ElementsAre("e", "f"));
  EXPECT_THROW(items_of_split(corpus, Split::val, View::image), DataError);
}

}  // namespace
}  // namespace diptych::testing
