#include "diptych/data/vocabulary.h"

#include "corpus_fixture.h"

namespace diptych {
namespace {

using namespace testing;  // fixtures
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Corpus words_corpus() {
  Corpus corpus;
  corpus.name = "words";
  corpus.images = {{"a", "a", Split::train, 0}, {"b", "b", Split::val, 1}, {"c", "c", Split::rest, 2}};
  corpus.captions = {{"", {"dog", "a", "cat", "a"}, 0},
                     {"", {"a", "cat", "dog", "eel"}, 0},
                     {"", {"val", "val", "val"}, 1},
                     {"", {"rest", "rest"}, 2}};
  return corpus;
}

TEST(Tokenize, LowerCaseRunsOfLettersDigitsAndApostrophes) {
  EXPECT_THAT(tokenize("A Dog's 2nd tri-colored  ball."), ElementsAre("a", "dog's", "2nd", "tri", "colored", "ball"));
  EXPECT_THAT(tokenize(""), IsEmpty());
  EXPECT_THAT(tokenize(" .,!? \t\n"), IsEmpty());
}
TEST(Tokenize, D10_UnicodeGolden) {
  EXPECT_THAT(tokenize("caf\u00e9 na\u00efve"), ElementsAre("caf\u00e9", "na\u00efve"));
  EXPECT_THAT(tokenize("cafe\u0301"), ElementsAre("cafe\u0301"));  // the decomposed twin stays another word
  EXPECT_THAT(tokenize("don\u2019t \u201cstop\u201d \u2014 go\u2026"), ElementsAre("don't", "stop", "go"));
  EXPECT_THAT(tokenize("a\u00a0dog \U0001F600 runs"), ElementsAre("a", "dog", "runs"));
  EXPECT_THAT(tokenize("co\u00adoper\u200date \u202eevil\u202c"), ElementsAre("cooperate", "evil"));
  EXPECT_THAT(tokenize("\u4e8c\u53ea\u732b\u3002 \u043a\u043e\u0442"),
              ElementsAre("\u4e8c\u53ea\u732b", "\u043a\u043e\u0442"));
  EXPECT_THAT(tokenize("a\xff\x80"
                       "b\xc3"),
              ElementsAre("a", "b"));
}

TEST(Characters, AreCodePointsWithLowerCaseLetters) {
  EXPECT_THAT(characters("Ab -1"), ElementsAre("a", "b", " ", "-", "1"));
  EXPECT_THAT(characters("\u00c4\u4e2d\U0001F600"), ElementsAre("\u00c4", "\u4e2d", "\U0001F600"));
  EXPECT_THAT(characters("a\xff\xc3"), ElementsAre("a", "\xff", "\xc3"));
  EXPECT_THAT(characters(""), IsEmpty());
  EXPECT_THAT(units_of("A b.", TextUnit::character), ElementsAre("a", " ", "b", "."));
  EXPECT_THAT(units_of("A b.", TextUnit::word), ElementsAre("a", "b"));
}

// Positions as in methods that count from 1: id = position + 3.
TEST(Vocabulary, TheAlphabetHasSeventyPositionsAndOneHyphen) {
  const Vocabulary alphabet = Vocabulary::alphabet();
  EXPECT_EQ(alphabet.size(), 74);
  const auto position = [&](const std::string& character) { return alphabet.id(character) - 3; };
  EXPECT_EQ(position("a"), 1);
  EXPECT_EQ(position("z"), 26);
  EXPECT_EQ(position("0"), 27);
  EXPECT_EQ(position("9"), 36);
  EXPECT_EQ(position(","), 38);
  EXPECT_EQ(position("-"), 60) << "the later one counts";
  EXPECT_EQ(position("+"), 59);
  EXPECT_EQ(position("}"), 69);
  EXPECT_EQ(position(" "), 70);
  EXPECT_EQ(alphabet.id("\u00e4"), Vocabulary::kUnknown);
  const Vocabulary again = Vocabulary::from_text(alphabet.to_text(), "v");
  EXPECT_EQ(again.hash(), alphabet.hash());
  EXPECT_EQ(again.id(" "), 73);
}

TEST(Vocabulary, EncodesTheCharactersOfARawText) {
  const Vocabulary alphabet = Vocabulary::alphabet();
  TextOptions options;
  EXPECT_THAT(Vocabulary::build(words_corpus(), 1).encode("not read", {"a", "cat"}, options), ElementsAre(4, 5));
  options.unit = TextUnit::character, options.max_length = 4;
  EXPECT_THAT(alphabet.encode("B-\u00e9 too long", {"not", "read"}, options), ElementsAre(5, 63, 1, 73));
}

TEST(TextOptions, CharactersHaveNoWordVectors) {
  TextOptions options;
  options.unit = TextUnit::character;
  Complaints none, some;
  options.validate("data.text", {}, none);
  EXPECT_TRUE(none.empty());
  options.word_vectors = "glove.txt";
  options.validate("data.text", {}, some);
  EXPECT_EQ(some.size(), 1u);
}

TEST(Vocabulary, CountsTrainingCaptionsOnly) {
  const Vocabulary all = Vocabulary::build(words_corpus(), 1);
  EXPECT_EQ(all.to_text(), "<pad>\n<unk>\n<start>\n<end>\na\ncat\ndog\neel\n");  // by count, then by the alphabet
  EXPECT_EQ(all.id("val"), Vocabulary::kUnknown);
  EXPECT_EQ(all.id("rest"), Vocabulary::kUnknown);
  const Vocabulary frequent = Vocabulary::build(words_corpus(), 3);
  EXPECT_EQ(frequent.size(), 5);
  EXPECT_EQ(frequent.word(4), "a");
  EXPECT_THAT(data_error([] { Vocabulary::build(words_corpus(), 4); }), HasSubstr("no word occurs 4 times"));
}
TEST(Vocabulary, CountsTrainingModificationsToo) {
  Corpus corpus = words_corpus();
  const auto change = [](Split split, std::vector<std::string> tokens) {
    return Modification{.text = "", .tokens = std::move(tokens), .split = split, .target_label = 0};
  };
  corpus.modifications = {change(Split::train, {"replace", "cat", "<unk>"}), change(Split::train, {"replace"}),
                          change(Split::test, {"eel", "zebra"})};
  const Vocabulary vocabulary = Vocabulary::build(corpus, 1);
  // a and cat stand three times, dog and replace twice, eel once; zebra is asked for in the test split only
  EXPECT_EQ(vocabulary.to_text(), "<pad>\n<unk>\n<start>\n<end>\na\ncat\ndog\nreplace\neel\n");
  EXPECT_EQ(vocabulary.id("zebra"), Vocabulary::kUnknown);
  corpus.captions.clear();
  EXPECT_EQ(Vocabulary::build(corpus, 2).to_text(), "<pad>\n<unk>\n<start>\n<end>\nreplace\n");
  EXPECT_THAT(data_error([&] { Vocabulary::build(corpus, 3); }),
              HasSubstr("no word occurs 3 times in the training texts"));
}
TEST(Vocabulary, SpecialWordsInCaptionsStayUnknown) {
  Corpus corpus = words_corpus();
  corpus.captions[0].tokens = {"<pad>", "<start>", "a"};
  const Vocabulary vocabulary = Vocabulary::build(corpus, 1);
  EXPECT_THAT(vocabulary.encode({"<pad>", "<end>", "a"}, TextOptions{}), ElementsAre(1, 1, 4));
}
TEST(Vocabulary, EncodesCutsAndFrames) {
  const Vocabulary vocabulary = Vocabulary::build(words_corpus(), 1);
  TextOptions options;
  EXPECT_THAT(vocabulary.encode({"dog", "unheard", "a"}, options), ElementsAre(6, 1, 4));
  options.max_length = 2, options.start_end = true;
  EXPECT_THAT(vocabulary.encode({"dog", "cat", "a"}, options), ElementsAre(2, 6, 5, 3));
}
Corpus texts_corpus() {
  Corpus corpus;
  corpus.images = {{"a", "a", Split::train, 0}, {"b", "b", Split::val, 1}};
  for (int i = 0; i < 1200; ++i) corpus.captions.push_back({"a cat", {"a", "cat"}, 0});
  for (int i = 0; i < 50; ++i) corpus.captions.push_back({"cats, \u00e9!", {"cats", "a", "b"}, 0});
  corpus.captions.push_back({"a caption of val is not counted", {"a", "caption", "of", "val"}, 1});
  return corpus;
}

TEST(CutTexts, CountTrainingCaptionsByWords) {
  TextOptions options;
  EXPECT_EQ(count_cut_texts(texts_corpus(), options).cut, 0);
  options.max_length = 2;
  const CutTexts counted = count_cut_texts(texts_corpus(), options);
  EXPECT_FALSE(counted.many());
  EXPECT_EQ(cut_text(counted, options),
            "50 of 1,250 training captions (4 %) are longer than data.text.max_length = 2 words and are cut; the "
            "longest has 3");
  options.max_length = 1;
  EXPECT_TRUE(count_cut_texts(texts_corpus(), options).many());
}
TEST(CutTexts, CountTrainingCaptionsByCharacters) {
  TextOptions options;
  options.unit = TextUnit::character, options.max_length = 8;  // "cats, \u00e9!" has 8, and 9 bytes
  EXPECT_EQ(count_cut_texts(texts_corpus(), options).cut, 0);
  options.max_length = 7;
  EXPECT_EQ(cut_text(count_cut_texts(texts_corpus(), options), options),
            "50 of 1,250 training captions (4 %) are longer than data.text.max_length = 7 characters and are cut; the "
            "longest has 8");
}
TEST(CutTexts, OfComposedRetrievalAreThoseOfModifications) {
  Corpus corpus = texts_corpus();
  corpus.modifications = {
      {.text = "make it red", .tokens = {"make", "it", "red"}, .split = Split::train, .target_label = 0},
      {.text = "make it", .tokens = {"make", "it"}, .split = Split::val, .target_label = 0}};
  TextOptions options;
  options.max_length = 1;
  EXPECT_EQ(cut_text(count_cut_texts(corpus, options), options),
            "1 of 1 training texts (100 %) is longer than data.text.max_length = 1 words and is cut; the longest "
            "has 3");
}

TEST(Vocabulary, ReadsBackWhatItWrites) {
  const Vocabulary vocabulary = Vocabulary::build(words_corpus(), 1),
                   again = Vocabulary::from_text(vocabulary.to_text(), "v");
  EXPECT_EQ(again.to_text(), vocabulary.to_text());
  EXPECT_EQ(again.hash(), vocabulary.hash());
  EXPECT_EQ(again.id("eel"), 7);
  EXPECT_NE(Vocabulary::build(words_corpus(), 2).hash(), vocabulary.hash());
}
TEST(Vocabulary, D23_DamagedFiles) {
  const auto error = [](const std::string& text) {
    return data_error([&] { Vocabulary::from_text(text, "vocabulary.txt"); });
  };
  const std::string specials = "<pad>\n<unk>\n<start>\n<end>\n";
  EXPECT_THAT(error(specials + "a\nb\na\n"), HasSubstr("vocabulary.txt:7: duplicate word 'a', first in line 5"));
  EXPECT_THAT(error("<pad>\r\n<unk>\r\n"), AllOf(HasSubstr("vocabulary.txt:1")));
  EXPECT_THAT(error(specials + "a\r\n"), HasSubstr("vocabulary.txt:5: the line ends with CR LF"));
  EXPECT_THAT(error("<pad>\n<start>\n<end>\na\n"), HasSubstr("vocabulary.txt:2: expected <unk>; got '<start>'"));
  EXPECT_THAT(error(specials + "a\n\nb\n"), HasSubstr("vocabulary.txt:6: the line is empty"));
  EXPECT_THAT(error(specials), HasSubstr("holds 4 words"));
  EXPECT_THAT(error(""), HasSubstr("holds 0 words"));
  EXPECT_THAT(error(specials + "\xff\n"), HasSubstr("invalid UTF-8"));
}

}  // namespace
}  // namespace diptych
