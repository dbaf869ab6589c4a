#include "diptych/core/options.h"

#include <gmock/gmock.h>

#include <cstdlib>

#include "diptych/core/registry.h"

namespace diptych {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

enum class Mining { sum, hardest };
constexpr auto enum_names(Mining) {
  return std::array{std::pair{Mining::sum, "sum"}, std::pair{Mining::hardest, "hardest"}};
}

struct Inner {
  double lr = 1e-4;
  bool nesterov = false;
  static void visit(auto& self, auto& field) {
    field("lr", self.lr, "learning rate", Field{.lo = 0, .hi = 10, .resume = Resume::warn});
    field("nesterov", self.nesterov, "look ahead");
  }
};
struct Term {
  std::string type = "cmpm";
  double weight = 1;
  Inner inner;
  static void visit(auto& self, auto& field) {
    field("type", self.type, "name of the loss");
    field("weight", self.weight, "factor");
    field("inner", self.inner, "deeper");
  }
};
struct NoOptions {
  static void visit(auto&, auto&) {}
};

struct Options {
  int64_t batch_size = 64;
  Mining mining = Mining::hardest;
  std::string name = "run";
  std::string root;
  std::vector<int64_t> ks = {1, 5, 10};
  std::vector<std::string> words;
  std::optional<double> clip;
  std::map<std::string, std::string> notes;
  Inner optim;
  List<Term> objective{Term{}};
  NoOptions nothing;
  int64_t first = 0, last = 10;
  static void visit(auto& self, auto& field) {
    field("batch_size", self.batch_size, "pairs per step", Field{.lo = 1, .hi = 4096});
    field("mining", self.mining, "which negatives count");
    field("name", self.name, "of the run");
    field("root", self.root, "folder", Field{.path = true});
    field("ks", self.ks, "ranks", Field{.lo = 1});
    field("words", self.words, "anything");
    field("clip", self.clip, "largest norm", Field{.lo = DBL_MIN});
    field("notes", self.notes, "anything");
    field("optim", self.optim, "optimiser");
    field("objective", self.objective, "losses");
    field("nothing", self.nothing, "no options yet");
    field("first", self.first, "a");
    field("last", self.last, "b");
  }
  void validate(const std::string&, const Origin& origin, Complaints& complaints) const {
    if (first > last) complaints.add(origin, concat("first = ", first, " is larger than last = ", last));
  }
};

Options read_text(const std::string& yaml) { return read_options<Options>(parse_config(yaml, "a.yaml")); }

std::string complaint(const std::string& yaml) {
  try {
    read_text(yaml);
  } catch (const UsageError& error) {
    return error.what();
  }
  return "accepted";
}

// ---- Reading

TEST(ReadOptions, ReadsEveryTypeOfField) {
  const Options options = read_text(
      "batch_size: 8\nmining: sum\nname: '5'\nroot: data\nks: [1, 2]\nwords: [a, \"b c\"]\nclip: 2.5\nnotes: {a: 1, b: "
      "x}\n"
      "optim: {lr: 1e-3, nesterov: true}\nobjective: [{type: a}, {weight: 2, inner: {lr: 3}}]\nnothing: {}\n");
  EXPECT_EQ(options.batch_size, 8);
  EXPECT_EQ(options.mining, Mining::sum);
  EXPECT_EQ(options.name, "5");
  EXPECT_THAT(options.ks, ElementsAre(1, 2));
  EXPECT_THAT(options.words, ElementsAre("a", "b c"));
  EXPECT_EQ(options.clip, 2.5);
  EXPECT_EQ(options.notes.at("a"), "1");
  EXPECT_EQ(options.optim.lr, 1e-3);
  EXPECT_TRUE(options.optim.nesterov);
  ASSERT_EQ(options.objective.size(), 2u);
  EXPECT_EQ(options.objective[0].weight, 1);
  EXPECT_EQ(options.objective[1].inner.lr, 3);
}

TEST(ReadOptions, WhatIsNotWrittenKeepsItsDefault) {
  const Options options = read_text("optim: {nesterov: true}\nclip: null\nnothing: null\n");
  EXPECT_EQ(options.optim.lr, 1e-4);
  EXPECT_EQ(options.batch_size, 64);
  EXPECT_FALSE(options.clip);
  EXPECT_THAT(options.ks, ElementsAre(1, 5, 10));
}

TEST(ReadOptions, ExpandsALeadingTildeOfPathsOnly) {
  setenv("HOME", "/home/x", 1);
  const Options options = read_text("root: ~/data\nname: ~/data\n");
  EXPECT_EQ(options.root, "/home/x/data");
  EXPECT_EQ(options.name, "~/data");
  EXPECT_EQ(read_text("root: a/~/b\n").root, "a/~/b");
}

TEST(ReadOptions, TheMessageHasPlacePathValueAndNeed) {
  EXPECT_THAT(complaint("name: x\noptim:\n  lr: fast\n"),
              HasSubstr("error[CFG] a.yaml:3:7: optim.lr = \"fast\": expected a number in [0, 10]; got text"));
  EXPECT_THAT(complaint("clip: -1\n"), HasSubstr("clip = -1: expected a number > 0; got -1"));
  EXPECT_THAT(complaint("batch_size: [1]\n"), HasSubstr("batch_size: expected an integer in [1, 4096]; got a list"));
  EXPECT_THAT(complaint("name: {a: 1}\n"), HasSubstr("name: expected text; got a map"));
  EXPECT_THAT(complaint("ks: 5\n"), HasSubstr("ks = 5: expected a list; got 5"));
  EXPECT_THAT(complaint("ks: [1, x]\n"), HasSubstr("ks.1 = \"x\": expected an integer >= 1; got text"));
  EXPECT_THAT(complaint("optim: 3\n"), HasSubstr("optim = 3: expected a map of options"));
  EXPECT_THAT(complaint("notes: [a]\n"), HasSubstr("notes: expected a map of text; got a list"));
  EXPECT_THAT(complaint("objective: {type: a}\n"), HasSubstr("objective: expected a list; got a map"));
  EXPECT_THAT(complaint("name: \"\\e[2J" + std::string(500, 'x') + "\"\nname2: 1\n"), Not(HasSubstr("\x1b")));
}

TEST(ReadOptions, C5_UnknownKey) {
  EXPECT_THAT(complaint("optmi: {lr: 1}\n"),
              AllOf(HasSubstr("a.yaml:1:1: optmi: unknown key"), HasSubstr("did you mean: optim"),
                    HasSubstr("keys here: batch_size, mining")));
  EXPECT_THAT(complaint("optim: {nestrov: true}\n"),
              AllOf(HasSubstr("optim.nestrov = true: unknown key"),
                    HasSubstr("did you mean: nesterov      keys here: lr, nesterov")));
  EXPECT_THAT(complaint("lr: 1e-3\n"), HasSubstr("did you mean: optim.lr      keys"));
  EXPECT_THAT(complaint("\"a\\nb\": 1\n"), HasSubstr("a\\x0ab"));
}

TEST(ReadOptions, C6_UnknownKeyInAListItem) {
  EXPECT_THAT(complaint("objective:\n- {type: a}\n- {type: b, weigth: 2}\n"),
              AllOf(HasSubstr("a.yaml:3:13: objective.1.weigth = 2: unknown key"), HasSubstr("did you mean: weight")));
}

// Every key with every kind of value: accepted exactly where the type fits.
TEST(ReadOptions, C8_EveryKeyWithEveryKind) {
  const std::vector<std::pair<std::string, std::string>> kinds = {{"text", "word"}, {"int", "3"},     {"float", "2.5"},
                                                                  {"bool", "true"}, {"null", "null"}, {"list", "[3]"},
                                                                  {"map", "{}"}};
  const std::map<std::string, std::vector<std::string>> fits = {
      {"batch_size", {"int"}},
      {"mining", {}},
      {"name", {"text", "int", "float", "bool"}},
      {"root", {"text", "int", "float", "bool"}},
      {"ks", {"list"}},
      {"words", {"list"}},
      {"clip", {"int", "float", "null"}},
      {"notes", {"map"}},
      {"optim", {"map", "null"}},
      {"objective", {}},  // [3] is a list of what is no term
      {"nothing", {"map", "null"}},
  };
  for (const auto& [key, allowed] : fits) {
    for (const auto& [kind, value] : kinds) {
      const std::string answer = complaint(key + ": " + value + "\n");
      if (std::ranges::find(allowed, kind) != allowed.end())
        EXPECT_EQ(answer, "accepted") << key << " " << kind;
      else
        EXPECT_THAT(answer, AllOf(HasSubstr(key), HasSubstr("expected "))) << key << " " << kind;
    }
  }
}

TEST(ReadOptions, C9_Ranges) {
  for (const char* fine : {"1", "4096"}) EXPECT_EQ(complaint(std::string("batch_size: ") + fine), "accepted");
  for (const char* wrong : {"0", "-1", "4097", "-9223372036854775808"})
    EXPECT_THAT(complaint(std::string("batch_size: ") + wrong), HasSubstr("expected an integer in [1, 4096]; got "));
  for (const char* fine : {"0", "10", "1e-300"})
    EXPECT_EQ(complaint(std::string("optim: {lr: ") + fine + "}"), "accepted");
  for (const char* wrong : {"-1e-9", "10.001"})
    EXPECT_THAT(complaint(std::string("optim: {lr: ") + wrong + "}"), HasSubstr("in [0, 10]"));
}

TEST(ReadOptions, C10_NonFiniteNumbers) {
  for (const char* text : {".nan", "-.inf", ".inf", "nan", "inf", "+.Inf", ".NaN"})
    EXPECT_THAT(complaint(std::string("clip: ") + text), HasSubstr("not a finite number")) << text;
  for (const char* text : {"1e400", "1e-400", "-1e400"})
    EXPECT_THAT(complaint(std::string("clip: ") + text), HasSubstr("out of range")) << text;
}

TEST(ReadOptions, C11_IntegerNotations) {
  const std::vector<std::pair<std::string, std::string>> rows = {{"1e3", "write 1000"},
                                                                 {"3.0", "write 3"},
                                                                 {"0x10", "write 16"},
                                                                 {"010", "write 8 or 10"},
                                                                 {"0o17", "write 15"},
                                                                 {"1_000", "write 1000"},
                                                                 {"08", "write 8"},
                                                                 {"99999999999999999999", "out of range"},
                                                                 {"'5'", "quoted text is text: remove the quotes"},
                                                                 {"\"5\"", "got quoted text"},
                                                                 {"-010", "leading zero"}};
  for (const auto& [text, hint] : rows)
    EXPECT_THAT(complaint("last: " + text), AllOf(HasSubstr("expected an integer"), HasSubstr(hint))) << text;
  EXPECT_EQ(read_text("last: 2147483648").last, 2147483648);
  EXPECT_EQ(read_text("last: 0").last, 0);
  EXPECT_THAT(complaint("clip: 010"), HasSubstr("write 8 or 10"));
  EXPECT_THAT(complaint("clip: 1,5"), HasSubstr("write 1.5"));
  EXPECT_THAT(complaint("clip: '5'"), HasSubstr("remove the quotes"));
}

TEST(ReadOptions, C12_OnlyTrueAndFalseAreBools) {
  for (const char* text : {"yes", "on", "y", "True", "tRue", "1", "TRUE"})
    EXPECT_THAT(complaint(std::string("optim: {nesterov: ") + text + "}"),
                AllOf(HasSubstr("expected true or false"), HasSubstr("write true")))
        << text;
  for (const char* text : {"off", "no", "False", "0"})
    EXPECT_THAT(complaint(std::string("optim: {nesterov: ") + text + "}"),
                AllOf(HasSubstr("expected true or false"), HasSubstr("write false")))
        << text;
  EXPECT_THAT(complaint("optim: {nesterov: \"true\"}"),
              AllOf(HasSubstr("expected true or false"), HasSubstr("got quoted text")));
}

TEST(ReadOptions, C13_NullWhereAValueIsNeeded) {
  for (const char* key : {"batch_size", "mining", "name", "root", "ks", "notes"})
    EXPECT_THAT(complaint(std::string(key) + ": ~\n"), HasSubstr(std::string(key) + ": has no value; expected "))
        << key;
}

TEST(ReadOptions, MisspeltWordsGetTheNearest) {
  EXPECT_THAT(complaint("mining: hardst\n"),
              AllOf(HasSubstr("mining = \"hardst\": expected one of sum, hardest; got text"),
                    HasSubstr("did you mean: hardest")));
}

struct Required {
  std::string root;
  static void visit(auto& self, auto& field) { field("root", self.root, "", Field{.required = true}); }
};
TEST(ReadOptions, MissingRequiredKey) {
  try {
    read_options<Required>(parse_config("{}", "a.yaml"), {}, "data");
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("a.yaml:1:1: data.root: has no value"), HasSubstr("root: VALUE")));
  }
}

TEST(ReadOptions, ReportsAllErrorsByPosition) {
  try {
    read_text("last: x\nks: [1, y]\noptim: {lrr: 2, lr: z}\nbatch_size: 0\nzzz: 1\n");
    FAIL();
  } catch (const UsageError& error) {
    std::vector<std::string> places;
    for (const Issue& issue : error.issues()) places.push_back(issue.where);
    EXPECT_THAT(places,
                ElementsAre("a.yaml:1:7", "a.yaml:2:9", "a.yaml:3:9", "a.yaml:3:21", "a.yaml:4:13", "a.yaml:5:1"));
  }
}

TEST(ReadOptions, RulesAcrossFieldsRunAfterACleanRead) {
  EXPECT_THAT(complaint("first: 11\n"), HasSubstr("first = 11 is larger than last = 10"));
  EXPECT_THAT(complaint("first: 11\nzzz: 1\n"), Not(HasSubstr("larger than")));
}

TEST(Complaints, ListsAtMostFifty) {
  std::string yaml;
  for (int i = 0; i < 60; ++i) yaml += concat("unknown", i, ": 1\n");
  try {
    read_text(yaml);
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_EQ(error.issues().size(), 51u);
    EXPECT_THAT(error.issues().back().message, HasSubstr("10 more errors"));
  }
}

TEST(Complaints, CommandLineOriginIsNamed) {
  ConfigNode tree = parse_config("optim: {lr: 1}\n", "a.yaml");
  apply_overrides(tree, {"optim.lr=fast", "optim.lrr=1"});
  try {
    read_options<Options>(tree);
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("error[CFG] command line: optim.lr = \"fast\": expected a number"));
    EXPECT_THAT(error.what(), HasSubstr("error[CFG] command line: optim.lrr = 1: unknown key"));
  }
}

TEST(ReadOptions, APlusAddsAKeyToAnOpenMap) {
  ConfigNode tree = parse_config("notes: {a: 1}\n", "a.yaml");
  apply_overrides(tree, {"+notes.b=x", "+words=one", "+words=two"});
  const Options options = read_options<Options>(tree);
  EXPECT_EQ(options.notes.at("b"), "x");
  EXPECT_EQ(options.notes.at("a"), "1");
  EXPECT_THAT(options.words, ElementsAre("one", "two"));
}

// ---- Listing

TEST(RowsOf, HoldsPathValueTypeRangeAndDoc) {
  const auto rows = rows_of(Options{});
  const auto row = [&](const std::string& path) { return *std::ranges::find(rows, path, &Row::path); };
  EXPECT_EQ(row("batch_size").value, "64");
  EXPECT_EQ(row("batch_size").range, "in [1, 4096]");
  EXPECT_EQ(row("batch_size").doc, "pairs per step");
  EXPECT_EQ(row("mining").type, "sum | hardest");
  EXPECT_EQ(row("clip").value, "null");
  EXPECT_EQ(row("clip").type, "number or null");
  EXPECT_EQ(row("ks").value, "[1, 5, 10]");
  EXPECT_EQ(row("ks").range, ">= 1");
  EXPECT_EQ(row("optim.lr").value, "1e-04");
  EXPECT_EQ(row("optim.lr").field.resume, Resume::warn);
  EXPECT_TRUE(row("optim").is_section);
  EXPECT_EQ(row("objective").value, "[]");
}

TEST(ToYaml, IsTheWholeConfigurationInSchemaOrder) {
  Options options;
  options.objective.items() = {Term{}, Term{}};
  options.objective.items()[1].inner.nesterov = true;
  options.notes = {{"key: odd", "1"}};
  EXPECT_EQ(to_yaml(rows_of(options)),
            "batch_size: 64\n"
            "mining: hardest\n"
            "name: run\n"
            "root: \"\"\n"
            "ks: [1, 5, 10]\n"
            "words: []\n"
            "clip: null\n"
            "notes: {\"key: odd\": \"1\"}\n"
            "optim:\n"
            "  lr: 1e-04\n"
            "  nesterov: false\n"
            "objective:\n"
            "  - type: cmpm\n"
            "    weight: 1\n"
            "    inner:\n"
            "      lr: 1e-04\n"
            "      nesterov: false\n"
            "  - type: cmpm\n"
            "    weight: 1\n"
            "    inner:\n"
            "      lr: 1e-04\n"
            "      nesterov: true\n"
            "nothing: {}\n"
            "first: 0\n"
            "last: 10\n");
}

TEST(ToYaml, DocumentsAsComments) {
  Options options;
  options.objective.items() = {Term{}};
  const std::string yaml = to_yaml(rows_of(options), true);
  EXPECT_THAT(yaml, HasSubstr("# pairs per step (in [1, 4096])\nbatch_size: 64\n"));
  EXPECT_THAT(yaml, HasSubstr("# optimiser\noptim:\n  # learning rate (in [0, 10])\n  lr: 1e-04\n"));
  EXPECT_THAT(yaml, HasSubstr("objective:\n  # name of the loss\n  - type: cmpm\n    # factor\n    weight: 1\n"));
  EXPECT_TRUE(difference(rows_of(options), rows_of(read_text(yaml))).empty());
}

// Texts that plain YAML, or our own ${}, would read as something else.
TEST(ToYaml, RoundTripsEveryText) {
  Options options;
  options.words = {"",      "null", "~",         "true",     "no",     "5",    "0x10",  "010",        "1e-4",
                   ".nan",  "a: b", "a #b",      "#a",       "- a",    "-",    "?",     "[a",         "a, b",
                   "{a}",   "'a'",  "\"a\"",     " a",       "a ",     "a\nb", "\t",    "\\",         "${a}",
                   "$${a}", "$",    "a$",        "&a",       "*a",     "!a",   "|",     ">",          "%a",
                   "@a",    "`a",   "caf\u00e9", "\x01\x7f", "---",    "...",  "<<",    "=",          "1_000",
                   "inf",   "a:b",  "a:",        "\u2028",   "'${x}'", "it's", "a\\nb", "\U0001f600", "x${env:HOME}"};
  options.name = "${env:HOME}";
  options.notes = {{"null", "~"}, {"a b", "c: d"}, {"${x}", "y"}};
  options.optim.lr = 0.1;
  options.objective.items() = {Term{}, Term{"- x", 1.0 / 3, {}}};
  const std::string yaml = to_yaml(rows_of(options));
  ConfigNode tree = parse_config(yaml, "a.yaml");
  interpolate(tree);
  const Options again = read_options<Options>(tree);
  EXPECT_EQ(again.words, options.words) << yaml;
  EXPECT_EQ(again.name, options.name);
  EXPECT_EQ(again.notes.at("null"), "~");
  EXPECT_EQ(again.notes.at("a b"), "c: d");
  EXPECT_EQ(again.optim.lr, 0.1);
  ASSERT_EQ(again.objective.size(), 2u);
  EXPECT_EQ(again.objective[1].type, "- x");
  EXPECT_EQ(again.objective[1].weight, 1.0 / 3);
  EXPECT_EQ(to_yaml(rows_of(again)), yaml);
}

TEST(ToYaml, EmptyListsStayEmpty) {
  Options options;
  options.ks.clear();
  const std::string yaml = to_yaml(rows_of(options));
  EXPECT_THAT(yaml, AllOf(HasSubstr("ks: []\n"), HasSubstr("objective: []\n")));
  const Options again = read_text(yaml);
  EXPECT_TRUE(again.ks.empty());
  EXPECT_TRUE(again.objective.empty());
}

TEST(ToYaml, ItemsWithoutOptions) {
  List<NoOptions> list{NoOptions{}, {NoOptions{}, NoOptions{}}};
  Lister lister;
  lister("items", list, "");
  EXPECT_EQ(to_yaml(lister.rows), "items:\n  - {}\n  - {}\n");
  Complaints complaints;
  List<NoOptions> again{NoOptions{}};
  again.read(*parse_config(to_yaml(lister.rows), "a.yaml").find("items"), "items", complaints);
  EXPECT_EQ(again.size(), 2u);
  EXPECT_TRUE(complaints.empty());
}

TEST(Difference, NamesChangedAddedAndRemovedKeys) {
  Options a, b;
  b.batch_size = 32;
  b.objective.items() = {Term{}};
  std::vector<std::string> lines;
  for (const RowDifference& each : difference(rows_of(a), rows_of(b)))
    lines.push_back(each.path + " '" + each.a + "' '" + each.b + "'");
  EXPECT_THAT(lines, ElementsAre("batch_size '64' '32'", "objective.0.type '' 'cmpm'", "objective.0.weight '' '1'",
                                 "objective.0.inner.lr '' '1e-04'", "objective.0.inner.nesterov '' 'false'"));
  EXPECT_TRUE(difference(rows_of(a), rows_of(Options{})).empty());
}

TEST(EnumText, GoesBothWays) {
  EXPECT_EQ(enum_text(Mining::hardest), "hardest");
  EXPECT_THAT(enum_words<Mining>(), ElementsAre("sum", "hardest"));
}

}  // namespace
}  // namespace diptych
