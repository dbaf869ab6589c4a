#include "diptych/train/doctor.h"

#include <gmock/gmock.h>

#include "support/temp_dir.h"
#include "train/doctor_checks.h"

namespace diptych {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::TempDir;

TEST(Doctor, ReadsTheVersionOfTheLibrary) {
  EXPECT_EQ(doctor::version_in("... LAPACK_INFO=mkl, TORCH_VERSION=2.13.0, USE_CUDA=0, \n"), "2.13.0");
  EXPECT_EQ(doctor::version_in("nothing"), "");
}

TEST(Doctor, ReadsTheLimitOfACgroup) {
  EXPECT_EQ(doctor::cores_of_limit("150000 100000\n"), 1.5);
  EXPECT_EQ(doctor::cores_of_limit("max 100000\n"), 0);
  EXPECT_EQ(doctor::cores_of_limit(""), 0);
}

TEST(Doctor, CountsOpenMpRuntimesOnce) {
  const std::string maps =
      "7f00-7f01 r-xp 00000000 08:01 1 /a/libgomp-24e2ab19.so.1.0.0\n"
      "7f01-7f02 rw-p 00000000 08:01 1 /a/libgomp-24e2ab19.so.1.0.0\n"
      "7f02-7f03 r-xp 00000000 08:01 2 /usr/lib/libgomp.so.1.0.0\n"
      "7f03-7f04 r-xp 00000000 08:01 3 /usr/lib/libopencv_core.so\n7f04-7f05 rw-p 00000000 00:00 0 [heap]\n";
  EXPECT_THAT(doctor::openmp_runtimes(maps), ElementsAre("/a/libgomp-24e2ab19.so.1.0.0", "/usr/lib/libgomp.so.1.0.0"));
  EXPECT_THAT(doctor::openmp_runtimes(""), IsEmpty());
}

TEST(Doctor, KnowsHowManyImagesAMetricNeeds) {
  EXPECT_EQ(doctor::cutoff_of("t2i/R@5"), 5);
  EXPECT_EQ(doctor::cutoff_of("rsum"), 10);
  EXPECT_EQ(doctor::cutoff_of("i2t/medr"), 0);
}

TEST(Doctor, ThisMachineIsReadyOrSaysWhatMendsIt) {
  const Catalog catalog;
  const TempDir dir;
  const auto found = examine(catalog, {.config = {}, .overrides = {}, .run_root = dir / "runs/not/yet"});
  EXPECT_FALSE(any_failed(found)) << to_text(found);
  for (const char* check : {"build", "device", "speed", "threads", "images", "files"})
    EXPECT_THAT(to_text(found), HasSubstr(check));
  EXPECT_TRUE(std::filesystem::is_empty(dir.path())) << "something was left behind";
}

TEST(Doctor, AFolderThatCannotBeWrittenFails) {
  Diagnoses out;
  doctor::examine_files(out, "/proc/diptych");
  ASSERT_FALSE(out.found.empty());
  EXPECT_EQ(out.found.front().health, Health::fail);
  EXPECT_FALSE(out.found.front().remedy.empty());
}

TEST(Doctor, TextCountsAndJsonKeepsEverything) {
  const std::vector<Diagnosis> found = {{Health::ok, "build", "fine", ""}, {Health::fail, "paths", "gone", "get it"}};
  EXPECT_EQ(to_text(found),
            "ok    build    fine\nfail  paths    gone\n               mend: get it\n1 ok, 0 warnings, 1 failed\n");
  EXPECT_EQ(to_json(found)[1]["remedy"], "get it");
  EXPECT_TRUE(any_failed(found));
}

}  // namespace
}  // namespace diptych
