#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// Fashion200k's training edits (Vo et al., CVPR 2019): captions that differ in one word.

namespace diptych {

/// '.', '?', '&' and '*' become the words dotmark, questionmark, andmark and starmark, joined to what they touch;
/// blanks at the ends go. As the code of the paper cleans captions, which are compared as strings.
std::string clean_fashion_caption(std::string_view caption);

/// For each of `captions` (all different), the places of those that share a parent with it, ascending. A parent is a
/// caption minus one whole word: "red silk dress" and "blue silk dress" share "silk dress". Time and memory grow with
/// the number of pairs, not with the square of the number of captions.
/// throws DataError if parents have more than `max_pairs` ordered pairs of children in all
std::vector<std::vector<int64_t>> sibling_captions(const std::vector<std::string>& captions, uint64_t max_pairs);

/// "replace X with Y": X is the first word of `source` that `target` has not, Y the other way round. Where there is no
/// such word (one caption holds the words of the other), the first word that differs by its place, or the last word.
/// Both captions hold a word.
std::string replacement_text(const std::string& source, const std::string& target);

}  // namespace diptych
