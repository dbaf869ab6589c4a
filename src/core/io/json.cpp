#include "diptych/core/io/json.h"

#include <algorithm>
#include <iterator>
#include <unordered_set>

#include "core/io/posix.h"
#include "diptych/core/io/foreign.h"
#include "diptych/core/io/fs.h"
#include "diptych/core/text.h"

namespace diptych {

namespace {

constexpr size_t kMaxDepth = 64;

/// A document being read: knows how far the reader has come, so that complaints have a place.
struct JsonText {
  std::string_view text;
  const std::string& name;
  ErrorClass error_class;
  const char* seen = nullptr;  // one past the last character handed out

  [[noreturn]] void fail(size_t offset, const std::string& message, const std::string& hint = "") const {
    size_t line = 1, column = 1;
    for (const char c : text.substr(0, offset)) c == '\n' ? (++line, column = 1) : ++column;
    posix::raise(error_class, concat(name, ":", line, ":", column), message, hint);
  }
  size_t offset() const { return static_cast<size_t>(seen - text.data()); }
  /// Where the string that was just read begins: back from its closing quote to the one that is not escaped.
  size_t start_of_string() const {
    size_t at = offset() - 1;
    while (at > 0) {
      if (text[--at] != '"') continue;
      size_t backslashes = 0;
      while (backslashes < at && text[at - 1 - backslashes] == '\\') ++backslashes;
      if (backslashes % 2 == 0) break;
    }
    return at;
  }
};

/// Characters for nlohmann's reader, which says nowhere how far it has read.
class JsonCharacters {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;
  JsonCharacters(const char* at, JsonText* document) : at_(at), document_(document) {}
  reference operator*() const { return *at_; }
  JsonCharacters& operator++() {
    document_->seen = ++at_;
    return *this;
  }
  JsonCharacters operator++(int) {
    const auto before = *this;
    ++*this;
    return before;
  }
  bool operator==(const JsonCharacters& other) const { return at_ == other.at_; }
  bool operator!=(const JsonCharacters& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  JsonText* document_;
};

/// Builds the value; refuses what nlohmann lets pass: duplicate keys, deep nesting, NUL in text.
class StrictBuilder : public nlohmann::json_sax<Json> {
 public:
  explicit StrictBuilder(const JsonText& document) : document_(document) {}
  Json result;

  bool null() override { return put(nullptr); }
  bool boolean(bool value) override { return put(value); }
  bool number_integer(number_integer_t value) override { return put(value); }
  bool number_unsigned(number_unsigned_t value) override { return put(value); }
  bool number_float(number_float_t value, const string_t&) override { return put(value); }
  bool binary(binary_t&) override { return false; }
  bool string(string_t& value) override {
    refuse_nul(value);
    return put(std::move(value));
  }
  bool key(string_t& value) override {
    refuse_nul(value);
    if (!note_key(value))
      document_.fail(document_.start_of_string(), concat("duplicate key '", escape_for_log(value), "'"),
                     "keep one of the two");
    object().emplace_back(std::move(value), nullptr);
    return true;
  }
  bool start_object(size_t) override { return open(Json::object()); }
  bool end_object() override { return close(); }
  bool start_array(size_t) override { return open(Json::array()); }
  bool end_array() override { return close(); }
  bool parse_error(size_t characters_read, const std::string&, const nlohmann::detail::exception& exception) override {
    error = exception.what();
    error_at = characters_read > 0 ? characters_read - 1 : 0;
    return false;
  }
  std::string error;
  size_t error_at = 0;

 private:
  struct Container {
    Json* value;
    std::unordered_set<std::string> keys;  // only when there are many
  };

  Json::object_t& object() { return open_.back().value->get_ref<Json::object_t&>(); }

  /// False if the open object has the key already. nlohmann's ordered map looks through all keys for each new one.
  bool note_key(const std::string& name) {
    constexpr size_t kFew = 16;
    auto& keys = open_.back().keys;
    if (object().size() > kFew) return keys.insert(name).second;
    for (const auto& [known, value] : object())
      if (known == name) return false;
    if (object().size() == kFew) {
      for (const auto& [known, value] : object()) keys.insert(known);
      keys.insert(name);
    }
    return true;
  }
  template <class T>
  Json* place(T&& value) {
    if (open_.empty()) return &(result = std::forward<T>(value));
    Json& parent = *open_.back().value;
    if (parent.is_object()) return &(object().back().second = std::forward<T>(value));
    auto& items = parent.get_ref<Json::array_t&>();
    items.emplace_back(std::forward<T>(value));
    return &items.back();
  }
  template <class T>
  bool put(T&& value) {
    place(std::forward<T>(value));
    return true;
  }
  bool open(Json container) {
    if (open_.size() == kMaxDepth) document_.fail(document_.offset() - 1, concat("nested deeper than ", kMaxDepth));
    open_.push_back({place(std::move(container)), {}});
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }
  void refuse_nul(const std::string& text) const {
    if (text.find('\0') == std::string::npos) return;
    const size_t at = document_.start_of_string();
    document_.fail(at, concat("NUL character inside text (byte offset ", at, ")"));
  }

  const JsonText& document_;
  std::vector<Container> open_;  // pointers stay valid: a container grows only while it is the innermost
};

/// The text format that JSON was mistaken for, or "".
std::string format_of_text(std::string_view text) {
  const std::string_view body = trim(text);
  const std::string_view first = body.substr(0, body.find('\n'));
  if (first.empty() || first[0] == '{' || first[0] == '[') {
    const auto next = body.substr(std::min(body.size(), first.size() + 1));
    return !next.empty() && next[0] == '{' && trim(first).back() == '}' ? "JSON Lines (one value a line)" : "";
  }
  if (first[0] == '<') return "HTML or XML";
  if (first.find('\t') != std::string_view::npos) return "TSV";
  if (first.find(',') != std::string_view::npos || first.find(';') != std::string_view::npos) return "CSV";
  if (first.substr(0, 3) == "---" || first.find(": ") != std::string_view::npos) return "YAML";
  return "";
}

/// "[json.exception.parse_error.101] parse error at line 1, column 2: syntax error while ..." without what we say
/// better.
std::string plain_reason(std::string_view what) {
  for (const std::string_view lead : {"] ", "column "})
    if (const size_t at = what.find(lead); at != std::string_view::npos) what.remove_prefix(at + lead.size());
  if (const size_t at = what.find(": "); at != std::string_view::npos && at < 12) what.remove_prefix(at + 2);
  return escape_for_log(what, 240);
}

void refuse_what_is_no_text(const JsonText& document) {
  const auto& [text, name, error_class, seen] = document;
  if (trim(text).empty()) posix::raise(error_class, name, "is empty; JSON is expected");
  if (const std::string format = foreign_format(text); !format.empty())
    posix::raise(error_class, name, "expected JSON; this looks like " + format, foreign_format_remedy(format));
  if (const auto at = find_invalid_utf8(text))
    document.fail(*at, concat("invalid UTF-8 at byte offset ", *at), "save the file as UTF-8");
}

}  // namespace

Json parse_json(std::string_view text, const std::string& name, ErrorClass error_class) {
  JsonText document{text, name, error_class};
  refuse_what_is_no_text(document);
  const size_t start = text.substr(0, 3) == "\xef\xbb\xbf" ? 3 : 0;
  StrictBuilder builder(document);
  const char* begin = document.seen = text.data() + start;
  const bool complete =
      Json::sax_parse(JsonCharacters(begin, &document), JsonCharacters(text.data() + text.size(), &document), &builder);
  if (complete) return std::move(builder.result);
  const std::string format = format_of_text(text.substr(start));
  const size_t at = std::min(start + builder.error_at, text.size());
  document.fail(at, concat("expected JSON", format.empty() ? "" : "; this looks like ", format, ": ",
                           plain_reason(builder.error), " (byte offset ", at, ")"));
}

Json load_json(const std::filesystem::path& path, uint64_t max_bytes, ErrorClass error_class) {
  return parse_json(read_file(path, max_bytes, error_class), posix::shown(path), error_class);
}

std::string dump_line(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

void detail::fail_field(const Json& object, const char* key, const char* kind, const std::string& name,
                        ErrorClass error_class) {
  if (!object.is_object()) throw Error(error_class, name, concat("needed is an object with '", key, "'"));
  const auto found = object.find(key);
  if (found == object.end()) throw Error(error_class, name, concat("'", key, "' is missing"));
  throw Error(error_class, name, concat("'", key, "' is ", escape_for_log(dump_line(*found)), ", needed is ", kind));
}

}  // namespace diptych
