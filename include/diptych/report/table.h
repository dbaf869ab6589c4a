#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "diptych/core/io/json.h"

namespace diptych {

/// One cell: what people read and, for CSV and JSON, the number behind it in full precision.
struct Cell {
  std::string text;
  std::optional<double> number = {};
  bool bold = false;
};

struct Column {
  std::string name;
  bool right = true;  // numbers to the right, words to the left
};

/// A table before it has a form. Cells and titles are plain text; every writer escapes for its own format.
struct Table {
  std::string title;  // the protocol stands here: every number carries it
  std::vector<Column> columns;
  std::vector<std::vector<Cell>> rows;  // each as long as columns
  std::vector<std::string> notes;       // below the table
};

/// Title as a paragraph, a pipe table, notes; bold as **x**.
std::string to_markdown(const Table& table);
/// A tabular with \hline (no package needed); title and notes as % comments; bold as \textbf{x}.
std::string to_latex(const Table& table);
/// Header and rows, RFC 4180; numbers in full precision, other cells quoted with csv_cell (core/text.h).
std::string to_csv(const Table& table);
/// {"title", "columns": [name], "rows": [[{"text", "number"?, "bold"?}]], "notes"}.
Json to_json(const Table& table);
/// Aligned columns for a terminal; bold as a trailing *.
std::string to_text(const Table& table);

/// Text that Markdown shows as it stands: punctuation escaped, & < > as entities, control characters made visible.
std::string escape_for_markdown(std::string_view text);
/// Text that LaTeX sets as it stands: \ { } $ & % # _ ~ ^ < > | escaped, the plus-minus sign as $\pm$.
std::string escape_for_latex(std::string_view text);
/// Characters of UTF-8 text: the columns it takes on a terminal, wide and combining characters aside.
size_t display_width(std::string_view text);

}  // namespace diptych
