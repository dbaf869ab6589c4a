#include "diptych/data/word_vectors.h"

#include <torch/torch.h>

#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>

namespace diptych {
namespace vectors {

using Fields = std::vector<std::string_view>;

// Split at single ASCII spaces: tokens may hold U+00A0.
Fields fields_of(std::string_view line) {
  Fields fields;
  for (size_t begin = 0; begin <= line.size();) {
    const size_t end = std::min(line.find(' ', begin), line.size());
    fields.push_back(line.substr(begin, end - begin));
    begin = end + 1;
  }
  return fields;
}

std::string_view without_end(std::string_view line) {
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
  return line;
}

int64_t trailing_numbers(const Fields& fields) {
  int64_t count = 0;
  while (count + 1 < static_cast<int64_t>(fields.size()) && parse_number(fields[fields.size() - 1 - count])) ++count;
  return count;
}

// Position before the last `count` fields: where the token ends; npos if there are fewer.
size_t token_end(std::string_view line, int64_t count) {
  size_t at = line.size();
  for (int64_t i = 0; i < count; ++i) {
    if (at == 0) return std::string_view::npos;
    at = line.rfind(' ', at - 1);
    if (at == std::string_view::npos) return at;
  }
  return at;
}

class Reader {
 public:
  Reader(const std::filesystem::path& path, const Vocabulary& words)
      : name_(escape_for_log(path.string(), 200)), vocabulary_(words), file_(path) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(path, error) || !file_)
      throw DataError(name_, std::filesystem::exists(path, error) ? "is not a readable regular file" : "No such file",
                      "data.text.word_vectors must be a GloVe or word2vec text file");
  }

  WordVectors read() {
    read_first_line();
    while (next_line())
      if (!line_.empty()) add_line();
    if (file_.bad()) fail("reading stopped with an error");
    if (announced_ > 0 && announced_ != vectors_read_)
      fail(concat("the header announces ", announced_, " vectors; the file holds ", vectors_read_),
           "the file is cut off");
    return {table_, found_, dimension_};
  }

 private:
  [[noreturn]] void fail(const std::string& message, const std::string& hint = "") const {
    throw DataError(concat(name_, ":", line_number_), message, hint);
  }

  bool next_line() {
    if (!std::getline(file_, text_)) return false;
    ++line_number_;
    line_ = without_end(text_);
    return true;
  }

  void read_first_line() {
    if (!next_line() || line_.empty()) throw DataError(name_, "is empty; expected lines 'word number number ...'");
    const Fields fields = fields_of(line_);
    const auto rows = parse_integer(fields[0]);
    const auto columns = fields.size() == 2 ? parse_integer(fields[1]) : std::nullopt;
    if (rows && columns && *rows > 0 && *columns > 0) {
      announced_ = *rows;
      make_table(*columns);
    } else {
      make_table(trailing_numbers(fields));
      add_line();
    }
  }

  void make_table(int64_t dimension) {
    constexpr int64_t kMaxDimension = 10000;
    if (dimension < 1 || dimension > kMaxDimension)
      fail(concat("expected 'word number number ...' with 1 to ", kMaxDimension, " numbers; got ", dimension));
    dimension_ = dimension;
    table_ = torch::zeros({vocabulary_.size(), dimension}, torch::kFloat);
    found_ = torch::zeros({vocabulary_.size()}, torch::kBool);
  }

  void add_line() {
    const size_t end = token_end(line_, dimension_);
    if (end == std::string_view::npos || end == 0)
      fail(concat("expected a word and ", dimension_, " numbers; got ", fields_of(line_).size(), " fields"),
           "the dimension is that of the first line; the file may be cut off");
    ++vectors_read_;
    const std::string word(line_.substr(0, end));
    const int64_t id = vocabulary_.id(word);
    bool* found = found_.data_ptr<bool>();
    if (id == Vocabulary::kUnknown || found[id]) return;
    found[id] = true;
    float* out = table_.data_ptr<float>() + id * dimension_;
    for (const std::string_view field : fields_of(line_.substr(end + 1))) {
      const auto value = parse_number(field);
      if (!value || !std::isfinite(static_cast<float>(*value)))
        fail(concat("the vector of '", escape_for_log(word), "' holds '", escape_for_log(field),
                    "'; expected finite numbers"));
      *out++ = static_cast<float>(*value);
    }
  }

  std::string name_;
  const Vocabulary& vocabulary_;
  std::ifstream file_;
  std::string text_;
  std::string_view line_;
  int64_t line_number_ = 0, announced_ = 0, vectors_read_ = 0, dimension_ = 0;
  at::Tensor table_, found_;
};

}  // namespace vectors

WordVectors read_word_vectors(const std::filesystem::path& path, const Vocabulary& vocabulary) {
  return vectors::Reader(path, vocabulary).read();
}

}  // namespace diptych
