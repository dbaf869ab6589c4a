#include "diptych/data/image/class_corpus.h"

#include <gmock/gmock.h>

#include <map>
#include <set>

#include "diptych/core/error.h"
#include "support/slurp.h"
#include "unit/data/corpus_fixture.h"

namespace diptych::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::SizeIs;

struct GeneratedClasses {
  TempDir folder;
  Corpus read() const {
    write_class_corpus(folder / "set", {.images = 3, .size = 32});
    return read_corpus("{type: reed, name: classes, root: " + (folder / "set").string() + "}");
  }
};

TEST(ClassCorpus, ReadsInReedsLayout) {
  const GeneratedClasses generated;
  const Corpus corpus = generated.read();
  EXPECT_THAT(corpus.image_rows(Split::train), SizeIs(16 * 3));
  EXPECT_THAT(corpus.image_rows(Split::val), SizeIs(4 * 3));
  EXPECT_THAT(corpus.caption_rows(Split::test), SizeIs(4 * 3 * 10));
  EXPECT_EQ(corpus.train_classes(), 16);
  EXPECT_THAT(corpus.label_names, SizeIs(24));
  EXPECT_THAT(corpus.notes, SizeIs(0));
  EXPECT_NO_THROW(check_images_exist(corpus));
}

TEST(ClassCorpus, EveryCaptionSaysColourAndShapeAndAllAreKnownFromTraining) {
  const GeneratedClasses generated;
  const Corpus corpus = generated.read();
  std::map<Split, std::set<std::string>> words;
  for (const CorpusCaption& caption : corpus.captions) {
    const CorpusImage& image = corpus.images[static_cast<size_t>(caption.image_row)];
    const std::string name = corpus.label_names[static_cast<size_t>(image.label)].substr(4);
    const size_t gap = name.find('_');
    EXPECT_THAT(caption.tokens, Contains(name.substr(0, gap)));
    EXPECT_THAT(caption.tokens, Contains(name.substr(gap + 1)));
    words[image.split].insert(caption.tokens.begin(), caption.tokens.end());
  }
  for (const std::string& word : words[Split::test]) EXPECT_THAT(words[Split::train], Contains(word));
}

TEST(ClassCorpus, IsLeftAsItIsUnlessItWasChanged) {
  const GeneratedClasses generated;
  const std::string before = generated.read().fingerprint;
  EXPECT_EQ(generated.read().fingerprint, before);
  EXPECT_THROW(write_class_corpus(generated.folder / "set", {.images = 2, .size = 32}), UsageError);
  generated.folder.write("set/testclasses.txt", slurp(generated.folder / "set/testclasses.txt") + "\n");
  try {
    write_class_corpus(generated.folder / "set", {.images = 3, .size = 32});
    ADD_FAILURE() << "nothing was thrown";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("files were changed"));
  }
}

}  // namespace
}  // namespace diptych::testing
