#include "diptych/train/version.h"

#include "diptych_commit.h"

namespace diptych {

const char* const kVersion = DIPTYCH_VERSION;
const char* const kCommit = DIPTYCH_COMMIT;
const char* const kDiff = DIPTYCH_DIFF;
const char* const kBuild = DIPTYCH_BUILD;

}  // namespace diptych
