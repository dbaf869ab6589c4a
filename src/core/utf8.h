#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace diptych {

/// Length of the valid UTF-8 sequence at text[i] and its code point; 0 if there is none.
size_t decode_utf8(std::string_view text, size_t i, uint32_t& point);
/// Control characters, line separators and bidirectional controls.
bool is_unsafe_on_terminals(uint32_t point);

}  // namespace diptych
