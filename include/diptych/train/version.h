#pragma once

namespace diptych {

extern const char* const kVersion;
/// The commit that the program was built from; "unknown" outside a checkout.
extern const char* const kCommit;
/// What it was built from beyond that commit: the first 16 digits of the SHA-256 of
/// `git diff HEAD -- CMakeLists.txt include scripts/cmake src tools`, followed by a line "new PATH SHA-256" for each
/// untracked file there. Empty: nothing.
extern const char* const kDiff;
/// Build type, compiler and flags.
extern const char* const kBuild;

}  // namespace diptych
