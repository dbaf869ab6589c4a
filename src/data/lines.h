#pragma once
#include <string>
#include <string_view>

#include "data/annotation.h"
#include "diptych/core/text.h"

namespace diptych {

/// Calls `read(line, place)` for every line that is not blank, without its line break; LF and CRLF end lines.
/// throws DataError on invalid UTF-8 with the line and the byte offset in it.
template <class Read>
void for_each_line(const std::filesystem::path& path, Read&& read) {
  const std::string text = read_annotation(path);
  Place place{path.string(), 0, true, {}};
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = std::string_view(text).substr(begin, end - begin);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    begin = end + 1;
    ++place.record;
    if (trim(line).empty()) continue;
    if (const auto bad = find_invalid_utf8(line))
      throw DataError(place.text(), concat("invalid UTF-8 at byte ", *bad, " of the line"),
                      "convert the file: iconv -f LATIN1 -t UTF-8");
    read(line, static_cast<const Place&>(place));
  }
}

}  // namespace diptych
