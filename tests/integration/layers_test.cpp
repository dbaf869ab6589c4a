#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <regex>
#include <set>

namespace {

namespace fs = std::filesystem;

/// Which modules' headers each module may include: core <- { data, model, loss, eval } <- train <- tools; report reads
/// what runs left behind, and sweeps of train read it through report.
const std::map<std::string, std::set<std::string>> kMayInclude = {
    {"core", {"core"}},
    {"data", {"core", "data"}},
    {"model", {"core", "model"}},
    {"loss", {"core", "loss"}},
    {"eval", {"core", "eval"}},
    {"train", {"core", "data", "model", "loss", "eval", "report", "train"}},
    {"report", {"core", "eval", "report"}},
};

std::vector<std::string> includes_of(const fs::path& file) {
  static const std::regex pattern(R"re(^\s*#include\s*[<"]([^>"]+)[>"])re");
  std::vector<std::string> out;
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);)
    if (std::smatch match; std::regex_search(line, match, pattern)) out.push_back(match[1]);
  return out;
}

void for_each_source(const fs::path& root,
                     const std::function<void(const fs::path&, const std::string& module)>& visit) {
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    const auto extension = entry.path().extension();
    if (extension == ".h" || extension == ".cpp")
      visit(entry.path(), fs::relative(entry.path(), root).begin()->string());
  }
}

const fs::path kRoot = DIPTYCH_SOURCE_DIR;

TEST(Layers, IncludesPointDown) {
  const std::regex ours("^(?:diptych/)?([a-z]+)/.*");
  for (const fs::path& root : {kRoot / "include/diptych", kRoot / "src"})
    for_each_source(root, [&](const fs::path& file, const std::string& module) {
      const auto allowed = kMayInclude.find(module);
      ASSERT_NE(allowed, kMayInclude.end()) << file << " is in no known module";
      for (const std::string& name : includes_of(file)) {
        std::smatch match;
        if (!std::regex_match(name, match, ours) || !kMayInclude.contains(match[1])) continue;
        EXPECT_TRUE(allowed->second.contains(match[1])) << file << " includes " << name;
      }
    });
}

TEST(Layers, PublicHeadersStayLight) {
  const std::set<std::string> heavy = {"torch/torch.h", "torch/all.h", "CLI/CLI.hpp", "spdlog/spdlog.h",
                                       "opencv2/opencv.hpp"};
  for_each_source(kRoot / "include/diptych", [&](const fs::path& file, const std::string&) {
    for (const std::string& name : includes_of(file))
      EXPECT_FALSE(heavy.contains(name)) << file << " includes " << name;
  });
}

TEST(Layers, OnlyTheLogKnowsSpdlogAndOnlyToolsKnowTheCommandLine) {
  for_each_source(kRoot / "src", [&](const fs::path& file, const std::string&) {
    for (const std::string& name : includes_of(file)) {
      if (name.starts_with("spdlog/")) {
        EXPECT_EQ(file.parent_path(), kRoot / "src/core/log") << file;
      }
      EXPECT_FALSE(name.starts_with("CLI/")) << file;
    }
  });
}

TEST(Layers, NothingWritesTorchArchivesOrToStandardOutput) {
  const std::regex forbidden(
      R"(torch::(save|load|jit::load)\s*\(|std::cout|std::shuffle|std::uniform_(int|real)_distribution)");
  for_each_source(kRoot / "src", [&](const fs::path& file, const std::string&) {
    std::ifstream in(file);
    int number = 0;
    for (std::string line; std::getline(in, line);) {
      ++number;
      EXPECT_FALSE(std::regex_search(line, forbidden)) << file << ":" << number << ": " << line;
    }
  });
}

TEST(Layers, EveryPublicHeaderHasATestAtItsPlace) {
  // Interfaces without code of their own are covered by the tests of what implements them.
  const std::set<std::string> interfaces = {"data/batch.h",      "model/encoded.h", "train/version.h",
                                            "loss/loss_value.h", "train/system.h",  "train/catalog.h",
                                            "train/objective.h"};
  // Tested as a process: resumption, exit codes, files.
  const std::set<std::string> processes = {"report/report.h",       "train/encode.h",  "train/reconstruct.h",
                                           "train/run_directory.h", "train/session.h", "train/trainer.h"};
  const fs::path headers = kRoot / "include/diptych";
  for_each_source(headers, [&](const fs::path& file, const std::string&) {
    const fs::path relative = fs::relative(file, headers);
    if (interfaces.contains(relative.string()) || processes.contains(relative.string())) return;
    const fs::path test = kRoot / "tests/unit" / relative.parent_path() / (relative.stem().string() + "_test.cpp");
    EXPECT_TRUE(fs::exists(test)) << relative << " has no test at " << test;
  });
}

}  // namespace
