#include "diptych/core/completion.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cstdio>
#include <fstream>

#include "diptych/core/options.h"
#include "diptych/core/text.h"
#include "support/temp_dir.h"

namespace diptych::testing {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

CompletionCommand program() {
  CompletionCommand check{
      .name = "check", .doc = "it's a check", .options = {{{"--decode"}, "how many", true, {"all"}}}};
  CompletionCommand data{.name = "data", .doc = "sets", .subcommands = {check}, .words = {}};
  CompletionCommand train{.name = "train",
                          .doc = "trains; a lot",
                          .options = {{{"--config", "-c"}, "file", true}, {{"--dry-run"}, "plan"}},
                          .takes_overrides = true};
  return {.name = "prog",
          .doc = "",
          .options = {{{"--color"}, "colour", true, {"auto", "always", "never"}}, {{"--json"}, "document"}},
          .subcommands = {train, data}};
}
std::vector<CompletionKey> keys() {
  return {{"train.batch_size", "pairs per step"}, {"precision", "of numbers", {"fp32", "bf16"}}};
}

std::string output_of(const std::string& command) {
  std::string out;
  FILE* pipe = popen(command.c_str(), "r");
  if (!pipe) return out;
  for (char piece[4096]; fgets(piece, sizeof piece, pipe);) out += piece;
  pclose(pipe);
  return out;
}
bool installed(const std::string& shell) { return !output_of("command -v " + shell + " 2>/dev/null").empty(); }

/// What bash offers for a line, in a folder with the files tiny.yaml and "two words.txt".
class BashCompletion : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!installed("bash")) GTEST_SKIP() << "no bash here";
    dir_.write("prog.bash", completion_script(Shell::bash, program(), keys()));
    dir_.write("tiny.yaml", "");
    dir_.write("two words.txt", "");
    std::filesystem::remove(dir_ / "answer");
  }
  std::vector<std::string> offers(const std::string& line, const std::string& breaks = " \\t\\n=:") {
    dir_.write("ask.bash", concat("cd '", dir_.path().string(), "'\nsource ./prog.bash\nCOMP_WORDBREAKS=$'", breaks,
                                  "'\nCOMP_LINE=$1\nCOMP_POINT=${#1}\n_prog\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n"));
    std::vector<std::string> out;
    for (const std::string& each :
         split(output_of(concat("bash '", (dir_ / "ask.bash").string(), "' '", line, "' 2>&1")), '\n'))
      if (!each.empty()) out.push_back(each);
    return out;
  }
  TempDir dir_;
};

TEST_F(BashCompletion, OffersSubcommands) {
  EXPECT_THAT(offers("prog "), UnorderedElementsAre("train", "data"));
  EXPECT_THAT(offers("prog tr"), ElementsAre("train"));
  EXPECT_THAT(offers("prog data "), ElementsAre("check"));
}

TEST_F(BashCompletion, OffersOptionsOfThePlaceAndOfTheProgram) {
  EXPECT_THAT(offers("prog train --"), UnorderedElementsAre("--color", "--json", "--config", "--dry-run"));
  EXPECT_THAT(offers("prog data check --d"), ElementsAre("--decode"));
  EXPECT_THAT(offers("prog --c"), ElementsAre("--color"));
}

TEST_F(BashCompletion, OffersValuesOfOptions) {
  EXPECT_THAT(offers("prog train --color a"), UnorderedElementsAre("auto", "always"));
  EXPECT_THAT(offers("prog data check --decode "), ElementsAre("all"));
  EXPECT_THAT(offers("prog train --color=n"), ElementsAre("never")) << "readline cuts words at =";
  EXPECT_THAT(offers("prog train --color=n", " \\t\\n"), ElementsAre("--color=never"));
}

TEST_F(BashCompletion, OffersFilesWhereAFileIsMeant) {
  EXPECT_THAT(offers("prog train -c ti"), ElementsAre("tiny.yaml"));
  EXPECT_THAT(offers("prog train --config two"), ElementsAre("two words.txt"));
  EXPECT_THAT(offers("prog data check t"), UnorderedElementsAre("tiny.yaml", "two words.txt"));
}

TEST_F(BashCompletion, OffersKeysAndTheirValues) {
  EXPECT_THAT(offers("prog train -c tiny.yaml train.b"), ElementsAre("train.batch_size="));
  EXPECT_THAT(offers("prog train precision="), UnorderedElementsAre("fp32", "bf16"));
  EXPECT_THAT(offers("prog train precision=b", " \\t\\n"), ElementsAre("precision=bf16"));
  EXPECT_THAT(offers("prog data check prec"), IsEmpty()) << "takes no overrides";
}

TEST_F(BashCompletion, AValueThatIsNamedLikeACommandIsNone) {
  EXPECT_THAT(offers("prog train --config data --d"), ElementsAre("--dry-run"));
  EXPECT_THAT(offers("prog --color train "), Contains("data"));
}

TEST(CompletionScript, IsStaticAndHasNoPlaceholders) {
  for (const Shell shell : {Shell::bash, Shell::zsh, Shell::fish}) {
    const std::string script = completion_script(shell, program(), keys());
    for (const char* word : {"NAME", "PLACES", "VALUES", "KEYS", "DESCRIBED", "PATHS", "SHARED", "$(prog", "`"})
      EXPECT_EQ(script.find(word), std::string::npos) << enum_text(shell) << ": " << word;
    for (const char* word : {"train", "dry-run", "train.batch_size=", "bf16", "always"})
      EXPECT_NE(script.find(word), std::string::npos) << enum_text(shell) << ": " << word;
  }
}

TEST(CompletionScript, DocsCannotLeaveTheirQuotes) {
  CompletionCommand hostile = program();
  hostile.subcommands[0].doc = "it's $(touch hacked) `touch hacked` \\";
  hostile.subcommands[0].options[0].doc = hostile.subcommands[0].doc;
  const TempDir dir;
  const std::vector<std::pair<Shell, std::string>> shells = {
      {Shell::bash, "bash -n"}, {Shell::zsh, "zsh -n"}, {Shell::fish, "fish --no-execute"}};
  for (const auto& [shell, check] : shells) {
    if (!installed(enum_text(shell))) continue;
    const auto file = dir.write("script", completion_script(shell, hostile, keys()));
    EXPECT_EQ(output_of(concat("cd '", dir.path().string(), "' && ", check, " script 2>&1")), "") << enum_text(shell);
    output_of(concat("cd '", dir.path().string(), "' && ", enum_text(shell), " ./script 2>&1"));
    EXPECT_FALSE(std::filesystem::exists(dir / "hacked")) << enum_text(shell);
  }
}

TEST(CompletionScript, FishOffersTheSame) {
  if (!installed("fish")) GTEST_SKIP() << "no fish here";
  const TempDir dir;
  dir.write("prog.fish", completion_script(Shell::fish, program(), keys()));
  dir.write("tiny.yaml", "");
  const auto offers = [&](const std::string& line) {
    std::vector<std::string> out;
    for (const std::string& each :
         split(output_of(concat("cd '", dir.path().string(), "' && HOME='", dir.path().string(),
                                "' fish --no-config -c 'source prog.fish; complete -C \"", line, "\"' 2>&1")),
               '\n'))
      if (!each.empty()) out.push_back(each.substr(0, each.find('\t')));
    return out;
  };
  EXPECT_THAT(offers("prog "), UnorderedElementsAre("train", "data"));
  EXPECT_THAT(offers("prog data "), ElementsAre("check"));
  EXPECT_THAT(offers("prog data check --d"), ElementsAre("--decode"));
  EXPECT_THAT(offers("prog train --color "), UnorderedElementsAre("auto", "always", "never"));
  EXPECT_THAT(offers("prog train --config ti"), ElementsAre("tiny.yaml"));
  EXPECT_THAT(offers("prog train precision=b"), Contains("precision=bf16"));
  EXPECT_THAT(offers("prog train train.b"), Contains("train.batch_size="));
  EXPECT_THAT(offers("prog train --config data --d"), ElementsAre("--dry-run"));
}

TEST(CompletionScript, ZshOffersTheSame) {
  if (!installed("zsh")) GTEST_SKIP() << "no zsh here";
  // The completion system needs a terminal; the functions that decide are called as it would, with compadd, _describe
  // and _files replaced by ones that print.
  const TempDir dir;
  dir.write("prog.zsh", completion_script(Shell::zsh, program(), keys()));
  const auto offers = [&](const std::string& words) {
    dir.write("ask.zsh",
              concat("emulate zsh\ncd '", dir.path().string(),
                     "'\nsource ./prog.zsh\ncompadd() { shift; print -l -- \"$@\"; }\ncompset() { :; }\n"
                     "_files() { print FILES; }\n_describe() { [[ $1 == -* ]] && shift; print -l -- ${(P)2%%:*}; }\n"
                     "words=(",
                     words, ")\nCURRENT=$#words\n_prog\n"));
    std::vector<std::string> out;
    for (const std::string& each : split(output_of(concat("zsh -f '", (dir / "ask.zsh").string(), "' 2>&1")), '\n'))
      if (!each.empty()) out.push_back(each);
    return out;
  };
  EXPECT_THAT(offers("prog ''"), UnorderedElementsAre("train", "data"));
  EXPECT_THAT(offers("prog data ''"), ElementsAre("check"));
  EXPECT_THAT(offers("prog data check --d"), Contains("--decode"));
  EXPECT_THAT(offers("prog train --color ''"), ElementsAre("auto", "always", "never"));
  EXPECT_THAT(offers("prog train --config ''"), ElementsAre("FILES"));
  EXPECT_THAT(offers("prog train precision="), ElementsAre("fp32", "bf16"));
  EXPECT_THAT(offers("prog train tr"), Contains("train.batch_size="));
  EXPECT_THAT(offers("prog data check tr"), Not(Contains("train.batch_size=")));
}

}  // namespace
}  // namespace diptych::testing
