#include "diptych/core/error.h"

#include <gmock/gmock.h>

#include <new>

namespace c10 {  // the names that LibTorch throws under; core does not see torch
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct OutOfMemoryError : Error {
  using Error::Error;
};
}  // namespace c10

namespace diptych {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

template <class E>
Verdict verdict_of(const E& exception) {
  try {
    throw exception;
  } catch (...) {
    return verdict_of_current_exception();
  }
}

TEST(ErrorClass, HasTheDocumentedTagAndExitCode) {
  const std::vector<std::tuple<ErrorClass, std::string, int>> rows = {
      {ErrorClass::cli, "CLI", 2}, {ErrorClass::cfg, "CFG", 2}, {ErrorClass::dat, "DAT", 3},
      {ErrorClass::img, "IMG", 3}, {ErrorClass::sec, "SEC", 3}, {ErrorClass::ckp, "CKP", 4},
      {ErrorClass::out, "OUT", 5}, {ErrorClass::num, "NUM", 6}, {ErrorClass::dst, "DST", 7},
      {ErrorClass::mem, "MEM", 8}, {ErrorClass::chk, "CHK", 9}, {ErrorClass::bug, "BUG", 1}};
  for (const auto& [each, name, code] : rows) {
    EXPECT_EQ(tag(each), name);
    EXPECT_EQ(exit_code(each), code) << name;
  }
}

TEST(Error, TypesCarryTheirClass) {
  EXPECT_EQ(UsageError("", "").exit_code(), 2);
  EXPECT_EQ(DataError("", "").exit_code(), 3);
  EXPECT_EQ(CheckpointError("", "").exit_code(), 4);
  EXPECT_EQ(OutputError("", "").exit_code(), 5);
  EXPECT_EQ(NumericError("", "").exit_code(), 6);
  EXPECT_EQ(CheckFailed("", "").exit_code(), 9);
  EXPECT_EQ(ShapeError("").exit_code(), 1);
  EXPECT_STREQ(UsageError::command_line("no such option").what(), "error[CLI] command line: no such option");
}

TEST(Error, TextHasPlaceMessageAndRemedy) {
  const UsageError error("configs/a.yaml:14:5", "optim.lr = \"fast\": expected a number; got text", "write 0.001");
  EXPECT_STREQ(error.what(),
               "error[CFG] configs/a.yaml:14:5: optim.lr = \"fast\": expected a number; got text\n  hint: write 0.001");
  EXPECT_STREQ(ShapeError("rows differ").what(), "error[BUG]: rows differ");
}

TEST(Error, SuggestionsNeedNoHintWord) {
  EXPECT_EQ(to_text(Issue{ErrorClass::cfg, "", "m", "did you mean: a"}), "error[CFG]: m\n  did you mean: a");
  EXPECT_EQ(to_text(Issue{ErrorClass::cfg, "", "m", "known: a, b"}), "error[CFG]: m\n  known: a, b");
}

TEST(Error, SmallestExitCodeOfTheIssuesWins) {
  EXPECT_EQ(
      Error({{ErrorClass::ckp, "", "", ""}, {ErrorClass::dat, "", "", ""}, {ErrorClass::out, "", "", ""}}).exit_code(),
      3);
  EXPECT_EQ(Error(std::vector<Issue>{}).exit_code(), 1);
}

TEST(Verdict, KeepsIssuesOfOurErrors) {
  const Verdict verdict = verdict_of(DataError("set.jsonl:3", "no caption", "add one"));
  EXPECT_EQ(verdict.exit_code, 3);
  ASSERT_EQ(verdict.issues.size(), 1u);
  EXPECT_EQ(verdict.issues[0].where, "set.jsonl:3");
  EXPECT_EQ(verdict.issues[0].hint, "add one");
}

TEST(Verdict, SignalsExitWith128AndMore) {
  EXPECT_EQ(verdict_of(Interrupted{15}).exit_code, 143);
  EXPECT_EQ(verdict_of(Interrupted{2}).exit_code, 130);
  EXPECT_TRUE(verdict_of(Interrupted{2}).issues.empty());
}

// The texts of LibTorch 2.13 (reliability, F17): a failed host allocation is a plain c10::Error.
TEST(Verdict, F17_AllocationFailuresAreMemoryErrors) {
  const std::vector<std::string> texts = {
      "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate "
      "4000000000000 bytes. Error code 12 (Cannot allocate memory)",
      "Storage size calculation overflowed with sizes=[4611686018427387904, 8]",
      "CUDA out of memory. Tried to allocate 2.00 GiB"};
  for (const std::string& text : texts) {
    const Verdict verdict =
        verdict_of(c10::Error(text + "\nException raised from alloc at x.cpp:1 (most recent call first):\nframe #0"));
    EXPECT_EQ(verdict.exit_code, 8) << text;
    EXPECT_THAT(verdict.issues.at(0).message, HasSubstr(text.substr(0, 40)));
    EXPECT_THAT(verdict.issues.at(0).message, Not(HasSubstr("frame #0")));
    EXPECT_THAT(verdict.issues.at(0).hint, HasSubstr("batch"));
  }
  EXPECT_EQ(verdict_of(c10::OutOfMemoryError("device says no")).exit_code, 8);
  EXPECT_EQ(verdict_of(std::bad_alloc()).exit_code, 8);
}

TEST(Verdict, TheUnforeseenIsABugWithItsType) {
  const Verdict torch = verdict_of(c10::Error("mat1 and mat2 shapes cannot be multiplied"));
  EXPECT_EQ(torch.exit_code, 1);
  EXPECT_THAT(torch.issues.at(0).message, HasSubstr("c10::Error"));
  EXPECT_THAT(torch.issues.at(0).message, HasSubstr("mat1 and mat2"));
  EXPECT_THAT(torch.issues.at(0).hint, HasSubstr("report"));
  EXPECT_EQ(verdict_of(std::logic_error("x")).exit_code, 1);
  EXPECT_EQ(verdict_of(42).exit_code, 1);
}

TEST(Verdict, S9_ForeignTextStaysOnOneLine) {
  const Verdict verdict = verdict_of(std::runtime_error("bad\x1b[2J\nerror[CFG] fake: line"));
  EXPECT_EQ(to_text(verdict.issues.at(0)).find('\x1b'), std::string::npos);
  EXPECT_THAT(verdict.issues.at(0).message, HasSubstr("\\x1b[2J\\x0aerror"));
}

}  // namespace
}  // namespace diptych
