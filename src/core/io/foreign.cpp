#include "diptych/core/io/foreign.h"

#include <utility>

namespace diptych {
namespace {

using namespace std::string_view_literals;

struct Foreign {
  std::string_view magic;
  const char *format, *remedy = "";
};

constexpr Foreign kForeign[] = {
    {"\x1f\x8b"sv, "gzip", "unpack it: gunzip FILE"},
    {"PK\x03\x04"sv, "a zip archive", "unpack it: unzip FILE"},
    {"BZh"sv, "bzip2", "unpack it: bunzip2 FILE"},
    {"\xfd"
     "7zXZ"sv,
     "xz", "unpack it: unxz FILE"},
    {"\x28\xb5\x2f\xfd"sv, "zstd", "unpack it: unzstd FILE"},
    {"\xff\xfe"sv, "UTF-16 text", "convert it: iconv -f UTF-16 -t UTF-8"},
    {"\xfe\xff"sv, "UTF-16 text", "convert it: iconv -f UTF-16 -t UTF-8"},
    {"\x93NUMPY"sv, "a numpy array"},
    {"\x89PNG"sv, "a PNG image"},
    {"\xff\xd8\xff"sv, "a JPEG image"},
    {"%PDF"sv, "PDF"},
    {"\x89HDF"sv, "HDF5"},
    {"version https://git-lfs"sv, "a Git LFS pointer, not the file itself", "fetch it: git lfs pull"},
};

// UTF-16 without a byte order mark: of the first characters, which are ASCII, every other byte is 0.
bool is_bare_utf16(std::string_view bytes) {
  return bytes.size() >= 4 && (bytes[0] == '\0') != (bytes[1] == '\0') && (bytes[0] == '\0') == (bytes[2] == '\0') &&
         (bytes[1] == '\0') == (bytes[3] == '\0');
}

}  // namespace

std::string foreign_format(std::string_view bytes) {
  for (const Foreign& each : kForeign)
    if (bytes.starts_with(each.magic)) return each.format;
  if (is_bare_utf16(bytes)) return "UTF-16 text";
  return bytes.substr(0, 2).find('\0') != std::string_view::npos ? "a binary file" : "";
}

std::string foreign_format_remedy(std::string_view format) {
  for (const Foreign& each : kForeign)
    if (format == each.format) return each.remedy;
  return "";
}

}  // namespace diptych
