#include "diptych/data/word_vectors.h"

#include "corpus_fixture.h"
#include "support/tensor_near.h"

namespace diptych {
namespace {

using namespace testing;  // fixtures
using ::testing::AllOf;
using ::testing::HasSubstr;

const Vocabulary& vocabulary() {
  static const Vocabulary words = Vocabulary::from_text("<pad>\n<unk>\n<start>\n<end>\ncat\ndog\nnew york\n", "v");
  return words;
}
WordVectors read(const std::string& text) {
  const TempDir folder;
  return read_word_vectors(folder.write("vectors.txt", text), vocabulary());
}
std::string error(const std::string& text) {
  return data_error([&] { read(text); });
}

TEST(WordVectors, KeepsTheVocabularysWords) {
  const WordVectors vectors = read("cat 1 2 -3e-1\nbird 9 9 9\ndog 0.5 0 7\n");
  EXPECT_EQ(vectors.dimension, 3);
  EXPECT_THAT(vectors.table,
              TensorNear(torch::tensor(
                  {{0., 0., 0.}, {0., 0., 0.}, {0., 0., 0.}, {0., 0., 0.}, {1., 2., -0.3}, {0.5, 0., 7.}, {0., 0., 0.}},
                  torch::kFloat)));
  EXPECT_TRUE(torch::equal(vectors.found, torch::tensor({0, 0, 0, 0, 1, 1, 0}, torch::kBool)));
}
TEST(WordVectors, D24_HeaderSpacesAndLineEndsAreAccepted) {
  const WordVectors plain = read("cat 1 2\nnew york 3 4\n");
  for (const char* text : {"2 2\ncat 1 2\nnew york 3 4\n", "cat 1 2 \r\nnew york 3 4\r\n", "cat 1 2\nnew york 3 4",
                           "cat 1 2\n. . . 8 8\n\u00a0 7 7\nnew york 3 4\ncat 5 5\n"})
    EXPECT_TRUE(torch::equal(read(text).table, plain.table)) << text;
}
TEST(WordVectors, D24_FaultsNameTheLine) {
  EXPECT_THAT(error("cat 1 2 3\ndog 4 5\n"),
              AllOf(HasSubstr("vectors.txt:2: expected a word and 3 numbers; got 3 fields")));
  EXPECT_THAT(error("cat 1 2 3\nbird 4 5"), HasSubstr("vectors.txt:2"));  // cut off, even for a word that is not needed
  EXPECT_THAT(error("bird 1 2\ndog 4 nan\n"), HasSubstr("vectors.txt:2: the vector of 'dog' holds 'nan'"));
  EXPECT_THAT(error("bird 1 2\ndog 4 1e99\n"), HasSubstr("holds '1e99'"));
  EXPECT_THAT(error("bird 1 2\ndog 4 x\n"), HasSubstr("holds 'x'"));
  EXPECT_THAT(error("3 2\ncat 1 2\ndog 3 4\n"),
              AllOf(HasSubstr("announces 3 vectors; the file holds 2"), HasSubstr("cut off")));
  EXPECT_THAT(error("only words here\n"), HasSubstr("vectors.txt:1: expected 'word number number ...'"));
  EXPECT_THAT(error(""), HasSubstr("is empty"));
  EXPECT_THAT(data_error([] { read_word_vectors("/nowhere/v.txt", vocabulary()); }), HasSubstr("No such file"));
}

}  // namespace
}  // namespace diptych
