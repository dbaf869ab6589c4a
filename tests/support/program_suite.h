#pragma once
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "support/process.h"
#include "support/temp_dir.h"

namespace diptych::testing {

/// Tests of the program that share one folder, which `Suite::prepare()` fills once, with must().
template <class Suite>
class ProgramSuite : public ::testing::Test {
 protected:
  using Words = std::vector<std::string>;

  static void SetUpTestSuite() {
    shared_ = std::make_unique<TempDir>();
    Suite::prepare();
  }
  static void TearDownTestSuite() { shared_.reset(); }

  static std::filesystem::path dir() { return shared_->path(); }
  static ProcessResult must(const Words& arguments) {
    ProcessResult result = run_program(arguments, dir());
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result;
  }
  static void expect_failure(const Words& arguments, int code, const Words& words) {
    const ProcessResult result = run_program(arguments, dir());
    EXPECT_EQ(result.exit_code, code) << result.out << result.err;
    for (const std::string& word : words)
      EXPECT_NE(result.err.find(word), std::string::npos) << "'" << word << "' not in:\n" << result.err;
  }

 private:
  inline static std::unique_ptr<TempDir> shared_;
};

}  // namespace diptych::testing
