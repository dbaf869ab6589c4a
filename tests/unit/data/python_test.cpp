#include "diptych/data/python.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "diptych/core/text.h"
#include "diptych/data/vocabulary.h"
#include "support/temp_dir.h"

namespace diptych::testing {
namespace {

class PythonTokenizer : public ::testing::TestWithParam<TextUnit> {};
INSTANTIATE_TEST_SUITE_P(Each, PythonTokenizer, ::testing::Values(TextUnit::word, TextUnit::character),
                         [](const auto& each) { return enum_text(each.param); });

TEST_P(PythonTokenizer, GivesTheSame) {
  if (std::system("python3 -c pass >/dev/null 2>&1") != 0) GTEST_SKIP() << "no python3";
  std::string texts, words;
  const auto add = [&](const std::string& text) {
    texts += text + "\n";
    words += join(units_of(text, GetParam()), "|") + "\n";
  };
  add("A dog's 2nd BALL, isn't it?!  ...");
  add("it\u2019s caf\u00e9\u2014na\u00efve \u00c4PFEL \u4e2d\u6587\u3002\u65e5\u672c \U0001F600x");
  add("so\u00adft zero\u200bwidth join\u200der \u00abquoted\u00bb 5\u20ac x\u00d7y \u202Eoverride");
  // Every border of every range, and its neighbours.
  for (const uint32_t code : {0x7fu,   0x80u,   0xa9u,   0xaau,   0xabu,    0xadu,    0xaeu,    0xb5u,    0xbau,
                              0xc0u,   0xd7u,   0x2000u, 0x200bu, 0x200cu,  0x2010u,  0x2029u,  0x202au,  0x205fu,
                              0x2060u, 0x2064u, 0x2065u, 0x20a0u, 0x2190u,  0x2bffu,  0x2c00u,  0x3005u,  0xfe00u,
                              0xfe10u, 0xfeffu, 0xff01u, 0xff10u, 0x1f000u, 0x1faffu, 0x1fb00u, 0xe0000u, 0x10ffffu}) {
    std::string utf8;
    const auto tail = [&](int shift) { utf8 += static_cast<char>(0x80 | ((code >> shift) & 0x3f)); };
    if (code < 0x80)
      utf8 += static_cast<char>(code);
    else if (code < 0x800)
      utf8 += static_cast<char>(0xc0 | (code >> 6)), tail(0);
    else if (code < 0x10000)
      utf8 += static_cast<char>(0xe0 | (code >> 12)), tail(6), tail(0);
    else
      utf8 += static_cast<char>(0xf0 | (code >> 18)), tail(12), tail(6), tail(0);
    add("a" + utf8 + "b");
  }
  const TempDir dir;
  dir.write("texts", texts), dir.write("words", words);
  const auto script =
      dir.write("t.py", python_tokenizer(GetParam()) +
                            "\nimport sys\n"
                            "texts, words = (open(f, encoding='utf-8', newline='\\n').read().split('\\n') "
                            "for f in sys.argv[1:])\n"
                            "bad = [(t, w) for t, w in zip(texts, words) if '|'.join(tokenize(t)) != w]\n"
                            "print(ascii(bad))\nsys.exit(len(bad) > 0 or len(texts) != len(words))\n");
  const std::string command = concat("python3 '", script.string(), "' '", (dir / "texts").string(), "' '",
                                     (dir / "words").string(), "' >'", (dir / "log").string(), "' 2>&1");
  EXPECT_EQ(std::system(command.c_str()), 0) << std::ifstream(dir / "log").rdbuf();
}

}  // namespace
}  // namespace diptych::testing
