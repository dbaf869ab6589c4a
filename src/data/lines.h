#pragma once
#include <string>
#include <string_view>

#include "data/annotation.h"
#include "data/problems.h"
#include "diptych/core/text.h"

namespace diptych {

/// Calls `read(line, place)` for every line that is not blank, without its line break; LF and CRLF end lines.
/// Invalid UTF-8, with the line and the byte offset in it, is added to `problems` and the line passed over; without
/// `problems` it is thrown as a DataError.
template <class Read>
void for_each_line(const std::filesystem::path& path, Read&& read, RecordProblems* problems = nullptr) {
  const std::string text = read_annotation(path);
  Place place{path.string(), 0, true, {}};
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line = std::string_view(text).substr(begin, end - begin);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    begin = end + 1;
    ++place.record;
    if (trim(line).empty()) continue;
    if (const auto bad = find_invalid_utf8(line)) {
      const std::string message = concat("invalid UTF-8 at byte ", *bad, " of the line");
      const std::string hint = "convert the file: iconv -f LATIN1 -t UTF-8";
      if (!problems) throw DataError(place.text(), message, hint);
      problems->add(place.text(), message, hint);
      continue;
    }
    read(line, static_cast<const Place&>(place));
  }
}

}  // namespace diptych
