#pragma once
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "diptych/core/error.h"

namespace diptych {

using Json = nlohmann::ordered_json;

/// Strict JSON: valid UTF-8, no duplicate keys, depth at most 64, one value, a BOM is skipped. `name` is for messages.
/// throws Error of class `error_class` with name, line:column or byte offset.
Json parse_json(std::string_view text, const std::string& name, ErrorClass error_class = ErrorClass::dat);
Json load_json(const std::filesystem::path& path, uint64_t max_bytes, ErrorClass error_class = ErrorClass::dat);

/// The member `key` of an object, as T: bool, an integer, a double (any number) or text. `name` says where the object
/// stands, for the message. throws Error of class `error_class` if it is absent or of another kind.
template <class T>
T json_field(const Json& object, const char* key, const std::string& name, ErrorClass error_class = ErrorClass::dat);

/// One line, no NaN token (non-finite numbers must have been replaced), invalid UTF-8 replaced.
std::string dump_line(const Json& value);

namespace detail {
[[noreturn]] void fail_field(const Json& object, const char* key, const char* kind, const std::string& name,
                             ErrorClass error_class);
}  // namespace detail

template <class T>
T json_field(const Json& object, const char* key, const std::string& name, ErrorClass error_class) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  const bool there = object.is_object() && found != object.end();
  if constexpr (std::is_same_v<T, bool>) {
    if (!there || !found->is_boolean()) detail::fail_field(object, key, "true or false", name, error_class);
  } else if constexpr (std::is_integral_v<T>) {
    const bool fits = there && found->is_number_integer() &&
                      (!found->is_number_unsigned() || found->template get<uint64_t>() <= INT64_MAX) &&
                      std::in_range<T>(found->template get<int64_t>());
    if (!fits) detail::fail_field(object, key, "an integer", name, error_class);
  } else if constexpr (std::is_floating_point_v<T>) {
    if (!there || !found->is_number()) detail::fail_field(object, key, "a number", name, error_class);
  } else {
    static_assert(std::is_same_v<T, std::string>, "bool, integer, floating-point number or std::string");
    if (!there || !found->is_string()) detail::fail_field(object, key, "text", name, error_class);
  }
  return found->template get<T>();
}

}  // namespace diptych
