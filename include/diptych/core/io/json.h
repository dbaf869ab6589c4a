#pragma once
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "diptych/core/error.h"

namespace diptych {

using Json = nlohmann::ordered_json;

/// Strict JSON: valid UTF-8, no duplicate keys, depth at most 64, one value, a BOM is skipped. `name` is for messages.
/// throws Error of class `error_class` with name, line:column or byte offset.
Json parse_json(std::string_view text, const std::string& name, ErrorClass error_class = ErrorClass::dat);
Json load_json(const std::filesystem::path& path, uint64_t max_bytes, ErrorClass error_class = ErrorClass::dat);

/// One line, no NaN token (non-finite numbers must have been replaced), invalid UTF-8 replaced.
std::string dump_line(const Json& value);

}  // namespace diptych
