#include "core/tensor/npy.h"

#include <algorithm>
#include <cstring>

#include "diptych/core/text.h"

namespace diptych {
namespace {

/// What follows `'key': ` in an npy header, up to `end`; empty if it is not there.
std::string_view after_key(std::string_view header, std::string_view key, std::string_view end) {
  const std::string quoted = concat("'", key, "':");
  const size_t at = header.find(quoted);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = header.substr(at + quoted.size());
  return trim(rest.substr(0, std::min(rest.find(end) + end.size(), rest.size())));
}

}  // namespace

size_t npy_item_bytes(std::string_view descr) {
  if (descr == "<f2") return 2;
  if (descr == "<i4" || descr == "<f4") return 4;
  if (descr == "<i8" || descr == "<f8") return 8;
  if (descr == "|u1" || descr == "|i1" || descr == "|b1") return 1;
  const bool bytes = descr.starts_with("|S"), letters = descr.starts_with("<U");
  if (!bytes && !letters) return 0;
  const int64_t width = parse_integer(descr.substr(2)).value_or(0);
  constexpr int64_t kWidest = 1 << 24;
  return width > 0 && width <= kWidest ? static_cast<size_t>(letters ? 4 * width : width) : 0;
}

NpyHeader parse_npy_header(std::string_view start, const std::function<void(const std::string&)>& complain) {
  if (start.size() < 12 || start.substr(0, 6) != "\x93NUMPY") complain("is no .npy");
  const char version = start[6];
  if (version != 1 && version != 2) complain(concat("has .npy version ", static_cast<int>(version)));
  uint32_t length = 0;
  std::memcpy(&length, start.data() + 8, version == 1 ? 2 : 4);
  NpyHeader out;
  out.data_at = version == 1 ? 10 : 12;
  if (length > start.size() - out.data_at) complain("has a header longer than itself");
  const std::string_view header = start.substr(out.data_at, length);
  out.data_at += length;
  const std::string_view descr = after_key(header, "descr", ","), shape = after_key(header, "shape", ")");
  if (descr.size() < 4 || shape.size() < 2 || shape.front() != '(' || shape.back() != ')' ||
      after_key(header, "fortran_order", ",") != "False,")
    complain(concat("has a header that is not understood: ", escape_for_log(header)));
  out.descr = descr.substr(1, descr.size() - 3), out.shape_text = escape_for_log(shape);
  for (const std::string& part : split(shape.substr(1, shape.size() - 2), ',')) {
    if (trim(part).empty()) continue;
    const auto size = parse_integer(trim(part));
    if (!size || *size < 0 || __builtin_mul_overflow(out.count, *size, &out.count))
      complain(concat("has the shape ", out.shape_text));
    out.shape.push_back(*size);
  }
  out.item_bytes = npy_item_bytes(out.descr);
  if (out.item_bytes == 0) complain(concat("has dtype ", escape_for_log(out.descr), ", which is not read"));
  if (__builtin_mul_overflow(static_cast<uint64_t>(out.count), out.item_bytes, &out.bytes))
    complain(concat("has the shape ", out.shape_text));
  return out;
}

}  // namespace diptych
