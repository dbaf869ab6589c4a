#include <gmock/gmock.h>

#include <algorithm>

#include "diptych/core/io/json.h"
#include "support/process.h"
#include "support/temp_dir.h"
#include "support/tiny_corpus.h"

// encode, search and export as a user runs them.

namespace diptych::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using Words = std::vector<std::string>;

class Use : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    shared_ = std::make_unique<TempDir>();
    write_tiny_config(shared_->path());
    const auto trained = run_program({"train", "-c", "tiny.yaml", "--run-dir", "run"}, dir());
    ASSERT_EQ(trained.exit_code, 0) << trained.err;
    const auto encoded = run_program({"encode", "run", "--images", "set/images", "-o", "g.safetensors"}, dir());
    ASSERT_EQ(encoded.exit_code, 0) << encoded.err;
    shared_->write("captions.txt", "a red circle\na blue square\n");
    shared_->write("bad/broken.png", "this is no picture");
  }
  static void TearDownTestSuite() { shared_.reset(); }
  static void expect_failure(const Words& arguments, int code, const Words& words) {
    const ProcessResult result = run_program(arguments, dir());
    EXPECT_EQ(result.exit_code, code) << result.err;
    for (const std::string& word : words) EXPECT_THAT(result.err, HasSubstr(word));
    EXPECT_THAT(result.out, ::testing::IsEmpty());
  }
  static fs::path dir() { return shared_->path(); }
  static fs::path a_picture() {
    for (const auto& entry : fs::recursive_directory_iterator(dir() / "set/images"))
      if (entry.is_regular_file()) return entry.path();
    return {};
  }
  static std::unique_ptr<TempDir> shared_;
};
std::unique_ptr<TempDir> Use::shared_;

TEST_F(Use, SearchPrintsATableAJsonAndAPage) {
  const auto table = run_program({"search", "g.safetensors", "a red zebra", "--model", "run", "-k", "3"}, dir());
  EXPECT_EQ(table.exit_code, 0) << table.err;
  EXPECT_THAT(table.out, HasSubstr("text \"a red zebra\""));
  EXPECT_EQ(std::count(table.out.begin(), table.out.end(), '\n'), 5);
  EXPECT_THAT(table.err, HasSubstr("does not know zebra"));

  const auto json = run_program({"search", "g.safetensors", "--image", a_picture(), "--json", "-k", "2"}, dir());
  EXPECT_EQ(json.exit_code, 0) << json.err;
  const Json document = parse_json(json.out, "stdout");
  EXPECT_EQ(document["diptych"], "search/1");
  EXPECT_NEAR(document["queries"][0]["results"][0]["score"].get<double>(), 1, 1e-5);  // it is in the gallery

  const auto page = run_program(
      {"search", "g.safetensors", "a red circle", "<script>alert(1)</script>", "-o", "page.html", "-k", "4"}, dir());
  EXPECT_EQ(page.exit_code, 0) << page.err;
  const std::string html = slurp(dir() / "page.html");
  EXPECT_THAT(html, HasSubstr("data:image/jpeg;base64"));
  EXPECT_THAT(html, Not(HasSubstr("<script>alert")));
  for (const char* scheme : {"http:", "https:"}) EXPECT_THAT(html, Not(HasSubstr(scheme)));
}

TEST_F(Use, CaptionsFromAFileAndStandardInput) {
  const auto encoded = run_program({"encode", "run", "--texts", "captions.txt", "-o", "t.safetensors"}, dir());
  EXPECT_EQ(encoded.exit_code, 0) << encoded.err;
  EXPECT_THAT(encoded.out, HasSubstr("2 embeddings of 16"));
  const auto found = run_program({"search", "t.safetensors", "--image", a_picture()}, dir());
  EXPECT_THAT(found.out, HasSubstr("a red circle"));
  const auto queries = run_program({"search", "g.safetensors", "--queries", "captions.txt", "-k", "1"}, dir());
  EXPECT_THAT(queries.out, HasSubstr("a blue square"));
  const auto split = run_program({"encode", "run", "--split", "test", "--view", "text", "-o", "test.npz"}, dir());
  EXPECT_EQ(split.exit_code, 0) << split.err;
}

TEST_F(Use, MistakesAreNamed) {
  expect_failure({"encode"}, 2, {"no run given"});
  expect_failure({"encode", "run", "-o", "x.safetensors"}, 2, {"one of --images, --texts and --split"});
  expect_failure({"encode", "run", "--images", "set/images", "-o", "x.txt"}, 2, {".safetensors or .npz"});
  expect_failure({"encode", "run", "--images", "absent", "-o", "x.npz"}, 3, {"absent", "no such file"});
  expect_failure({"encode", "run", "--images", "bad", "-o", "x.npz"}, 3, {"broken.png", "--skip-bad"});
  fs::create_directory(dir() / "empty");
  expect_failure({"encode", "run", "--images", "empty", "-o", "x.npz"}, 3, {"empty", "holds no .jpg"});
  expect_failure({"encode", "absent", "--images", "bad", "-o", "x.npz"}, 4, {"absent", "no such run"});
  expect_failure({"encode", "run", "--texts", "captions.txt", "-o", "g.safetensors"}, 2, {"--overwrite"});
  expect_failure({"search", "g.safetensors", "--model", "run"}, 2, {"no query given"});
  expect_failure({"search", "g.safetensors", "", "--model", "run"}, 3, {"no word"});
  expect_failure({"search", "captions.txt", "red"}, 3, {"captions.txt"});
  expect_failure({"search", "g.safetensors", "--image", "bad/broken.png"}, 3, {"broken.png"});
  expect_failure({"search", "g.safetensors", "red", "-k", "0"}, 2, {"-k"});
  expect_failure({"search", "g.safetensors", "red", "-o", "page.pdf"}, 2, {".html"});
  expect_failure({"export", "run"}, 2, {"no folder given"});
  expect_failure({"export", "run", "-o", "set"}, 2, {"not empty"});
}

TEST_F(Use, HostileFileNamesAreShownAsText) {
  fs::create_directories(dir() / "host");
  for (const char* name : {"<img src=x onerror=alert(1)>.jpg", "new\nline.jpg", "esc\x1b[31m.jpg", "rtl\u202egpj.jpg",
                           "-rf.jpg", "\xff\xfe.jpg", "\xff\xfd.jpg"})
    fs::copy_file(a_picture(), dir() / "host" / name);
  const auto encoded = run_program({"encode", "run", "--images", "host", "-o", "h.safetensors"}, dir());
  EXPECT_EQ(encoded.exit_code, 0) << encoded.err;
  EXPECT_THAT(encoded.err, HasSubstr("no UTF-8"));
  const auto found = run_program({"search", "h.safetensors", "red", "-o", "h.html"}, dir());
  EXPECT_EQ(found.exit_code, 0) << found.err;
  for (const char* shown :
       {"new\\x0aline.jpg", "esc\\x1b[31m.jpg", "rtl\\u{202e}gpj.jpg", "\\xff\\xfe.jpg", "\\xff\\xfd.jpg"})
    EXPECT_THAT(found.out, HasSubstr(shown));
  EXPECT_THAT(found.out, Not(HasSubstr("\x1b")));
  EXPECT_THAT(slurp(dir() / "h.html"), AllOf(HasSubstr("&lt;img src=x"), Not(HasSubstr("<img src=x"))));
}

TEST_F(Use, ABrokenGalleryIsRefused) {
  const std::string whole = slurp(dir() / "g.safetensors");
  for (const size_t size : {size_t{0}, size_t{3}, size_t{100}, whole.size() / 2, whole.size() - 1}) {
    shared_->write("cut.safetensors", whole.substr(0, size));
    expect_failure({"search", "cut.safetensors", "red", "--model", "run"}, 3, {"cut.safetensors"});
  }
  expect_failure({"search", "absent.safetensors", "red", "--model", "run"}, 3, {"absent.safetensors"});
  expect_failure({"search", "g.safetensors", "red", "--model", "bad"}, 4, {"no run directory"});
}

TEST_F(Use, OutputsThatCannotBeWritten) {
  expect_failure({"encode", "run", "--images", "set/images", "-o", "captions.txt/x.npz"}, 5, {"captions.txt"});
  expect_failure({"export", "run", "-o", "captions.txt/x"}, 5, {"captions.txt"});
  const auto page = run_program({"search", "g.safetensors", "red", "-o", "nowhere/x.html"}, dir());
  EXPECT_EQ(page.exit_code, 5) << page.err;
  EXPECT_THAT(page.err, HasSubstr("nowhere/x.html"));
}

TEST_F(Use, AGalleryOfAnotherModelIsRefused) {
  const auto trained = run_program({"train", "-c", "tiny.yaml", "--run-dir", "other", "seed=9"}, dir());
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  expect_failure({"search", "g.safetensors", "red", "--model", "other"}, 4, {"is not the model", "run"});
}

TEST_F(Use, ExportWritesTheFolder) {
  const auto exported = run_program({"export", "run", "-o", "out/exported"}, dir());
  EXPECT_EQ(exported.exit_code, 0) << exported.err;
  EXPECT_TRUE(fs::exists(dir() / "out/exported/diptych_model.py"));
}

/// Many pictures of one file, so that there is time to kill.
TEST_F(Use, AnEncodingThatIsKilledGoesOnWithTheSameBytes) {
  std::string list;
  for (int i = 0; i < 6000; ++i) list += std::to_string(i) + "\t" + a_picture().string() + "\n";
  shared_->write("many.txt", list);
  const Words whole = {"encode", "run", "--images", "many.txt", "-o", "whole.safetensors", "--part-size", "64"};
  ASSERT_EQ(run_program(whole, dir()).exit_code, 0);
  const Words command = {"encode", "run", "--images", "many.txt", "-o", "killed.safetensors", "--part-size", "64"};
  int kills = 0;
  for (const char* part : {"part-00000003", "part-00000020"}) {
    const fs::path file = dir() / "killed.safetensors.parts" / (std::string(part) + ".safetensors");
    const auto killed = run_program(command, dir(), [&](pid_t pid) {
      if (fs::exists(file)) kill(pid, SIGKILL);
    });
    kills += killed.signal == SIGKILL;
  }
  EXPECT_EQ(kills, 2);
  EXPECT_FALSE(fs::exists(dir() / "killed.safetensors"));
  bool sent = false;  // a second signal would end it at once
  const auto stopped = run_program(command, dir(), [&](pid_t pid) {
    if (!sent && fs::exists(dir() / "killed.safetensors.parts/part-00000040.safetensors"))
      sent = true, kill(pid, SIGTERM);
  });
  EXPECT_EQ(stopped.exit_code, 143) << stopped.err;
  const auto finished = run_program(command, dir());
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(finished.out, HasSubstr("from before the interruption"));
  EXPECT_EQ(slurp(dir() / "killed.safetensors"), slurp(dir() / "whole.safetensors"));
  EXPECT_FALSE(fs::exists(dir() / "killed.safetensors.parts"));
  EXPECT_THAT(run_program(command, dir()).out, HasSubstr("already complete"));
}

}  // namespace
}  // namespace diptych::testing
