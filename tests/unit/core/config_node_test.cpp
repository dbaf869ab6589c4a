#include "diptych/core/config_node.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <functional>

#include "diptych/core/error.h"
#include "diptych/core/random.h"
#include "diptych/core/text.h"
#include "support/temp_dir.h"

namespace diptych {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using testing::TempDir;

/// What the UsageError says that `action` must throw, or "accepted".
template <class Action>
std::string complaint_of(const Action& action) {
  try {
    action();
  } catch (const UsageError& error) {
    EXPECT_EQ(error.exit_code(), 2);
    return error.what();
  }
  return "accepted";
}
std::string parse_complaint(std::string_view yaml) {
  return complaint_of([&] { parse_config(yaml, "a.yaml"); });
}
std::string text_at(const ConfigNode& tree, std::string_view path) {
  const ConfigNode* node = tree.at_path(path);
  if (!node) return "(absent)";
  return node->is_null() ? "(null)" : node->is_list() ? "(list)" : node->is_map() ? "(map)" : node->text;
}

// ---- The tree

TEST(ParseConfig, KeepsTextKindAndOrigin) {
  const ConfigNode tree = parse_config("# comment\na: 010\nb: {c: [x, 'y', ~], d: \"5\"}\n", "a.yaml");
  EXPECT_EQ(text_at(tree, "a"), "010");
  EXPECT_EQ(to_text(tree.find("a")->origin), "a.yaml:2:4");
  EXPECT_EQ(to_text(tree.entries[1].key_origin), "a.yaml:3:1");
  EXPECT_FALSE(tree.at_path("b.c.0")->quoted);
  EXPECT_TRUE(tree.at_path("b.c.1")->quoted);
  EXPECT_TRUE(tree.at_path("b.d")->quoted);
  EXPECT_TRUE(tree.at_path("b.c.2")->is_null());
  EXPECT_EQ(to_text(tree.at_path("b.c.1")->origin), "a.yaml:3:12");
  EXPECT_EQ(tree.at_path("b.c.3"), nullptr);
  EXPECT_EQ(tree.at_path("b.x.y"), nullptr);
  EXPECT_EQ(tree.at_path("a.x"), nullptr);
}

TEST(ParseConfig, ReadsTheUsualForms) {
  const ConfigNode tree = parse_config(
      "---\n"
      "plain: it's a \"plain\" text # with a comment\n"
      "url: http://x/#y\n"
      "'quoted key': 'it''s'\n"
      "escaped: \"tab\\t quote \\\" end\"\n"
      "block: |\n"
      "  \"an open quote\n"
      "  \tand & * ! %\n"
      "  --- [[[\n"
      "folded: >-\n"
      "  one\n"
      "  two\n"
      "items:\n"
      "- a: 1\n"
      "  b: [1,\n"
      "      2]\n"
      "- - nested\n"
      "empty: {}\n"
      "none: null\n",
      "a.yaml");
  EXPECT_EQ(text_at(tree, "plain"), "it's a \"plain\" text");
  EXPECT_EQ(text_at(tree, "url"), "http://x/#y");
  EXPECT_EQ(text_at(tree, "quoted key"), "it's");
  EXPECT_EQ(text_at(tree, "escaped"), "tab\t quote \" end");
  EXPECT_THAT(text_at(tree, "block"), AllOf(HasSubstr("\"an open quote\n"), HasSubstr("--- [[[")));
  EXPECT_EQ(text_at(tree, "folded"), "one two");
  EXPECT_EQ(text_at(tree, "items.0.b.1"), "2");
  EXPECT_EQ(text_at(tree, "items.1.0"), "nested");
  EXPECT_EQ(text_at(tree, "empty"), "(map)");
  EXPECT_EQ(text_at(tree, "none"), "(null)");
}

TEST(Origin, HasThreeForms) {
  EXPECT_EQ(to_text(Origin{"a.yaml", 14, 5}), "a.yaml:14:5");
  EXPECT_EQ(to_text(Origin{"command line", 0, 0}), "command line");
  EXPECT_EQ(to_text(Origin{}), "default");
}

// ---- The catalogue of bad configurations (reliability, 6.1)

TEST(LoadConfig, C1_MissingFile) {
  EXPECT_THAT(complaint_of([] { load_config("no/such.yaml"); }),
              AllOf(HasSubstr("no/such.yaml"), HasSubstr("No such file")));
  EXPECT_THAT(complaint_of([] { load_config(""); }), HasSubstr("No such file"));
}

TEST(LoadConfig, C2_Directory) {
  const TempDir dir;
  EXPECT_THAT(complaint_of([&] { load_config(dir.path()); }), HasSubstr("is a directory"));
}

TEST(ParseConfig, C3_Empty) {
  for (const char* yaml : {"", "# only\n# comments\n", "---\n", "~\n", "\n\n", "\xef\xbb\xbf"})
    EXPECT_THAT(parse_complaint(yaml), HasSubstr("empty")) << yaml;
}

TEST(LoadConfig, C4_TopLevelIsNoMapping) {
  const TempDir dir;
  for (const char* yaml : {"text\n", "- a\n- b\n", "[a: 1]\n", "'x'\n"})
    EXPECT_THAT(complaint_of([&] { load_config(dir.write("a.yaml", yaml)); }), HasSubstr("expected a mapping")) << yaml;
}

TEST(ParseConfig, C7_DuplicateKey) {
  EXPECT_THAT(parse_complaint("a: 1\nb: 2\na: 3\n"),
              AllOf(HasSubstr("a.yaml:3:1: a: duplicate key"), HasSubstr("a.yaml:1:1")));
  EXPECT_THAT(parse_complaint("x: {a: 1, 'a': 2}\n"),
              AllOf(HasSubstr("a.yaml:1:11: x.a: duplicate key"), HasSubstr("a.yaml:1:5")));
  EXPECT_THAT(parse_complaint("\"a\": 1\na: {}\n"), HasSubstr("duplicate key"));
  const TempDir dir;
  dir.write("base.yaml", "a: 1\na: 2\n");
  EXPECT_THAT(complaint_of([&] { load_config(dir.write("a.yaml", "_base_: base.yaml\n")); }),
              AllOf(HasSubstr("base.yaml:2:1"), HasSubstr("base.yaml:1:1"), HasSubstr("duplicate key")));
}

TEST(ParseConfig, C13_KeyWithoutValue) {
  EXPECT_THAT(parse_complaint("optim:\n  lr:\nb: 1\n"), HasSubstr("a.yaml:2:3: optim.lr: has no value"));
  EXPECT_THAT(parse_complaint("a: 1\nb\n"), HasSubstr("a.yaml:2:1: b: has no value"));
  EXPECT_THAT(parse_complaint("{a, b: 1}"), HasSubstr("a: has no value"));
  EXPECT_THAT(parse_complaint("{a:1}"), HasSubstr("a space after the colon"));
  EXPECT_THAT(parse_complaint("x:\n- \n- 1\n"), HasSubstr("x.0: has no value"));
  EXPECT_THAT(parse_complaint("a:\nnullable: 1\n"), HasSubstr("a: has no value"));
  EXPECT_EQ(parse_complaint("a: ~\nb: null\nc: [null, ~]\nd: {e: null}\nf: null # said\ng: ~"), "accepted");
}

TEST(ParseConfig, C14_Encodings) {
  EXPECT_THAT(parse_complaint("a:\n\tb: 1\n"), AllOf(HasSubstr("a.yaml:2:1"), HasSubstr("a tab in the indentation")));
  EXPECT_THAT(parse_complaint("a:\n  \t- 1\n"), HasSubstr("a.yaml:2:3: a tab"));
  EXPECT_THAT(parse_complaint("\xff\xfe"
                              "a:"),
              AllOf(HasSubstr("UTF-16"), HasSubstr("byte offset")));
  EXPECT_THAT(parse_complaint(std::string_view("a\0:\0 \0001\0", 8)), HasSubstr("UTF-16"));
  EXPECT_THAT(parse_complaint(std::string_view("\xff\xfe\0\0a\0\0\0", 8)), HasSubstr("UTF-32"));
  EXPECT_THAT(parse_complaint(std::string_view("abc: 1\nb: \0\n", 12)), HasSubstr("NUL at byte offset 10 (line 2)"));
  EXPECT_THAT(parse_complaint("a: caf\xe9\n"),
              AllOf(HasSubstr("invalid UTF-8 at byte offset 6"), HasSubstr("Latin-1")));
  EXPECT_THAT(parse_complaint("a: 1\rb: 2\n"), HasSubstr("control character \\x0d"));
  EXPECT_THAT(parse_complaint("a: \x1b[2J\n"), AllOf(HasSubstr("\\x1b"), Not(HasSubstr("\x1b"))));
}

TEST(ParseConfig, C14_ByteOrderMarkAndCrLfAreFine) {
  const ConfigNode tree = parse_config(
      "\xef\xbb\xbf"
      "a: 1\r\nb:\r\n  c: 'x'\r\nd: null\r\n",
      "a.yaml");
  EXPECT_EQ(text_at(tree, "a"), "1");
  EXPECT_EQ(text_at(tree, "b.c"), "x");
  EXPECT_EQ(text_at(tree, "d"), "(null)");
  EXPECT_EQ(to_text(tree.at_path("b.c")->origin), "a.yaml:3:6");
  EXPECT_EQ(parse_complaint("a: 1\t# a comment after a tab\n \nb: 2\n"), "accepted");
}

TEST(ParseConfig, C15_UnclosedQuote) {
  for (const char quote : {'"', '\''})
    for (const char* rest : {"", "\n", "\nb: 2\nc: 3\n", "\nb: \"2\"\n", "\nb: '2'\n"})
      EXPECT_THAT(parse_complaint(concat("x: 1\na: ", quote, "open", rest)),
                  AllOf(HasSubstr("a.yaml:2:4"), HasSubstr("quote opened at line 2")))
          << quote << rest;
  EXPECT_THAT(parse_complaint("a: [1, \"x, 2]\nb: 1\n"), HasSubstr("quote opened at line 1"));
  EXPECT_THAT(parse_complaint("a: \"ends with \\\"\n"), HasSubstr("quote opened at line 1"));
  EXPECT_THAT(parse_complaint("\"key: 1\n"), HasSubstr("quote opened at line 1"));
}

TEST(ParseConfig, C16_SecondDocument) {
  for (const char* yaml :
       {"a: 1\n---\nb: 2\n", "a: 1\n...\nb: 2\n", "a: 1\n...\n---\nb: 2\n", "---\n---\na: 1\n", "a: 1\n--- x\n"})
    EXPECT_THAT(parse_complaint(yaml), HasSubstr("one document expected")) << yaml;
  EXPECT_THAT(parse_complaint("a: 1\n---\nb: 2\n"), HasSubstr("a.yaml:2:1: one document expected"));
  EXPECT_THAT(parse_complaint("\"a\":1\n"), HasSubstr("one document expected"));
  EXPECT_EQ(parse_complaint("---\na: 1\n...\n# the end\n"), "accepted");
  EXPECT_EQ(parse_complaint("a: ...\nb: a---b\n"), "accepted");
  EXPECT_THAT(parse_complaint("%YAML 1.2\n---\na: 1\n"), HasSubstr("directives"));
}

TEST(ParseConfig, C17_AnchorsTagsMergeKeys) {
  for (const char* yaml : {"a: &x 1\n", "a: &x {b: 1}\n", "a: !!str 1\n", "a: !custom 1\n", "a: ! x\n", "a: *b\n",
                           "- *x\n", "&a k: 1\n", "a: [1, *x]\n", "a: *.bn\n"})
    EXPECT_THAT(parse_complaint(yaml), AllOf(HasSubstr("anchors and tags are not supported"), HasSubstr("_base_")))
        << yaml;
  EXPECT_THAT(parse_complaint("a: 1\n<<: {b: 1}\n"),
              AllOf(HasSubstr("merge keys (<<)"), HasSubstr("_base_"), HasSubstr("${key}")));
  EXPECT_THAT(parse_complaint("? [a]\n: 1\n"), HasSubstr("complex keys"));
  EXPECT_THAT(parse_complaint("{[a]: 1}\n"), HasSubstr("a key must be plain text"));
  EXPECT_THAT(parse_complaint("~: 1\n"), HasSubstr("a key must be plain text"));
  EXPECT_EQ(parse_complaint("a: x & y * z!\nb: '&x'\nc: \"*\"\nd: a&b\n"), "accepted");
}

TEST(ParseConfig, C18_SelfReferences) {
  for (const char* yaml : {"k: &a [*a]\n", "&a {k: *a}\n", "&a [*a]\n", "k: &a\n  - *a\n"})
    EXPECT_THAT(parse_complaint(yaml), HasSubstr("anchors and tags are not supported")) << yaml;
}

double seconds_of(const std::function<void()>& action) {
  const auto start = std::chrono::steady_clock::now();
  action();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

TEST(ParseConfig, C19_AliasBomb) {
  std::string yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 9; ++i) {
    yaml += concat("a", i, ": &a", i, " [");
    for (int j = 0; j < 9; ++j) yaml += concat(j ? ", " : "", "*a", i - 1);
    yaml += "]\n";
  }
  EXPECT_LT(seconds_of([&] { EXPECT_THAT(parse_complaint(yaml), HasSubstr("anchors and tags are not supported")); }),
            1);
}

std::string nested(const std::string& form, size_t depth) {
  const auto repeat = [&](const std::string& text) {
    std::string out;
    for (size_t i = 0; i < depth; ++i) out += text;
    return out;
  };
  if (form == "flow") return repeat("[") + "x" + repeat("]");
  if (form == "dashes") return repeat("- ") + "x\n";
  if (form == "maps") return repeat("{a: ") + "1" + repeat("}");
  if (form == "same column") {  // a sequence may stand in the column of its key: two levels for one column
    std::string out;
    for (size_t i = 0; i < depth / 2; ++i) out += std::string(i * 2, ' ') + (i ? "- a:\n" : "a:\n");
    return out;
  }
  std::string out;
  for (size_t i = 0; i < depth; ++i) out += std::string(i, ' ') + "a:" + (i + 1 == depth ? " 1\n" : "\n");
  return out;
}

TEST(ParseConfig, C20_Depth) {
  for (const char* form : {"flow", "dashes", "maps", "indents"}) {
    for (const size_t depth : {size_t{1}, size_t{63}, size_t{64}})
      EXPECT_EQ(parse_complaint(nested(form, depth)), "accepted") << form << depth;
    for (const size_t depth : {size_t{65}, size_t{499}, size_t{500}, size_t{1200}})
      EXPECT_THAT(parse_complaint(nested(form, depth)), HasSubstr("nested deeper than 64")) << form << depth;
  }
  for (const char* form : {"flow", "dashes", "maps"})
    EXPECT_THAT(parse_complaint(nested(form, 1'000'000 / (form[0] == 'm' ? 5 : 2))),
                HasSubstr("nested deeper than 64"));
  EXPECT_THAT(parse_complaint(std::string(1'000'000, '[')), HasSubstr("nested deeper than 64"));
  EXPECT_THAT(parse_complaint(nested("same column", 200)), HasSubstr("nested deeper than 64"));
  std::string questions;
  for (int i = 0; i < 300'000; ++i) questions += "? ";
  EXPECT_THAT(parse_complaint(questions), HasSubstr("complex keys"));
}

TEST(ParseConfig, C20_BracketsInTextDoNotNest) {
  EXPECT_EQ(parse_complaint("a: '" + std::string(100, '[') + "'\nb: x" + std::string(100, '{') + "\n# " +
                            std::string(100, '[') + "\n"),
            "accepted");
}

TEST(ParseConfig, C21_Size) {
#ifdef __SANITIZE_ADDRESS__
  constexpr double kSeconds = 20;
#else
  constexpr double kSeconds = 1;
#endif
  EXPECT_LT(seconds_of([] {
              EXPECT_THAT(parse_complaint("a: " + std::string(20'000'000, 'x')), HasSubstr("larger than 1 MiB"));
            }),
            kSeconds);
  EXPECT_THAT(parse_complaint("a: " + std::string((1 << 20) - 2, 'x')), HasSubstr("larger than 1 MiB"));
  EXPECT_EQ(parse_complaint("a: " + std::string((1 << 20) - 3, 'x')), "accepted");
  std::string keys;
  for (int i = 0; i < 100'000; ++i) keys += concat("k", i, ": 1\n");
  EXPECT_LT(seconds_of([&] {
              EXPECT_THAT(parse_complaint(keys), AnyOf(HasSubstr("larger than 1 MiB"), HasSubstr("more than 100000")));
            }),
            kSeconds);
  const TempDir dir;
  EXPECT_THAT(complaint_of([&] { load_config(dir.write("big.yaml", "a: " + std::string(3'000'000, 'x'))); }),
              HasSubstr("larger than 1 MiB"));
}

TEST(LoadConfig, C22_BaseLoop) {
  const TempDir dir;
  const auto a = dir.write("a.yaml", "_base_: b.yaml\n");
  dir.write("b.yaml", "x: 1\n_base_: [a.yaml]\n");
  const std::string self = dir.write("self.yaml", "_base_: ./self.yaml\n").string();
  const std::string chain = concat(a.string(), " -> ", (dir / "b.yaml").string(), " -> ", a.string());
  EXPECT_THAT(complaint_of([&] { load_config(a); }),
              AllOf(EndsWith("form a loop: " + chain), HasSubstr("b.yaml:2:10")));
  EXPECT_THAT(complaint_of([&] { load_config(self); }), HasSubstr(self + " -> " + self));
  for (int i = 0; i < 20; ++i) dir.write(concat("d", i, ".yaml"), concat("_base_: d", i + 1, ".yaml\n"));
  EXPECT_THAT(complaint_of([&] { load_config(dir / "d0.yaml"); }),
              AllOf(HasSubstr("deeper than 16"), HasSubstr(" -> ")));
}

TEST(LoadConfig, C22_MissingBase) {
  const TempDir dir;
  EXPECT_THAT(complaint_of([&] { load_config(dir.write("a.yaml", "x: 1\n_base_: [gone.yaml]\n")); }),
              AllOf(HasSubstr("a.yaml:2:10"), HasSubstr("gone.yaml"), HasSubstr("No such file")));
  EXPECT_THAT(complaint_of([&] { load_config(dir.write("a.yaml", "_base_: {x: 1}\n")); }),
              HasSubstr("_base_: expected a path"));
}

TEST(Interpolate, C22_UndefinedAndRecursive) {
  unsetenv("DIPTYCH_TEST_UNSET");
  const auto complaint = [](const char* yaml) {
    return complaint_of([&] {
      ConfigNode tree = parse_config(yaml, "a.yaml");
      interpolate(tree);
    });
  };
  EXPECT_THAT(complaint("a: ${env:DIPTYCH_TEST_UNSET}/x\n"),
              AllOf(HasSubstr("a.yaml:1:4"), HasSubstr("DIPTYCH_TEST_UNSET is not set")));
  EXPECT_THAT(complaint("a: ${a}\n"), HasSubstr("cycle: a -> a"));
  EXPECT_THAT(complaint("a: ${b}\nb: x${c}\nc: ${a}\n"), HasSubstr("a -> b -> c -> a"));
  EXPECT_THAT(complaint("a: {b: [1, \"${a}\"]}\n"), HasSubstr("cycle"));
  EXPECT_THAT(complaint("optim: {lr: 1}\na: ${optim.lrr}\n"),
              AllOf(HasSubstr("${optim.lrr}"), HasSubstr("did you mean: optim.lr")));
  EXPECT_THAT(complaint("a: ${b\nb: 1\n"), HasSubstr("not closed"));
  EXPECT_THAT(complaint("a: x${b}\nb: [1, 2]\n"), AllOf(HasSubstr("[1, 2]"), HasSubstr("inside text")));
  EXPECT_THAT(complaint("a: ${}\nb: ${nope}\n"),
              AllOf(HasSubstr("a.yaml:1:4"), HasSubstr("a.yaml:2:4")));  // all at once
}

TEST(Interpolate, C22_ReferenceBomb) {
  std::string lists = "a0: [x, x, x, x, x, x, x, x, x]\n", texts = "t0: \"\"\n", long_texts = "t0: xxxxxxxxxx\n";
  for (int i = 1; i < 30; ++i) {
    lists += concat("a", i, ": [");
    for (int j = 0; j < 9; ++j) lists += concat(j ? ", " : "", "\"${a", i - 1, "}\"");
    lists += "]\n";
    texts += concat("t", i, ": -${t", i - 1, "}${t", i - 1, "}\n");
    long_texts += concat("t", i, ": -${t", i - 1, "}${t", i - 1, "}\n");
  }
  for (const std::string& yaml : {lists, texts, long_texts}) {
    ConfigNode tree = parse_config(yaml, "a.yaml");
    EXPECT_LT(
        seconds_of([&] { EXPECT_THAT(complaint_of([&] { interpolate(tree); }), HasSubstr("expand to more than")); }),
        2);
  }
}

TEST(LoadConfig, C26_SpecialFiles) {
  const TempDir dir;
  const auto fifo = dir / "fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  for (const std::filesystem::path& path :
       {fifo, std::filesystem::path("/dev/zero"), std::filesystem::path("/dev/full")})
    EXPECT_THAT(complaint_of([&] { load_config(path); }), HasSubstr("not a regular file"));
  if (geteuid() == 0) return;  // root may read everything
  const auto secret = dir.write("secret.yaml", "a: 1\n");
  chmod(secret.c_str(), 0);
  EXPECT_THAT(complaint_of([&] { load_config(secret); }), HasSubstr("Permission denied"));
}

TEST(ParseConfig, C28_MutationsNeverDoMoreThanComplain) {
  const std::string seed =
      "_base_: ../base/a.yaml\nexperiment: x # name\ndata: {root: \"${env:X}/y\", image: {size: 224}}\nobjective:\n- "
      "{type: cmpm}\n"
      "- type: 'cmpc'\n  weight: 1e-1\nnotes: |\n  free\n  text\n";
  const std::string alphabet = "[]{}&*!|>'\"%@`,:#-?~\n\t \\$ax0\xff\xc3";
  Random random(28);
  int accepted = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string yaml = seed;
    for (uint64_t k = 0, n = 1 + random.below(4); k < n; ++k) {
      const size_t at = random.below(yaml.size());
      if (random.chance(0.4))
        yaml.insert(at, 1, alphabet[random.below(alphabet.size())]);
      else if (random.chance(0.5))
        yaml.erase(at, 1 + random.below(3));
      else
        yaml[at] = alphabet[random.below(alphabet.size())];
    }
    accepted += parse_complaint(yaml) == "accepted";
  }
  EXPECT_GT(accepted, 500);     // some mutations are harmless
  EXPECT_LT(accepted, 19'000);  // most are not
}

TEST(ParseConfig, SyntaxErrorsHaveAPlaceAndARemedy) {
  EXPECT_THAT(parse_complaint("a: 1\nb: x: y\n"),
              AllOf(HasSubstr("a.yaml:2:5"), HasSubstr("not valid YAML"), HasSubstr("hint:")));
  EXPECT_THAT(parse_complaint("a: [1, 2\n"), HasSubstr("not valid YAML"));
  EXPECT_THAT(parse_complaint("a: {root: ${env:X}}\n"), HasSubstr("in quotes"));
}

TEST(ParseConfig, CollectsAllErrorsOfOneKind) {
  const std::string complaint = parse_complaint("a: 1\na: 2\nb:\nc: {d: 1, d: 2}\n");
  EXPECT_THAT(complaint,
              AllOf(HasSubstr(":2:1: a: duplicate"), HasSubstr(":3:1: b: has no value"), HasSubstr("c.d: duplicate")));
}

// ---- _base_

TEST(LoadConfig, MergesBases) {
  const TempDir dir;
  dir.write("base/optim.yaml", "optim: {lr: 1, betas: [1, 2], nest: {x: 1}}\nseed: 1\n");
  dir.write("base/data.yaml", "data: {root: r}\n");
  const auto file =
      dir.write("set/a.yaml", "_base_: [../base/optim.yaml, ../base/data.yaml]\noptim: {lr: 2, betas: [3]}\nname: a\n");
  const LoadedConfig loaded = load_config(file);
  EXPECT_EQ(text_at(loaded.tree, "optim.lr"), "2");
  EXPECT_EQ(text_at(loaded.tree, "optim.nest.x"), "1");
  EXPECT_EQ(loaded.tree.at_path("optim.betas")->items.size(), 1u);
  EXPECT_EQ(text_at(loaded.tree, "data.root"), "r");
  EXPECT_EQ(loaded.tree.find("_base_"), nullptr);
  EXPECT_THAT(to_text(loaded.tree.at_path("optim.lr")->origin), EndsWith("set/a.yaml:2:13"));
  EXPECT_THAT(to_text(loaded.tree.at_path("seed")->origin), EndsWith("base/optim.yaml:2:7"));
  ASSERT_THAT(loaded.files, SizeIs(3));
  EXPECT_EQ(loaded.files[0], file);
  EXPECT_EQ(loaded.files[1], dir / "base/optim.yaml");
}

TEST(LoadConfig, DeleteDropsWhatTheBasePut) {
  const TempDir dir;
  dir.write("base.yaml", "optim: {type: adam, beta: 1, deep: {x: 1}}\nother: {a: 1}\nseed: 1\n");
  const ConfigNode tree =
      load_config(dir.write("a.yaml",
                            "_base_: base.yaml\noptim: {_delete_: true, type: sgd}\nother: "
                            "{_delete_: false, b: 2}\nnew: {k: {_delete_: true}}\nseed: {k: {_delete_: true}}\n"))
          .tree;
  EXPECT_EQ(text_at(tree, "optim.type"), "sgd");
  EXPECT_EQ(text_at(tree, "optim.beta"), "(absent)");
  EXPECT_EQ(text_at(tree, "optim._delete_"), "(absent)");
  EXPECT_EQ(text_at(tree, "other.a"), "1");
  EXPECT_EQ(text_at(tree, "other._delete_"), "(absent)");
  EXPECT_EQ(text_at(tree, "new.k._delete_"), "(absent)");
  EXPECT_EQ(text_at(tree, "seed.k._delete_"), "(absent)");
  EXPECT_THAT(complaint_of([&] { load_config(dir.write("b.yaml", "_base_: base.yaml\noptim: {_delete_: yes}\n")); }),
              HasSubstr("_delete_: expected true or false"));
}

TEST(LoadConfig, TwoBasesMustNotSetTheSameLeaf) {
  const TempDir dir;
  dir.write("x.yaml", "optim: {lr: 1}\n");
  dir.write("y.yaml", "seed: 1\noptim: {lr: 2}\n");
  EXPECT_THAT(complaint_of([&] { load_config(dir.write("a.yaml", "_base_: [x.yaml, y.yaml]\n")); }),
              AllOf(HasSubstr("y.yaml:2:13: optim.lr is set by two _base_ files"), HasSubstr("x.yaml:1:13")));
}

TEST(LoadConfig, ACommonBaseOfTwoBasesIsNoConflict) {
  const TempDir dir;
  dir.write("root.yaml", "seed: 1\n");
  dir.write("x.yaml", "_base_: root.yaml\na: 1\n");
  dir.write("y.yaml", "_base_: root.yaml\nb: 1\n");
  const LoadedConfig loaded = load_config(dir.write("a.yaml", "_base_: [x.yaml, y.yaml]\n"));
  EXPECT_EQ(text_at(loaded.tree, "seed"), "1");
  EXPECT_THAT(loaded.files, SizeIs(4));
}

TEST(LoadConfig, ANullInTheFileReplacesAMapOfTheBase) {
  const TempDir dir;
  dir.write("base.yaml", "a: {b: 1}\n");
  EXPECT_EQ(text_at(load_config(dir.write("a.yaml", "_base_: base.yaml\na: null\n")).tree, "a"), "(null)");
}

// ---- Overrides

const char* const kSmall =
    "optim: {lr: 0.0002, on: true}\nobjective: [{type: cmpm, margin: 1}, {type: cmpc}]\nseed: 1\n";

TEST(ApplyOverrides, SetsAndEchoes) {
  ConfigNode tree = parse_config(kSmall, "a.yaml");
  EXPECT_THAT(
      apply_overrides(tree, {"optim.lr=0.0003", "objective.1.weight=2", "new.deep.key='text'", "seed=[1, {a: b}]"}),
      ElementsAre("optim.lr 0.0002 -> 0.0003 (was a.yaml:1:13)", "objective.1.weight (default) -> 2",
                  "new.deep.key (default) -> \"text\"", "seed 1 -> [1, {a: b}] (was a.yaml:3:7)"));
  EXPECT_EQ(text_at(tree, "optim.lr"), "0.0003");
  EXPECT_EQ(tree.at_path("optim.lr")->replaced, "0.0002, a.yaml:1:13");
  EXPECT_EQ(to_text(tree.at_path("optim.lr")->origin), "command line");
  EXPECT_EQ(text_at(tree, "objective.1.weight"), "2");
  EXPECT_EQ(to_text(tree.at_path("seed.1.a")->origin), "command line");
  EXPECT_TRUE(tree.at_path("new.deep.key")->quoted);
}

TEST(ApplyOverrides, AppendsAndUnsets) {
  ConfigNode tree = parse_config(kSmall, "a.yaml");
  EXPECT_THAT(apply_overrides(tree, {"+objective={type: infonce}", "+objective={type: instance}", "+fresh=x",
                                     "~optim.lr", "~seed", "~gone.key"}),
              ElementsAre("objective + {type: infonce}", "objective + {type: instance}", "fresh + x",
                          "optim.lr 0.0002 -> (default) (was a.yaml:1:13)", "seed 1 -> (default) (was a.yaml:3:7)",
                          "gone.key was not set: it has its default"));
  EXPECT_EQ(text_at(tree, "objective.3.type"), "instance");
  EXPECT_EQ(text_at(tree, "fresh.0"), "x");
  EXPECT_EQ(text_at(tree, "optim.lr"), "(absent)");
  EXPECT_EQ(text_at(tree, "seed"), "(absent)");
  EXPECT_EQ(text_at(tree, "gone"), "(absent)");
}

TEST(ApplyOverrides, C25_Mistakes) {
  const auto complaint = [](const std::vector<std::string>& words) {
    return complaint_of([&] {
      ConfigNode tree = parse_config(kSmall, "a.yaml");
      apply_overrides(tree, words);
    });
  };
  EXPECT_THAT(complaint({"optim.lr="}),
              AllOf(HasSubstr("error[CLI] command line: 'optim.lr='"), HasSubstr("has no value")));
  EXPECT_THAT(complaint({"optim.lr=1", "optim.lr=2"}), AllOf(HasSubstr("optim.lr"), HasSubstr("given twice")));
  EXPECT_THAT(complaint({"optim.lr=1", "~optim.lr"}), HasSubstr("given twice"));
  EXPECT_THAT(complaint({"optim.lr"}), HasSubstr("expected KEY=VALUE"));
  EXPECT_THAT(complaint({"=1"}), HasSubstr("expected a key"));
  EXPECT_THAT(complaint({"a..b=1"}), HasSubstr("expected a key"));
  EXPECT_THAT(complaint({"~optim.lr=1"}), HasSubstr("has no value"));
  EXPECT_THAT(complaint({"objective.2.margin=1"}), AllOf(HasSubstr("objective has 2 elements"), HasSubstr("0 to 1")));
  EXPECT_THAT(complaint({"objective.first.margin=1"}), HasSubstr("no element first"));
  EXPECT_THAT(complaint({"objective.01.margin=1"}), HasSubstr("no element 01"));
  EXPECT_THAT(complaint({"train.stages.0.epochs=1"}),
              AllOf(HasSubstr("train.stages has no element 0"), HasSubstr("train.stages=[...]")));
  EXPECT_THAT(complaint({"seed.x=1"}), HasSubstr("seed is 1, and has no key x"));
  EXPECT_THAT(complaint({"+seed=1"}), HasSubstr("seed is 1, no list"));
  EXPECT_THAT(complaint({"~objective.0"}), HasSubstr("an element of a list has no default"));
  EXPECT_THAT(complaint({"a=[1, 2"}), AllOf(HasSubstr("'a=[1, 2'"), HasSubstr("not valid YAML")));
  EXPECT_THAT(complaint({"a=\"open"}), HasSubstr("quote opened"));
  EXPECT_THAT(complaint({"a=&x 1"}), HasSubstr("anchors"));
  EXPECT_THAT(complaint({"a=1\nb: 2"}), HasSubstr("more than one line"));
  EXPECT_THAT(complaint({"a=\xff"}), HasSubstr("invalid UTF-8"));
  EXPECT_THAT(complaint({"a=# gone"}), HasSubstr("has no value"));
  EXPECT_THAT(complaint({"a\x1b=1", "a\x1b=1"}), Not(HasSubstr("\x1b")));
  std::string deep = "a";
  for (int i = 0; i < 100'000; ++i) deep += ".a";
  EXPECT_THAT(complaint({deep + "=1"}), HasSubstr("nested deeper than 64"));
}

// ---- Interpolation

TEST(Interpolate, KeepsTheTypeOfAWholeReference) {
  setenv("DIPTYCH_TEST_NUMBER", "8", 1);
  ConfigNode tree = parse_config(
      "a: 3\nb: ${a}\nc: \"${list}\"\nlist: [1, \"${a}\"]\nd: x-${a}-${b}\ne: ${env:DIPTYCH_TEST_NUMBER}\nf: '5'\ng: "
      "${f}\nh: $${a} costs $5\n"
      "i: ${h}\nj: {k: \"${n}\"}\nn: null\n",
      "a.yaml");
  interpolate(tree);
  EXPECT_EQ(text_at(tree, "b"), "3");
  EXPECT_FALSE(tree.at_path("b")->quoted);
  EXPECT_EQ(to_text(tree.at_path("b")->origin), "a.yaml:2:4");
  EXPECT_EQ(text_at(tree, "c.1"), "3");
  EXPECT_EQ(text_at(tree, "d"), "x-3-3");
  EXPECT_TRUE(tree.at_path("d")->quoted);
  EXPECT_EQ(text_at(tree, "e"), "8");
  EXPECT_FALSE(tree.at_path("e")->quoted);
  EXPECT_TRUE(tree.at_path("g")->quoted);
  EXPECT_EQ(text_at(tree, "h"), "${a} costs $5");
  EXPECT_EQ(text_at(tree, "i"), "${a} costs $5");  // not expanded a second time
  EXPECT_EQ(text_at(tree, "j.k"), "(null)");
  unsetenv("DIPTYCH_TEST_NUMBER");
}

TEST(Interpolate, SeesOverrides) {
  ConfigNode tree = parse_config("a: 3\nb: ${a}\n", "a.yaml");
  apply_overrides(tree, {"a=4"});
  interpolate(tree);
  EXPECT_EQ(text_at(tree, "b"), "4");
}

}  // namespace
}  // namespace diptych
