#include "diptych/core/io/fs.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/io/posix.h"
#include "core/io/resolve.h"
#include "diptych/core/io/json.h"
#include "diptych/core/text.h"
#include "support/file_system_double.h"
#include "support/temp_dir.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;
using testing::FileSystemDouble;
using testing::slurp;
using testing::TempDir;
using Fault = FileSystemDouble::Fault;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// What `action` throws, as it is printed; "" if nothing.
template <class Thrown = OutputError, class F>
std::string complaint_of(F action) {
  try {
    action();
    return "";
  } catch (const Thrown& error) {
    return to_text(error.issues().at(0));
  }
}
std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}
std::string own_staging_name(const std::string& name) {
  return concat(".tmp-", name, "-", posix::host_name(), "-", int64_t{::getpid()});
}
bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }
/// Runs `action` in a child; its exit code, or -signal.
template <class F>
int exit_code_of_child(F action) {
  const pid_t child = fork();
  if (child == 0) _exit(action());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

// ---- reading

TEST(ReadFile, GivesTheBytes) {
  const TempDir folder;
  const std::string bytes("a\0b\n\xff", 5);
  EXPECT_EQ(read_file(folder.write("a", bytes), 5), bytes);
  EXPECT_EQ(read_file(folder.write("empty", ""), 0), "");
  EXPECT_EQ(read_file(folder.write("big", std::string(100000, 'x')), 1 << 20).size(), 100000u);
}

TEST(ReadFile, NamesPathAndCause) {
  const TempDir folder;
  const auto read = [](const fs::path& path, uint64_t limit = 1 << 20) {
    return complaint_of<DataError>([&] { read_file(path, limit); });
  };
  EXPECT_THAT(read(folder / "none"), AllOf(HasSubstr("error[DAT]"), HasSubstr("none"), HasSubstr("No such file")));
  EXPECT_THAT(read(folder.path()), HasSubstr("is a directory"));
  EXPECT_THAT(read(folder.write("big", std::string((1 << 20) + 1, 'x'))), HasSubstr("larger than 1 MiB"));
  EXPECT_THAT(read(folder.write("small", "abc"), 2), HasSubstr("larger than 2 bytes"));
  EXPECT_THAT(read("/dev/zero"), HasSubstr("not a regular file"));
  EXPECT_THAT(read(fs::path(std::string("a\0b", 3))), HasSubstr("NUL"));
  EXPECT_THROW(read_file(folder / "none", 1, ErrorClass::cfg), UsageError);
}

TEST(ReadFile, NeverWaitsOnAPipe) {
  const TempDir folder;
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(complaint_of<DataError>([&] { read_file(folder / "pipe", 10); }), HasSubstr("not a regular file"));
}

TEST(ReadFile, NamesTheMissingPermission) {
  const TempDir folder;
  const auto path = folder.write("a", "x");
  ASSERT_EQ(chmod(path.c_str(), 0), 0);
  ASSERT_EQ(chmod(folder.path().c_str(), 0755), 0);
  const int code = exit_code_of_child([&] {
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) return 77;
    return contains(complaint_of<DataError>([&] { read_file(path, 10); }), "Permission denied") ? 0 : 1;
  });
  if (code == 77) GTEST_SKIP() << "root without setuid reads everything";
  EXPECT_EQ(code, 0);
}

// ---- atomic files

TEST(WriteFileAtomically, ReplacesAFileAndLeavesNothingElse) {
  const TempDir folder;
  write_file_atomically(folder / "a", "one");
  EXPECT_EQ(slurp(folder / "a"), "one");
  write_file_atomically(folder / "a", "");
  EXPECT_EQ(slurp(folder / "a"), "");
  write_file_atomically(folder / "a", [](const ByteSink& sink) { sink("tw", 2), sink("o", 1); });
  EXPECT_EQ(slurp(folder / "a"), "two");
  EXPECT_THAT(names_in(folder.path()), ElementsAre("a"));
}

TEST(WriteFileAtomically, NamesPathAndCause) {  // P9
  const TempDir folder;
  EXPECT_THAT(complaint_of([&] { write_file_atomically(folder / "none/a", "x"); }),
              AllOf(HasSubstr("error[OUT]"), HasSubstr("none/a"), HasSubstr("No such file")));
  folder.write("file", "x");
  EXPECT_THAT(complaint_of([&] { write_file_atomically(folder / "file/a", "x"); }), HasSubstr("Not a directory"));
  fs::create_directory(folder / "dir");
  EXPECT_THAT(complaint_of([&] { write_file_atomically(folder / "dir", "x"); }), HasSubstr("Is a directory"));
  EXPECT_THAT(names_in(folder.path()), ElementsAre("dir", "file"));
}

TEST(WriteFileAtomically, LeavesLinksAndWhatIsNoFileInPlace) {
  const TempDir folder;
  folder.write("real", "old");
  fs::create_symlink("real", folder / "link");
  write_file_atomically(folder / "link", "new");
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
  EXPECT_EQ(slurp(folder / "real"), "new");
  ASSERT_EQ(mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(complaint_of([&] { write_file_atomically(folder / "pipe", "x"); }), HasSubstr("not a regular file"));
  EXPECT_TRUE(fs::is_fifo(folder / "pipe"));
  EXPECT_THAT(names_in(folder.path()), ElementsAre("link", "pipe", "real"));
}

TEST(WriteFileAtomically, LeavesTheOldFileWhenTheContentCannotBeMade) {
  const TempDir folder;
  folder.write("a", "old");
  const auto fill = [](const ByteSink& sink) {
    sink("new", 3);
    throw std::runtime_error("no more");
  };
  EXPECT_THROW(write_file_atomically(folder / "a", fill), std::runtime_error);
  EXPECT_EQ(slurp(folder / "a"), "old");
  EXPECT_THAT(names_in(folder.path()), ElementsAre("a"));
}

TEST(WriteFileAtomically, TakesOverATemporaryFileOfADeadProcessWithItsNumber) {
  const TempDir folder;
  folder.write(own_staging_name("a"), "half");
  write_file_atomically(folder / "a", "new");
  EXPECT_THAT(names_in(folder.path()), ElementsAre("a"));
}

/// Runs write_file_atomically over "old" with a fault at operation 1, 2, 3... until the fault no longer fires.
template <class F>
void for_each_fault(Fault fault, int error_number, const std::function<void(const TempDir&)>& prepare, F check,
                    const std::function<void(const TempDir&)>& action) {
  for (int at = 1; at < 200; ++at) {
    const TempDir folder;
    prepare(folder);
    FileSystemDouble system(folder.path(), fault, at, error_number);
    std::string complaint;
    {
      const FileSystemScope scope(system);
      complaint = complaint_of([&] { action(folder); });
    }
    SCOPED_TRACE(concat("fault at operation ", at, ": ", complaint));
    check(folder, system, complaint);
    if (!system.fired()) {
      EXPECT_GT(at, 5) << "the double was hardly used";
      EXPECT_EQ(complaint, "");
      return;
    }
  }
  FAIL() << "the fault fires for ever";
}

const auto write_new = [](const TempDir& folder) { write_file_atomically(folder / "a", "new content"); };
const auto write_old = [](const TempDir& folder) { folder.write("a", "old"); };

TEST(WriteFileAtomically, KeepsOldOrNewWhicheverCallFails) {  // P3, P4
  for (const int error_number : {ENOSPC, EIO, EDQUOT, EXDEV, EACCES})
    for_each_fault(
        Fault::fail_once, error_number, write_old,
        [&](const TempDir& folder, const FileSystemDouble&, const std::string& complaint) {
          const std::string now = slurp(folder / "a");
          EXPECT_TRUE(now == "old" || now == "new content") << now;
          EXPECT_THAT(names_in(folder.path()), ElementsAre("a"));
          if (complaint.empty()) {
            EXPECT_EQ(now, "new content");
          } else {
            EXPECT_THAT(complaint, AllOf(HasSubstr("/a"), HasSubstr(posix::cause(error_number))));
            EXPECT_EQ(contains(complaint, " free"), error_number == ENOSPC || error_number == EDQUOT);
          }
        },
        write_new);
}

TEST(WriteFileAtomically, TriesAgainAfterASignal) {  // P4, EINTR
  for_each_fault(
      Fault::fail_once, EINTR, write_old,
      [](const TempDir& folder, const FileSystemDouble&, const std::string& complaint) {
        EXPECT_EQ(complaint, "");
        EXPECT_EQ(slurp(folder / "a"), "new content");
        EXPECT_THAT(names_in(folder.path()), ElementsAre("a"));
      },
      write_new);
}

TEST(WriteFileAtomically, SurvivesAPowerCutAtAnyCall) {  // 5.1
  for_each_fault(
      Fault::crash, EIO, write_old,
      [](const TempDir&, const FileSystemDouble& system, const std::string& complaint) {
        for (const auto loss : FileSystemDouble::kLosses) {
          const TempDir after;
          system.restore_into(after.path(), loss);
          const std::string now = slurp(after / "a");
          EXPECT_TRUE(now == "new content" || (now == "old" && !complaint.empty()))
              << "'" << now << "', loss " << static_cast<int>(loss);
          remove_stale_staging(after.path());
          EXPECT_THAT(names_in(after.path()), ElementsAre("a"));
        }
      },
      write_new);
}

TEST(WriteFileAtomically, ContinuesAfterAShortWrite) {
  const TempDir folder;
  FileSystemDouble system(folder.path(), Fault::half_write, 2);  // create, write
  {
    const FileSystemScope scope(system);
    write_new(folder);
  }
  EXPECT_TRUE(system.fired());
  EXPECT_EQ(slurp(folder / "a"), "new content");
}

TEST(WriteFileAtomically, NoticesADiskThatLies) {  // P5
  const TempDir folder;
  write_old(folder);
  FileSystemDouble system(folder.path(), Fault::lying_write, 2);
  std::string complaint;
  {
    const FileSystemScope scope(system);
    complaint = complaint_of([&] { write_new(folder); });
  }
  EXPECT_THAT(complaint, AllOf(HasSubstr("verification failed"), HasSubstr("wrote 11 bytes, the disk holds 5")));
  EXPECT_EQ(slurp(folder / "a"), "old");
  EXPECT_THAT(names_in(folder.path()), ElementsAre("a"));
}

TEST(WriteFileAtomically, ReportsAFileSizeLimit) {  // P6
  const TempDir folder;
  write_old(folder);
  const int code = exit_code_of_child([&] {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{4096, 4096};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 77;
    const auto complaint = complaint_of([&] { write_file_atomically(folder / "a", std::string(100000, 'x')); });
    return contains(complaint, "File too large") ? 0 : 1;
  });
  if (code == 77) GTEST_SKIP() << "RLIMIT_FSIZE cannot be set";
  EXPECT_EQ(code, 0);
  EXPECT_EQ(slurp(folder / "a"), "old");
  EXPECT_THAT(names_in(folder.path()), ElementsAre("a"));
}

TEST(WriteFileAtomically, ReportsAFullDisk) {  // P3, on a real file system
  const TempDir folder;
  const int code = exit_code_of_child([&] {
    if (unshare(geteuid() == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) != 0) return 77;
    if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return 77;
    if (mount("tmpfs", folder.path().c_str(), "tmpfs", 0, "size=64k") != 0) return 77;
    write_file_atomically(folder / "a", "old");
    const auto complaint = complaint_of([&] { write_file_atomically(folder / "a", std::string(1 << 20, 'x')); });
    const bool said = contains(complaint, "No space left") && contains(complaint, " free");
    return said && slurp(folder / "a") == "old" && names_in(folder.path()).size() == 1 ? 0 : 1;
  });
  if (code == 77) GTEST_SKIP() << "no file system may be mounted here";
  EXPECT_EQ(code, 0);
}

// ---- folders

TEST(MakeDirectories, MakesParentsAndMayBeRepeated) {
  const TempDir folder;
  for (int i = 0; i < 2; ++i) make_directories(folder / "a/b/c/");
  EXPECT_TRUE(fs::is_directory(folder / "a/b/c"));
  folder.write("file", "x");
  EXPECT_THAT(complaint_of([&] { make_directories(folder / "file"); }), HasSubstr("not a directory"));
  EXPECT_THAT(complaint_of([&] { make_directories(folder / "file/a"); }), HasSubstr("not a directory"));
}

void save_step(const fs::path& path, const std::string& content) {
  StagedDirectory step(path);
  step.add("model", content + content);
  step.add("state.json", [&](const ByteSink& sink) { sink(content.data(), content.size()); });
  step.commit();
}
/// The content of a folder made by save_step; complains if it is not whole.
std::string content_of(const fs::path& path) {
  verify_manifest(path);
  const std::string content = slurp(path / "state.json");
  EXPECT_EQ(slurp(path / "model"), content + content) << "a mixture";
  return content;
}

TEST(StagedDirectory, AppearsWithAManifest) {
  const TempDir folder;
  save_step(folder / "checkpoints/step-1", "abc");
  EXPECT_THAT(names_in(folder / "checkpoints"), ElementsAre("step-1"));
  EXPECT_THAT(names_in(folder / "checkpoints/step-1"), ElementsAre("MANIFEST.json", "model", "state.json"));
  EXPECT_EQ(content_of(folder / "checkpoints/step-1"), "abc");
  const Json manifest = load_json(folder / "checkpoints/step-1/MANIFEST.json", 10000);
  EXPECT_EQ(manifest["format"], 1);
  EXPECT_EQ(manifest["files"][1]["size"], 3);
  EXPECT_EQ(manifest["files"][1]["sha256"], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(StagedDirectory, LeavesNothingWithoutCommit) {
  const TempDir folder;
  {
    StagedDirectory step(folder / "step-1");
    step.add("model", "abc");
    EXPECT_THAT(names_in(folder.path()), ElementsAre(own_staging_name("step-1")));
  }
  EXPECT_THAT(names_in(folder.path()), IsEmpty());
}

TEST(StagedDirectory, RefusesNamesThatAreNone) {
  const TempDir folder;
  StagedDirectory step(folder / "step-1");
  step.add("model", "abc");
  for (const char* name : {"", ".", "..", "a/b", "../x", "MANIFEST.json", "model"})
    EXPECT_THROW(step.add(name, "x"), std::logic_error) << name;
}

TEST(StagedDirectory, ReplacesAFolderOfTheSameName) {  // K23
  const TempDir folder;
  save_step(folder / "step-1", "old");
  save_step(folder / "step-1", "new");
  EXPECT_EQ(content_of(folder / "step-1"), "new");
  EXPECT_THAT(names_in(folder.path()), ElementsAre("step-1"));
}

TEST(StagedDirectory, ReplacesAFolderWhereNamesCannotBeSwapped) {
  const TempDir folder;
  save_step(folder / "step-1", "old");
  FileSystemDouble system(folder.path(), Fault::none, 0);
  system.exchange_supported = false;
  {
    const FileSystemScope scope(system);
    save_step(folder / "step-1", "new");
  }
  EXPECT_EQ(content_of(folder / "step-1"), "new");
  EXPECT_THAT(names_in(folder.path()), ElementsAre("step-1"));
}

TEST(StagedDirectory, TakesOverATemporaryFolderOfADeadProcessWithItsNumber) {
  const TempDir folder;
  folder.write(own_staging_name("step-1") + "/stale", "x");
  save_step(folder / "step-1", "new");
  EXPECT_THAT(names_in(folder / "step-1"), ElementsAre("MANIFEST.json", "model", "state.json"));
}

TEST(StagedDirectory, DoesNotReplaceAFile) {
  const TempDir folder;
  folder.write("step-1", "a file");
  EXPECT_THAT(complaint_of([&] { save_step(folder / "step-1", "new"); }), HasSubstr("Not a directory"));
  EXPECT_THAT(names_in(folder.path()), ElementsAre("step-1"));
}

const auto save_first = [](const TempDir& folder) { save_step(folder / "step-1", "one"); };

TEST(StagedDirectory, AppearsWholeOrNotAtAllWhicheverCallFails) {
  for (const int error_number : {ENOSPC, EIO, EINTR})
    for_each_fault(
        Fault::fail_once, error_number, save_first,
        [&](const TempDir& folder, const FileSystemDouble&, const std::string& complaint) {
          EXPECT_EQ(content_of(folder / "step-1"), "one");
          const bool there = fs::exists(folder / "step-2");
          if (there) {
            EXPECT_EQ(content_of(folder / "step-2"), "two");
          }
          EXPECT_TRUE(there || !complaint.empty());
          EXPECT_EQ(names_in(folder.path()).size(), there ? 2u : 1u)
              << ::testing::PrintToString(names_in(folder.path()));
          EXPECT_TRUE(error_number != EINTR || complaint.empty());
        },
        [](const TempDir& folder) { save_step(folder / "step-2", "two"); });
}

TEST(StagedDirectory, SurvivesAPowerCutAtAnyCall) {
  for_each_fault(
      Fault::crash, EIO, save_first,
      [](const TempDir&, const FileSystemDouble& system, const std::string& complaint) {
        for (const auto loss : FileSystemDouble::kLosses) {
          const TempDir after;
          system.restore_into(after.path(), loss);
          remove_stale_staging(after.path());
          EXPECT_EQ(content_of(after / "step-1"), "one");
          if (fs::exists(after / "step-2")) {
            EXPECT_EQ(content_of(after / "step-2"), "two");
          } else {
            EXPECT_NE(complaint, "") << "reported as saved, but lost";
          }
          EXPECT_LE(names_in(after.path()).size(), 2u);
        }
      },
      [](const TempDir& folder) { save_step(folder / "step-2", "two"); });
}

TEST(StagedDirectory, ReplacingKeepsOldOrNewAtAnyFaultAndPowerCut) {
  const auto replace = [](const TempDir& folder) { save_step(folder / "step-1", "two"); };
  const auto old_or_new = [](const fs::path& path, const std::string& complaint) {
    const std::string now = content_of(path / "step-1");
    EXPECT_TRUE(now == "two" || (now == "one" && !complaint.empty())) << now;
  };
  for_each_fault(
      Fault::crash, EIO, save_first,
      [&](const TempDir&, const FileSystemDouble& system, const std::string& complaint) {
        for (const auto loss : FileSystemDouble::kLosses) {
          const TempDir after;
          system.restore_into(after.path(), loss);
          remove_stale_staging(after.path());
          old_or_new(after.path(), complaint);
        }
      },
      replace);
  for (const Fault fault : {Fault::fail_once, Fault::fail_from})
    for_each_fault(
        fault, EIO, save_first,
        [&](const TempDir& folder, const FileSystemDouble&, const std::string& complaint) {
          old_or_new(folder.path(), complaint);
        },
        replace);
}

TEST(StagedDirectory, NoticesADiskThatLies) {  // P5: every write in turn
  int noticed = 0;
  for (int at = 1; at < 30; ++at) {
    const TempDir folder;
    FileSystemDouble system(folder.path(), Fault::lying_write, at);
    const FileSystemScope scope(system);
    const auto complaint = complaint_of([&] { save_step(folder / "step-2", "two"); });
    if (!system.fired()) continue;
    EXPECT_THAT(complaint, HasSubstr("verification failed"));
    EXPECT_THAT(names_in(folder.path()), IsEmpty());
    ++noticed;
  }
  EXPECT_EQ(noticed, 3);  // model, state.json, MANIFEST.json
}

// ---- manifest

struct Manifest : ::testing::Test {
  Manifest() { save_step(folder / "step-1", "abc"); }
  std::string complaint() const {
    return complaint_of<CheckpointError>([&] { verify_manifest(folder / "step-1"); });
  }
  TempDir folder;
};

TEST_F(Manifest, NamesWhatWasExpectedAndFound) {  // K1, K2
  folder.write("step-1/model", "abcab");
  EXPECT_THAT(complaint(), AllOf(HasSubstr("error[CKP]"), HasSubstr("model"), HasSubstr("size"), HasSubstr("6 bytes"),
                                 HasSubstr("found 5")));
  folder.write("step-1/model", "abcabd");
  EXPECT_THAT(complaint(), AllOf(HasSubstr("model"), HasSubstr("sha256"), HasSubstr("found ")));
  fs::remove(folder / "step-1/model");
  EXPECT_THAT(complaint(), AllOf(HasSubstr("model"), HasSubstr("No such file")));
}

TEST_F(Manifest, NoticesEveryFlippedBit) {
  for (const char* name : {"model", "state.json"}) {
    const std::string good = slurp(folder / "step-1" / name);
    for (size_t bit = 0; bit < 8 * good.size(); ++bit) {
      std::string bad = good;
      bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ 1 << bit % 8);
      folder.write(std::string("step-1/") + name, bad);
      EXPECT_NE(complaint(), "") << name << " bit " << bit;
    }
    folder.write(std::string("step-1/") + name, good);
  }
  EXPECT_EQ(complaint(), "");
}

TEST_F(Manifest, MustBeThereAndWhole) {  // K3
  const std::string good = slurp(folder / "step-1/MANIFEST.json");
  for (size_t size = 0; size + 2 < good.size(); size += 7) {
    folder.write("step-1/MANIFEST.json", good.substr(0, size));
    EXPECT_THAT(complaint(), HasSubstr("MANIFEST"));
  }
  for (
      const char* text :
      {"[]", "{}", R"({"format":1})", R"({"format":1,"needs":"0.1","files":[{"name":"model"}]})",
       R"({"format":1,"needs":"0.1","files":[{"name":"../x","size":1,"sha256":""}]})",
       R"({"format":1,"needs":"0.1","files":[{"name":"a","size":1,"sha256":""},{"name":"a","size":1,"sha256":""}]})"}) {
    folder.write("step-1/MANIFEST.json", text);
    EXPECT_THAT(complaint(), HasSubstr("MANIFEST")) << text;
  }
  fs::remove(folder / "step-1/MANIFEST.json");
  EXPECT_THAT(complaint(), AllOf(HasSubstr("MANIFEST"), HasSubstr("No such file")));
}

TEST_F(Manifest, AllowsNoOtherFile) {
  folder.write("step-1/extra", "");
  EXPECT_THAT(complaint(), AllOf(HasSubstr("extra"), HasSubstr("MANIFEST")));
}

TEST_F(Manifest, OfTheFutureNamesTheVersionNeeded) {  // K15
  folder.write("step-1/MANIFEST.json", R"({"format":2,"needs":"3.7","files":[]})");
  EXPECT_THAT(complaint(), AllOf(HasSubstr("format 2"), HasSubstr("needs diptych >= 3.7")));
}

// ---- stale temporary folders

TEST(RemoveStaleStaging, TakesOnlyWhatTheDeadOfThisHostLeft) {  // K21
  const TempDir folder;
  const pid_t child = fork();
  if (child == 0) _exit(0);
  waitpid(child, nullptr, 0);
  const std::string host = posix::host_name();
  const std::string dead = concat(".tmp-step-1-", host, "-", int64_t{child}), live = concat(".tmp-step-1-", host, "-1");
  const std::string foreign = concat(".tmp-step-1-not", host, "x-", int64_t{child});
  folder.write(dead + "/model", "x");
  folder.write(live + "/model", "x");
  folder.write(foreign + "/model", "x");
  folder.write(own_staging_name("left"), "x");
  folder.write("step-1/model", "x");
  StagedDirectory active(folder / "step-2");
  const StaleStaging found = remove_stale_staging(folder.path());
  EXPECT_THAT(names_in(folder.path()),
              ::testing::UnorderedElementsAre(live, foreign, own_staging_name("step-2"), "step-1"));
  EXPECT_EQ(found.removed.size(), 2u);
  EXPECT_THAT(found.foreign, ElementsAre(folder / foreign));
  EXPECT_TRUE(remove_stale_staging(folder / "none").removed.empty());
}

// ---- lock

TEST(RunLock, NamesTheHolder) {
  const TempDir folder;
  {
    const RunLock first(folder.path());
    EXPECT_THAT(complaint_of([&] { RunLock second(folder.path()); }),
                AllOf(HasSubstr("error[OUT]"), HasSubstr(concat("in use by pid ", int64_t{::getpid()}, " on ",
                                                                posix::host_name(), " since 2"))));
  }
  EXPECT_EQ(complaint_of([&] { RunLock again(folder.path()); }), "");
  EXPECT_THAT(complaint_of([&] { RunLock lock(folder / "none"); }), HasSubstr("No such file"));
}

TEST(RunLock, SaysWhetherALiveProcessHoldsIt) {
  TempDir folder;
  EXPECT_FALSE(RunLock::is_held(folder.path()));
  {
    const RunLock lock(folder.path());
    EXPECT_TRUE(RunLock::is_held(folder.path()));
    EXPECT_TRUE(RunLock::is_held(folder.path())) << "looking must not take it";
  }
  EXPECT_FALSE(RunLock::is_held(folder.path()));
}

TEST(RunLock, DiesWithItsProcess) {  // P11
  const TempDir folder;
  EXPECT_EQ(exit_code_of_child([&] {
              const RunLock lock(folder.path());
              kill(getpid(), SIGKILL);
              return 0;
            }),
            -SIGKILL);
  EXPECT_EQ(complaint_of([&] { RunLock lock(folder.path()); }), "");
}

TEST(RunLock, LetsOneOfTwoIn) {  // P10
  const TempDir folder;
  for (int round = 0; round < 20; ++round) {
    int go[2], done[2];
    ASSERT_EQ(pipe(go) + pipe(done), 0);
    pid_t children[2];
    for (pid_t& child : children) {
      if ((child = fork()) != 0) continue;
      char byte;
      ::close(go[1]), ::close(done[1]);
      if (::read(go[0], &byte, 1) != 0) _exit(9);  // ends when the parent closes its side
      std::unique_ptr<RunLock> lock;
      const auto complaint = complaint_of([&] { lock = std::make_unique<RunLock>(folder.path()); });
      if (!lock) _exit(complaint.find("in use by pid") == std::string::npos ? 1 : 5);
      if (::read(done[0], &byte, 1) != 0) _exit(9);  // holds it until the other has tried
      _exit(0);
    }
    ::close(go[0]), ::close(go[1]), ::close(done[0]);
    int status = 0;
    waitpid(-1, &status, 0);
    EXPECT_EQ(WEXITSTATUS(status), 5);
    ::close(done[1]);
    waitpid(-1, &status, 0);
    EXPECT_EQ(WEXITSTATUS(status), 0);
  }
}

// ---- lines

TEST(LineWriter, AppendsAndCounts) {
  const TempDir folder;
  {
    LineWriter writer(folder / "m.jsonl");
    writer.write("{\"a\":1}");
    EXPECT_EQ(writer.bytes(), 8);
    writer.sync();
  }
  LineWriter writer(folder / "m.jsonl");
  EXPECT_EQ(writer.bytes(), 8);
  writer.write("x");
  EXPECT_EQ(slurp(folder / "m.jsonl"), "{\"a\":1}\nx\n");
  EXPECT_THAT(names_in(folder.path()), ElementsAre("m.jsonl"));
}

TEST(LineWriter, MovesWhatFollowsAside) {  // ST21
  const TempDir folder;
  folder.write("m.jsonl", "one\ntwo\nthree\n");
  {
    LineWriter writer(folder / "m.jsonl", 8);
    writer.write("3");
  }
  EXPECT_EQ(slurp(folder / "m.jsonl"), "one\ntwo\n3\n");
  EXPECT_EQ(slurp(folder / "m.discarded.jsonl"), "three\n");
  LineWriter(folder / "m.jsonl", 4).write("2");
  EXPECT_EQ(slurp(folder / "m.jsonl"), "one\n2\n");
  EXPECT_EQ(slurp(folder / "m.discarded.jsonl"), "three\ntwo\n3\n");
}

TEST(LineWriter, CutsAnUnfinishedLastLine) {
  const TempDir folder;
  folder.write("m.jsonl", "one\n" + std::string(10000, 'x'));
  LineWriter(folder / "m.jsonl").write("two");
  EXPECT_EQ(slurp(folder / "m.jsonl"), "one\ntwo\n");
  folder.write("m.jsonl", "no end");
  EXPECT_EQ(LineWriter(folder / "m.jsonl").bytes(), 0);
}

TEST(LineWriter, RefusesAFileShorterThanRecorded) {
  const TempDir folder;
  folder.write("m.jsonl", "one\n");
  EXPECT_THAT(complaint_of([&] { LineWriter writer(folder / "m.jsonl", 5); }),
              AllOf(HasSubstr("holds 4 bytes"), HasSubstr("5")));
  EXPECT_EQ(slurp(folder / "m.jsonl"), "one\n");
}

TEST(LineWriter, WritesALineWholeOrNotAtAll) {  // P7
  const TempDir folder;
  LineWriter writer(folder / "m.jsonl");
  writer.write("one");
  FileSystemDouble system(folder.path(), Fault::fail_once, 1, ENOSPC);
  {
    const FileSystemScope scope(system);
    EXPECT_THAT(complaint_of([&] { writer.write("two, which is long"); }),
                AllOf(HasSubstr("m.jsonl"), HasSubstr("No space left")));
  }
  EXPECT_EQ(slurp(folder / "m.jsonl"), "one\n");
  writer.write("three");
  EXPECT_EQ(slurp(folder / "m.jsonl"), "one\nthree\n");
}

TEST(LineWriter, RefusesWhatIsNoFile) {
  const TempDir folder;
  EXPECT_THAT(complaint_of([&] { LineWriter writer(folder.path()); }), HasSubstr("Is a directory"));
  EXPECT_THAT(complaint_of([&] { LineWriter writer("/dev/null"); }), HasSubstr("not a regular file"));
}

// ---- staying inside a root

struct Root : ::testing::Test {
  Root() {
    folder.write("root/images/a.jpg", "x");
    folder.write("root2/secret.jpg", "x");
    folder.write("secret.jpg", "x");
    fs::create_symlink("images/a.jpg", root / "link.jpg");
    fs::create_symlink("../secret.jpg", root / "out.jpg");
    fs::create_symlink(folder.path(), root / "out");
    fs::create_symlink("loop2", root / "loop1");
    fs::create_symlink("loop1", root / "loop2");
    fs::create_symlink("/proc/self/root", root / "magic");
    mkfifo((root / "pipe").c_str(), 0600);
  }
  std::string complaint(const std::string& relative) const {
    return complaint_of<DataError>([&] { resolve_inside(root, relative); });
  }
  TempDir folder;
  fs::path root = folder / "root";
};

TEST_F(Root, GivesFilesBelow) {
  const auto file = fs::canonical(root / "images/a.jpg");
  EXPECT_EQ(resolve_inside(root, "images/a.jpg"), file);
  EXPECT_EQ(resolve_inside(root, "./images/../images//a.jpg"), file);
  EXPECT_EQ(resolve_inside(root, "link.jpg"), file);
  EXPECT_EQ(read_file(resolve_inside(root, "link.jpg"), 10), "x");
}

TEST_F(Root, RefusesEveryWayOut) {  // D15
  for (const std::string relative :
       {"/etc/passwd", "../secret.jpg", "images/../../secret.jpg", "../root2/secret.jpg", "../root/images/a.jpg",
        "out.jpg", "out/secret.jpg", "loop1", "magic/etc/passwd", "/proc/self/mem", "out/root/images/a.jpg"})
    EXPECT_THAT(complaint(relative), AllOf(HasSubstr("error[SEC]"), HasSubstr("outside the data root"))) << relative;
}

TEST_F(Root, RefusesWhatIsNoFile) {
  EXPECT_THAT(complaint("pipe"), HasSubstr("not a regular file"));
  EXPECT_THAT(complaint("images"), HasSubstr("not a regular file"));
  EXPECT_THAT(complaint(""), HasSubstr("empty"));
  EXPECT_THAT(complaint(std::string("a\0b", 3)), HasSubstr("NUL"));
  EXPECT_THAT(complaint("images/none.jpg"), AllOf(HasSubstr("error[DAT]"), HasSubstr("No such file")));
  EXPECT_THAT(complaint("images/a.jpg/x"), HasSubstr("No such file"));
  EXPECT_THAT(complaint_of<DataError>([&] { resolve_inside(folder / "none", "a"); }), HasSubstr("No such file"));
}

TEST_F(Root, SuggestsTheNameThatExists) {  // D14
  for (const char* relative :
       {"images/a.JPG", "images/A.jpg", "IMAGES/A.JPG", "images\\a.jpg", "images/a.jpg ", " images/a.jpg\n"})
    EXPECT_THAT(complaint(relative), HasSubstr("did you mean 'images/a.jpg'")) << relative;
  EXPECT_THAT(complaint("b.jpg"), ::testing::Not(HasSubstr("did you mean")));
}

TEST_F(Root, IsGuardedAlikeWithAndWithoutTheKernelsHelp) {
  using resolving::Outcome;
  if (resolving::by_kernel(root, "link.jpg").outcome == Outcome::unsupported) GTEST_SKIP() << "no openat2 here";
  for (const auto& resolve : {resolving::by_kernel, resolving::by_real_path}) {
    EXPECT_EQ(resolve(root, "link.jpg").path, fs::canonical(root / "images/a.jpg"));
    for (const char* relative :
         {"../secret.jpg", "out.jpg", "out/secret.jpg", "loop1", "magic/etc/passwd", "../root2/secret.jpg"})
      EXPECT_EQ(resolve(root, relative).outcome, Outcome::outside) << relative;
    EXPECT_EQ(resolve(root, "none").outcome, Outcome::missing);
  }
}

}  // namespace
}  // namespace diptych
