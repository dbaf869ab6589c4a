#include "diptych/train/version.h"

#ifndef DIPTYCH_VERSION
#define DIPTYCH_VERSION "0.0.0"
#endif
#ifndef DIPTYCH_COMMIT
#define DIPTYCH_COMMIT "unknown"
#endif
#ifndef DIPTYCH_BUILD
#define DIPTYCH_BUILD "unknown"
#endif

namespace diptych {

const char* const kVersion = DIPTYCH_VERSION;
const char* const kCommit = DIPTYCH_COMMIT;
const char* const kBuild = DIPTYCH_BUILD;

}  // namespace diptych
