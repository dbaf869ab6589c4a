#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "data/annotation.h"
#include "data/problems.h"

namespace diptych {

/// A picture of an object with an attribute, as a table or a folder's name says.
struct AttributedImage {
  std::string file, attribute, object;
  std::optional<Split> split = {};
  int64_t line = -1;  // of the table
};

/// The names of the columns; a missing split column is none at all.
struct AttributeColumns {
  std::string file = "file", attribute = "attribute", object = "object", split = "split";
};

/// Reads a text table: the first line names the columns, tabs or commas separate cells (tabs if the first line has
/// one), every line has as many cells as the first. Columns that are not named are ignored. Cells are not quoted: one
/// that begins with a double quote becomes a problem, and so does every other mistake, with its line. `file`,
/// `attribute` and `object` are never empty; `restval` counts as train. throws DataError if the first line lacks a
/// column
std::vector<AttributedImage> read_attribute_table(const std::filesystem::path& path, const AttributeColumns& columns,
                                                  RecordProblems& problems);

/// "Navy Blue" -> "navy_blue": one word, so that a label "attribute object" falls apart at its space.
std::string label_word(std::string_view text);
/// "navy_blue sports_shoes"
std::string pair_label(const AttributedImage& image);
/// "navy_blue" -> "navy blue"
std::string spoken(std::string label_word);

}  // namespace diptych
