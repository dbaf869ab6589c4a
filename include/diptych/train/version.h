#pragma once

namespace diptych {

/// Version of the program, the commit it was built from ("unknown" outside a checkout), compiler and flags.
extern const char* const kVersion;
extern const char* const kCommit;
extern const char* const kBuild;

}  // namespace diptych
