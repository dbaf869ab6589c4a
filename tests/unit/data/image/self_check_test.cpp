#include "diptych/data/image/self_check.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include "support/temp_dir.h"

namespace diptych {
namespace {

TEST(ImageFaults, ThisMachineHasNone) { EXPECT_THAT(image_faults(), ::testing::IsEmpty()); }

TEST(ImageFaults, AnUnusableTemporaryFolderIsNamed) {
  const testing::TempDir dir;
  setenv("TMPDIR", (dir / "nowhere").c_str(), 1);
  std::vector<std::string> faults;
  try {
    faults = image_faults();
  } catch (const std::filesystem::filesystem_error& error) {
    faults = {error.what()};
  }
  unsetenv("TMPDIR");
  EXPECT_FALSE(faults.empty());
}

}  // namespace
}  // namespace diptych
