#pragma once
#include <string>
#include <string_view>

namespace diptych {

/// A format that people hand over where text is expected, told by its first bytes: "gzip", "UTF-16 text", ...
/// or "" for what may be text.
std::string foreign_format(std::string_view bytes);
/// How to turn a file of that format into text: "unpack it: gunzip FILE", or "".
std::string foreign_format_remedy(std::string_view format);

}  // namespace diptych
