#include "data/csv.h"

#include <algorithm>
#include <map>

#include "diptych/data/vocabulary.h"

namespace diptych {
namespace csv {

struct RowText {
  std::vector<std::string> cells;
  int64_t line = 0;
};

// Walks a file row by row; quoted cells may hold separators, doubled quotes and line breaks.
class Rows {
 public:
  Rows(std::string_view text, char separator, std::string file)
      : text_(text), separator_(separator), file_(std::move(file)) {}

  bool next(RowText& row) {
    row.cells.clear();
    while (at_ < text_.size() && (text_[at_] == '\n' || text_[at_] == '\r')) line_ += text_[at_++] == '\n';
    if (at_ >= text_.size()) return false;
    row.line = line_;
    do row.cells.push_back(take_cell());
    while (at_ < text_.size() && text_[at_] == separator_ && ++at_);
    return true;
  }

 private:
  std::string take_cell() {
    if (at_ >= text_.size() || text_[at_] != '"') {
      const char stops[] = {separator_, '\n', '\0'};
      const size_t end = std::min(text_.find_first_of(stops, at_), text_.size());
      const std::string_view cell = text_.substr(at_, end - at_);
      at_ = end;
      return std::string(trim(cell));
    }
    return take_quoted();
  }
  std::string take_quoted() {
    const int64_t first_line = line_;
    std::string cell;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '"' && at_ + 1 < text_.size() && text_[at_ + 1] == '"')
        ++at_;
      else if (text_[at_] == '"')
        break;
      line_ += text_[at_] == '\n';
      cell += text_[at_];
    }
    const Place place{file_, first_line, true, {}};
    if (at_ >= text_.size()) throw DataError(place.text(), "a quoted cell does not end");
    for (++at_; at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\r');) ++at_;
    if (at_ < text_.size() && text_[at_] != separator_ && text_[at_] != '\n')
      throw DataError(place.text(), "text follows a quoted cell; quotes inside a cell are doubled");
    return cell;
  }

  std::string_view text_;
  char separator_;
  std::string file_;
  size_t at_ = 0;
  int64_t line_ = 1;
};

const char* separator_name(char separator) {
  return separator == '\t' ? "tab" : separator == ',' ? "comma" : separator == ';' ? "semicolon" : "bar";
}

// The one that cuts the header into most cells.
char separator_of(std::string_view text) {
  const std::string_view header = text.substr(0, text.find('\n'));
  char best = ',';
  for (const char each : {'\t', ';', '|'})
    if (std::count(header.begin(), header.end(), each) > std::count(header.begin(), header.end(), best)) best = each;
  return best;
}

struct Columns {
  size_t image, caption, count;
  size_t split = std::string::npos, identity = std::string::npos;
};

size_t column(const RowText& header, const std::string& name, const char* key, const Place& place) {
  const auto found = std::find(header.cells.begin(), header.cells.end(), name);
  if (found == header.cells.end())
    throw DataError(place.text(),
                    concat("the header has no column '", escape_for_log(name), "' (data.corpus.", key, ")"),
                    did_you_mean(name, header.cells));
  if (std::count(header.cells.begin(), header.cells.end(), name) > 1)
    throw DataError(place.text(), concat("the header names column '", escape_for_log(name), "' twice"));
  return found - header.cells.begin();
}

size_t split_column(const RowText& header, const CsvOptions& options, const Place& place) {
  if (std::ranges::count(header.cells, options.split_column) == 0)
    throw DataError(
        place.text(),
        concat("the header has no column '", escape_for_log(options.split_column), "' (data.corpus.split_column)"),
        concat("name the column, or have splits drawn: data.corpus.split.val=0.1 data.corpus.split.test=0.1 (",
               did_you_mean(options.split_column, header.cells), ")"));
  return column(header, options.split_column, "split_column", place);
}

Columns columns_of(const RowText& header, const CsvOptions& options, const Place& place) {
  Columns columns{column(header, options.image_column, "image_column", place),
                  column(header, options.caption_column, "caption_column", place), header.cells.size()};
  if (!options.split.given() || std::ranges::count(header.cells, options.split_column) > 0)
    columns.split = split_column(header, options, place);
  if (!options.identity_column.empty())
    columns.identity = column(header, options.identity_column, "identity_column", place);
  return columns;
}

struct Image {
  int64_t line;
  Split split;
  std::string identity;
  std::vector<std::string> captions;
};
using Images = std::map<std::string, Image>;

void add_row(const RowText& row, const Columns& columns, Place place, Images& images) {
  if (row.cells.size() != columns.count)
    throw DataError(place.text(),
                    concat("expected ", columns.count, " cells as in the header; got ", row.cells.size()));
  for (const std::string& cell : row.cells)
    if (const auto bad = find_invalid_utf8(cell))
      throw DataError(place.text(), concat("invalid UTF-8 at byte ", *bad, " of cell '", escape_for_log(cell, 40), "'"),
                      "convert the file: iconv -f LATIN1 -t UTF-8");
  place.id = row.cells[columns.image];
  if (place.id.empty()) throw DataError(place.text(), "the image cell is empty");
  const Split split =
      columns.split == std::string::npos ? Split::train : split_from_word(row.cells[columns.split], place);
  const std::string identity = columns.identity == std::string::npos ? "" : row.cells[columns.identity];
  if (columns.identity != std::string::npos && identity.empty())
    throw DataError(place.text(), "the identity cell is empty");
  Image& image = images.try_emplace(place.id, Image{row.line, split, identity, {}}).first->second;
  if (image.split != split)
    throw DataError(place.text(), concat("split leak: ", enum_text(split), " here, ", enum_text(image.split),
                                         " in line ", image.line));
  if (image.identity != identity)
    throw DataError(place.text(), concat("identity '", escape_for_log(identity), "' here, '",
                                         escape_for_log(image.identity), "' in line ", image.line));
  image.captions.push_back(row.cells[columns.caption]);
}

// For a file without a split column.
void deal_splits(Images& images, const SplitShares& shares) {
  std::vector<std::string> keys;
  for (const auto& [name, image] : images) keys.push_back(image.identity.empty() ? name : image.identity);
  const std::vector<Split> splits = draw_splits(keys, shares);
  size_t at = 0;
  for (auto& [name, image] : images) image.split = splits[at++];
}

struct Content {
  Images images;
  bool splits_drawn;
};

Content read_images(const std::string& text, char separator, const CsvOptions& options, const std::string& file) {
  Rows rows(text, separator, file);
  RowText row;
  if (!rows.next(row)) throw DataError(escape_for_log(file, 200), "is empty; the first row must name the columns");
  const Columns columns = columns_of(row, options, {file, row.line, true, {}});
  Images images;
  RecordProblems problems(file);
  while (rows.next(row)) problems.collect([&] { add_row(row, columns, {file, row.line, true, {}}, images); });
  problems.throw_if_any();
  const bool drawn = columns.split == std::string::npos;
  if (drawn && !images.empty()) deal_splits(images, options.split);
  return {std::move(images), drawn};
}

}  // namespace csv

Corpus CsvReader::read() const {
  const auto path = options_.below_root(options_.annotations);
  Corpus corpus = begin_corpus(options_, path);
  corpus.records_are_lines = true;
  corpus.has_identities = !options_.identity_column.empty();
  const std::string text = read_annotation(path);
  const char separator = csv::separator_of(text);
  corpus.notes.push_back(concat("separator: ", csv::separator_name(separator)));

  ImageFinder finder(corpus.image_root);
  LabelNumbers labels(corpus);
  const csv::Content content = csv::read_images(text, separator, options_, path.string());
  if (content.splits_drawn)
    corpus.notes.push_back(concat("splits drawn: val ", options_.split.val, ", test ", options_.split.test, ", seed ",
                                  options_.split.seed));
  for (const auto& [name, image] : content.images) {
    const auto row = static_cast<int64_t>(corpus.images.size());
    const int64_t label = corpus.has_identities ? labels(image.identity) : row;
    corpus.images.push_back({finder.find({name}), name, image.split, label, image.line});
    std::vector<std::string> captions = image.captions;
    std::sort(captions.begin(), captions.end());
    for (const std::string& caption : captions) corpus.captions.push_back({caption, tokenize(caption), row});
  }
  end_corpus(corpus, options_);
  return corpus;
}

}  // namespace diptych
