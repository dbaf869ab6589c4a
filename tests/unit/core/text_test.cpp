#include "diptych/core/text.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <locale>

namespace diptych {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// A locale with a decimal comma and grouped digits, without needing one to be installed.
class CommaLocale {
 public:
  CommaLocale() : former_(std::locale::global(std::locale(std::locale::classic(), new Comma))) {}
  ~CommaLocale() { std::locale::global(former_); }

 private:
  struct Comma : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
  };
  std::locale former_;
};

struct Streamed {
  friend std::ostream& operator<<(std::ostream& out, const Streamed&) { return out << 1234567 << ' ' << 0.5; }
};

TEST(FixedText, HasSoManyDecimals) {
  EXPECT_EQ(fixed_text(24.66, 1), "24.7");
  EXPECT_EQ(fixed_text(3, 2), "3.00");
  EXPECT_EQ(fixed_text(-0.04, 1), "-0.0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(-1234567), "-1,234,567");
}

TEST(NumberText, IsTheShortestThatReadsBack) {
  EXPECT_EQ(number_text(0.1), "0.1");
  EXPECT_EQ(number_text(1e-8), "1e-08");
  EXPECT_EQ(number_text(3.0), "3");
  EXPECT_EQ(number_text(int64_t{-42}), "-42");
  for (const double value : {0.1, 1.0 / 3, 2e-5, 1e300, 5e-324, -0.0, 123456789.123})
    EXPECT_EQ(parse_number(number_text(value)).value_or(-1), value) << number_text(value);
}

TEST(Concat, JoinsAnything) {
  EXPECT_EQ(concat("rows ", 3, " of ", size_t{4}, ' ', true, ' ', 0.25, ' ', std::string("x")),
            "rows 3 of 4 true 0.25 x");
}

TEST(Concat, C29_IgnoresTheLocale) {
  const CommaLocale comma;
  EXPECT_EQ(concat(1234567, " ", 0.5, " ", Streamed{}), "1234567 0.5 1234567 0.5");
  EXPECT_EQ(parse_number("0.5").value_or(0), 0.5);
  EXPECT_EQ(bytes_text(1.5e9), "1.5 GB");
}

TEST(EscapeForLog, S9_NeutralisesControlCharacters) {
  EXPECT_EQ(escape_for_log("a\nerror[CFG] fake\r\x1b[2J\a\x7f"), "a\\x0aerror[CFG] fake\\x0d\\x1b[2J\\x07\\x7f");
  EXPECT_EQ(escape_for_log(std::string_view("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(escape_for_log("\u0085\u2028\u202e\u2066"), "\\x85\\u{2028}\\u{202e}\\u{2066}");
  EXPECT_EQ(escape_for_log("\xff\xc3"), "\\xff\\xc3");
}

TEST(EscapeForLog, KeepsOrdinaryText) {
  EXPECT_EQ(escape_for_log("caf\u00e9 \u4e2d\u6587 \U0001f600 {} %n"), "caf\u00e9 \u4e2d\u6587 \U0001f600 {} %n");
}

TEST(EscapeForLog, CutsBetweenCharacters) {
  EXPECT_EQ(escape_for_log("abcdef", 6), "abcdef");
  EXPECT_EQ(escape_for_log("abcdefg", 6), "abcdef...");
  EXPECT_EQ(escape_for_log("ab\u00e9", 3), "ab...");  // e acute takes two bytes
  EXPECT_EQ(escape_for_log("ab\n", 4), "ab...");      // so does not fit \x0a
  EXPECT_LE(escape_for_log(std::string(1 << 20, '\x1b')).size(), 83u);
}

TEST(EscapeForHtml, ReplacesTheFiveCharacters) {
  EXPECT_EQ(escape_for_html("<a href=\"x\">'&'</a>"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt;");
}

TEST(CsvCell, QuotesAndDefusesFormulas) {
  EXPECT_EQ(csv_cell("a \"b\", c"), "\"a \"\"b\"\", c\"");
  EXPECT_EQ(csv_cell("=1+1"), "\"'=1+1\"");
  EXPECT_EQ(csv_cell("@x"), "\"'@x\"");
  EXPECT_EQ(csv_cell(""), "\"\"");
}

TEST(FindInvalidUtf8, GivesTheOffset) {
  EXPECT_EQ(find_invalid_utf8("caf\u00e9 \U0001f600"), std::nullopt);
  EXPECT_EQ(find_invalid_utf8("ab\xe9"), 2u);            // Latin-1
  EXPECT_EQ(find_invalid_utf8("a\xc0\xaf"), 1u);         // overlong
  EXPECT_EQ(find_invalid_utf8("\xe0\x80\xaf"), 0u);      // overlong
  EXPECT_EQ(find_invalid_utf8("ab\xed\xa0\x80"), 2u);    // surrogate
  EXPECT_EQ(find_invalid_utf8("\xf4\x90\x80\x80"), 0u);  // above U+10FFFF
  EXPECT_EQ(find_invalid_utf8("x\xe4\xb8"), 1u);         // cut
}

TEST(ParseInteger, ReadsWholePlainDecimals) {
  EXPECT_EQ(parse_integer("-12"), -12);
  EXPECT_EQ(parse_integer("9223372036854775807"), std::numeric_limits<int64_t>::max());
  for (const char* text : {"", "1.0", "1e3", "0x10", "9223372036854775808", " 1", "1 ", "+1", "1_000", "-"})
    EXPECT_EQ(parse_integer(text), std::nullopt) << text;
}

TEST(ParseNumber, ReadsWholeFiniteNumbers) {
  EXPECT_EQ(parse_number("1e-4"), 1e-4);
  EXPECT_EQ(parse_number("+2.5"), 2.5);
  EXPECT_EQ(parse_number("-3"), -3.0);
  for (const char* text : {"", "nan", "inf", "-inf", ".nan", "1e400", "1e-400", "1,5", "0x10", "1.5x", "+-1", " 1"})
    EXPECT_EQ(parse_number(text), std::nullopt) << text;
}

TEST(Text, SplitsTrimsAndJoins) {
  EXPECT_THAT(split("a.b..c", '.'), ElementsAre("a", "b", "", "c"));
  EXPECT_THAT(split("", '.'), ElementsAre(""));
  EXPECT_EQ(trim("  a b\r\n"), "a b");
  EXPECT_EQ(trim(" \t"), "");
  EXPECT_EQ(join({"a", "b"}, ", "), "a, b");
  EXPECT_EQ(lower_ascii("ABc\u00c9"), "abc\u00c9");
}

TEST(GlobMatch, KnowsStars) {
  EXPECT_TRUE(glob_match("model.*.weight", "model.image.conv1.weight"));
  EXPECT_TRUE(glob_match("*", ""));
  EXPECT_TRUE(glob_match("a*b*c", "aXbYbZc"));
  EXPECT_FALSE(glob_match("a*b", "aXbc"));
  EXPECT_FALSE(glob_match("model", "model.image"));
  EXPECT_FALSE(glob_match(std::string(30, '*') + "b", std::string(5000, 'a')));  // and not in exponential time
}

TEST(BytesText, PicksAUnit) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(17'000), "17 kB");
  EXPECT_EQ(bytes_text(312e6), "312 MB");
  EXPECT_EQ(bytes_text(1.5e9), "1.5 GB");
  EXPECT_EQ(bytes_text(999.9e6), "1.0 GB");
}

TEST(DurationText, ShowsHoursMinutesSeconds) {
  EXPECT_EQ(duration_text(860), "0:14:20");
  EXPECT_EQ(duration_text(3599.6), "1:00:00");
  EXPECT_EQ(duration_text(-1), "0:00:00");
  EXPECT_EQ(duration_text(std::nan("")), "0:00:00");
  EXPECT_EQ(duration_text(INFINITY), "277777:46:40");
}

TEST(Suggestions, FindNearNames) {
  EXPECT_THAT(suggestions("trian", {"evaluate", "train", "data"}), ElementsAre("train"));  // a swap is one step
  EXPECT_THAT(suggestions("Batch-Size", {"batch_size"}), ElementsAre("batch_size"));
  EXPECT_THAT(suggestions("margn", {"weight", "margin", "mining"}), ElementsAre("margin"));
  EXPECT_THAT(suggestions("xy", {"abcdef"}), IsEmpty());
  EXPECT_THAT(suggestions("", {"a"}), IsEmpty());
}

TEST(Suggestions, AreAtMostThreeNearestFirst) {
  EXPECT_THAT(suggestions("abcdef", {"abcxyf", "abcdeg", "abcdef", "abcdff", "abcdxx"}),
              ElementsAre("abcdef", "abcdeg", "abcdff"));
}

TEST(Suggestions, MatchTheLastPartOfDottedNames) {
  EXPECT_THAT(suggestions("lr", {"optim.lr", "seed"}), ElementsAre("optim.lr"));
  EXPECT_THAT(suggestions("flickr8k", {"coco-5k", "flickr8k-1k"}), ElementsAre("flickr8k-1k"));
}

TEST(DidYouMean, ListsWhatIsKnownWhenNothingIsNear) {
  EXPECT_EQ(did_you_mean("cmpn", {"cmpm", "cmpc"}), "did you mean: cmpm, cmpc");
  EXPECT_EQ(did_you_mean("zzzzzz", {"cmpm", "cmpc"}), "known: cmpm, cmpc");
  EXPECT_EQ(did_you_mean("zzzzzz", std::vector<std::string>(21, "abc")), "");
}

}  // namespace
}  // namespace diptych
