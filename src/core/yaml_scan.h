#pragma once
#include <string>
#include <string_view>

#include "diptych/core/options.h"

namespace diptych {

inline constexpr size_t kMostConfigBytes = 1 << 20;
inline constexpr size_t kMostConfigDepth = 64;
inline constexpr size_t kMostConfigNodes = 100'000;

/// What yaml-cpp would accept, misread or overflow its stack on is found here, on the raw text, before it sees a byte:
/// encodings other than UTF-8, NUL and control characters, tabs in the indentation, quotes that do not close on their
/// line, anchors, aliases, tags, complex keys, directives, a second document, depth above 64. `text` has no byte order
/// mark; check_encoding allows CR LF, check_yaml_text wants LF alone. throws UsageError for the encoding and the depth.
void check_encoding(std::string_view text, const std::string& file);
void check_yaml_text(std::string_view text, const std::string& file, Complaints& complaints);

}  // namespace diptych
