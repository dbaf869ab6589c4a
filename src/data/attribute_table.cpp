#include "data/attribute_table.h"

#include <algorithm>

#include "data/lines.h"

namespace diptych {
namespace attribute_tables {

constexpr size_t kNone = std::string::npos;

struct Places {
  size_t file, attribute, object, split, count;
};

size_t place_of_column(const std::vector<std::string>& header, const std::string& name, const Place& place) {
  const auto count = std::ranges::count(header, name);
  if (count == 0)
    throw DataError(place.text(), concat("the first line names no column '", escape_for_log(name), "'"),
                    did_you_mean(name, header));
  if (count > 1)
    throw DataError(place.text(), concat("the first line names column '", escape_for_log(name), "' twice"));
  return static_cast<size_t>(std::ranges::find(header, name) - header.begin());
}

Places places_of(const std::vector<std::string>& header, const AttributeColumns& columns, const Place& place) {
  const bool split = !columns.split.empty() && std::ranges::count(header, columns.split) > 0;
  return {place_of_column(header, columns.file, place), place_of_column(header, columns.attribute, place),
          place_of_column(header, columns.object, place), split ? place_of_column(header, columns.split, place) : kNone,
          header.size()};
}

std::vector<std::string> cells_of(std::string_view line, char separator) {
  std::vector<std::string> cells = split(line, separator);
  for (std::string& cell : cells) cell = std::string(trim(cell));
  return cells;
}

AttributedImage image_of(const std::vector<std::string>& cells, const Places& places, const AttributeColumns& columns,
                         const Place& place) {
  if (std::ranges::any_of(cells, [](const std::string& cell) { return cell.starts_with('"'); }))
    throw DataError(place.text(), "a cell begins with a quote; quoted cells are not read",
                    "separate the columns by tabs and leave the quotes out");
  if (cells.size() != places.count)
    throw DataError(place.text(), concat("expected ", places.count, " cells as in the first line; got ", cells.size()));
  for (const auto& [at, name] : {std::pair{places.file, &columns.file}, std::pair{places.attribute, &columns.attribute},
                                 std::pair{places.object, &columns.object}})
    if (cells[at].empty()) throw DataError(place.text(), concat("the cell of column '", *name, "' is empty"));
  AttributedImage image{cells[places.file], cells[places.attribute], cells[places.object], {}, place.record};
  if (places.split != kNone) image.split = split_from_word(cells[places.split], place);
  if (image.split == Split::rest) image.split = Split::train;
  return image;
}

}  // namespace attribute_tables

std::vector<AttributedImage> read_attribute_table(const std::filesystem::path& path, const AttributeColumns& columns,
                                                  RecordProblems& problems) {
  using namespace attribute_tables;
  std::vector<AttributedImage> out;
  std::optional<Places> places;
  char separator = ',';
  for_each_line(
      path,
      [&](std::string_view line, const Place& place) {
        if (!places) {
          separator = line.find('\t') == std::string_view::npos ? ',' : '\t';
          places = places_of(cells_of(line, separator), columns, place);
          return;
        }
        problems.collect([&] { out.push_back(image_of(cells_of(line, separator), *places, columns, place)); });
      },
      &problems);
  if (!places) throw DataError(escape_for_log(path.string(), 200), "is empty; the first line must name the columns");
  return out;
}

std::string label_word(std::string_view text) {
  std::string out;
  for (const std::string& part : split(lower_ascii(trim(text)), ' '))
    if (!part.empty()) out += (out.empty() ? "" : "_") + part;
  return out;
}

std::string pair_label(const AttributedImage& image) {
  return concat(label_word(image.attribute), " ", label_word(image.object));
}

std::string spoken(std::string label_word) {
  std::ranges::replace(label_word, '_', ' ');
  return label_word;
}

}  // namespace diptych
