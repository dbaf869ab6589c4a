#pragma once
#include <string>
#include <vector>

namespace diptych {

/// Decodes an embedded JPEG and an embedded PNG and resizes a small table, and compares with what other programs make
/// of them: the libraries this program runs with may be others than those it was built with. Returns one sentence per
/// fault; empty = all is well. Uses the temporary folder.
std::vector<std::string> image_faults();

}  // namespace diptych
