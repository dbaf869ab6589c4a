#include "core/io/pickle_reader.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <unordered_map>

#include "diptych/core/error.h"
#include "diptych/core/text.h"

// The operations: Lib/pickletools.py of CPython. What numpy writes with them: __reduce__ and __setstate__ of ndarray,
// dtype and the scalars, and numpy/lib/format.py for the header.

namespace diptych::pickled {
namespace {

constexpr std::string_view kNpyMagic = "\x93NUMPY";
constexpr size_t kLongestLine = 4096;  // of a name or a number of protocol 0

// One bit pattern of `size` bytes, little-endian.
uint64_t little_endian(std::string_view digits) {
  uint64_t out = 0;
  for (size_t i = 0; i < digits.size(); ++i) out |= uint64_t{static_cast<uint8_t>(digits[i])} << (8 * i);
  return out;
}

// Two's complement of at most 8 bytes.
int64_t signed_of(std::string_view digits) {
  if (digits.empty()) return 0;
  const auto unused = static_cast<int>(64 - 8 * digits.size());
  return static_cast<int64_t>(little_endian(digits) << unused) >> unused;
}

bool is_accepted(std::string_view name) {
  static constexpr std::array<std::string_view, 5> kNames{"numpy.core.multiarray._reconstruct",
                                                          "numpy.core.multiarray.scalar", "numpy.ndarray",
                                                          "numpy.dtype", "_codecs.encode"};
  return std::ranges::count(kNames, name) > 0;
}

void append_utf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xc0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xe0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3f));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3f));
    out += static_cast<char>(0x80 | (code & 0x3f));
  }
}

class Reader {
 public:
  Reader(std::string_view bytes, const std::string& file, const Limits& limits)
      : bytes_(bytes), file_(file), limits_(limits), text_budget_(4 * bytes.size() + (1 << 20)) {}

  Pickle run() {
    if (bytes_.size() > limits_.max_bytes) fail(concat("is larger than ", limits_.max_bytes, " bytes"));
    if (bytes_.starts_with(kNpyMagic)) pass_npy_header();
    for (;;) {
      operation_at_ = at_;
      const auto operation = static_cast<uint8_t>(take(1)[0]);
      if (operation == '.') break;
      if (!step_value(operation) && !step_container(operation) && !step_name(operation))
        fail(concat("operation ", int{operation}, " is not accepted"));
    }
    const Value* root = pop();
    if (!stack_.empty() || !marks_.empty()) fail("values are left over at the end");
    if (at_ != bytes_.size()) fail(concat(bytes_.size() - at_, " bytes follow the end of the pickle"));
    measure(const_cast<Value*>(root));  // all values are ours
    while (const Box* box = root->as<Box>()) root = box->item;
    pickle_.root = root;
    return std::move(pickle_);
  }

 private:
  [[noreturn]] void fail(const std::string& message) const { fail_at(operation_at_, message); }
  [[noreturn]] void fail_at(uint64_t at, const std::string& message) const {
    throw DataError(concat(escape_for_log(file_, 200), " byte ", at), message);
  }

  // --- bytes

  std::string_view take(uint64_t size) {
    if (size > bytes_.size() - at_)
      fail(concat("the file ends at byte ", bytes_.size(), ", but ", size, " bytes should follow byte ", at_));
    const std::string_view out = bytes_.substr(at_, size);
    at_ += size;
    return out;
  }
  uint64_t number(size_t size) { return little_endian(take(size)); }
  std::string_view line() {
    const std::string_view rest = bytes_.substr(at_, kLongestLine);
    const size_t end = rest.find('\n');
    if (end == std::string_view::npos) fail(concat("a line of text begins at byte ", at_, " and does not end"));
    const std::string_view out = take(end);
    take(1);
    return out;
  }
  // A text of at most max_text bytes; all texts together are not much more than the file, copies by name included.
  std::string text(std::string_view content) {
    if (content.size() > text_budget_) fail("the texts are many times as long as the file");
    text_budget_ -= content.size();
    return std::string(content);
  }
  std::string_view take_text(uint64_t size) {
    if (size > limits_.max_text) fail(concat("a text of ", size, " bytes; at most ", limits_.max_text, " are read"));
    return take(size);
  }

  void pass_npy_header() {
    take(kNpyMagic.size());
    const uint64_t major = number(1);
    number(1);  // minor version
    if (major < 1 || major > 3) fail(concat(".npy version ", major, " is not read"));
    const std::string_view header = take(number(major == 1 ? 2 : 4));
    if (header.find("'|O'") == std::string_view::npos)
      fail(concat("the .npy header names no object: ", escape_for_log(trim(header), 120)));
  }

  // --- stack

  template <class T>
  Value* make(T content) {
    if (pickle_.values.size() >= limits_.max_values) fail(concat("more than ", limits_.max_values, " values"));
    return &pickle_.values.emplace_back(Value{std::move(content), operation_at_});
  }
  template <class T>
  bool push(T content) {
    stack_.push_back(make(std::move(content)));
    return true;
  }
  void require_one() const {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) fail("a value is taken, but there is none");
  }
  Value* pop() {
    require_one();
    Value* out = stack_.back();
    stack_.pop_back();
    return out;
  }
  Value& top() const {
    require_one();
    return *stack_.back();
  }
  std::vector<const Value*> pop_to_mark() {
    if (marks_.empty()) fail("values up to a mark are taken, but no mark was set");
    std::vector<const Value*> out(stack_.begin() + static_cast<int64_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return out;
  }
  bool push_tuple(size_t size) {
    std::vector<const Value*> items(size);
    for (size_t i = size; i-- > 0;) items[i] = pop();
    return push(List{std::move(items)});
  }
  bool put(uint64_t key) {
    require_one();
    memo_[key] = stack_.back();
    return true;
  }
  bool get(uint64_t key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) fail(concat("value number ", key, " is taken, which was not stored"));
    stack_.push_back(found->second);
    return true;
  }
  uint64_t line_number() {
    const auto key = parse_integer(line());
    if (!key || *key < 0) fail("a number of a stored value is none");
    return static_cast<uint64_t>(*key);
  }

  // --- numbers and texts

  bool push_line_integer() {
    std::string_view digits = line();
    if (digits == "00" || digits == "01") return push(digits == "01");
    if (digits.ends_with('L')) digits.remove_suffix(1);
    const auto value = parse_integer(digits);
    if (!value) fail(concat("'", escape_for_log(digits, 60), "' is no integer of 64 bits"));
    return push(*value);
  }
  bool push_line_float() {
    const std::string_view digits = line();
    const auto value = parse_number(digits);
    if (!value) fail(concat("'", escape_for_log(digits, 60), "' is no number"));
    return push(*value);
  }
  bool push_long(uint64_t size) {
    const std::string_view digits = take_text(size);
    if (size > 8) fail(concat("an integer of ", size, " bytes; at most 8 are read"));
    return push(signed_of(digits));
  }
  bool push_float() {
    uint64_t bits = 0;
    for (const char digit : take(8)) bits = bits << 8 | static_cast<uint8_t>(digit);
    return push(std::bit_cast<double>(bits));
  }
  bool push_unicode(uint64_t size) {
    const std::string_view content = take_text(size);
    if (const auto wrong = find_invalid_utf8(content)) fail(concat("invalid UTF-8 at byte ", *wrong, " of a text"));
    return push(text(content));
  }
  bool push_bytes(uint64_t size) { return push(Bytes{text(take_text(size))}); }

  uint32_t hex_digits(std::string_view all, size_t at, size_t count) const {
    uint32_t out = 0;
    for (size_t i = at; i < at + count; ++i) {
      const char c = i < all.size() ? all[i] : '?';
      const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c - 'A' + 10;
      if (digit < 0 || digit > 15) fail("an escape in a text is cut off or no hexadecimal number");
      out = out << 4 | static_cast<uint32_t>(digit);
    }
    return out;
  }
  // 'it\'s': a text of protocol 0 as Python writes it, for Python 2 in bytes.
  bool push_quoted() {
    std::string_view quoted = line();
    if (quoted.size() < 2 || (quoted.front() != '\'' && quoted.front() != '"') || quoted.back() != quoted.front())
      fail("a text is not in quotation marks");
    quoted = quoted.substr(1, quoted.size() - 2);
    std::string out;
    for (size_t i = 0; i < quoted.size(); ++i) {
      if (quoted[i] != '\\') {
        out += quoted[i];
        continue;
      }
      const char escape = ++i < quoted.size() ? quoted[i] : '?';
      static constexpr std::string_view kFrom = "\\'\"nrt", kTo = "\\'\"\n\r\t";
      if (escape == 'x') {
        out += static_cast<char>(hex_digits(quoted, i + 1, 2));
        i += 2;
      } else if (const size_t which = kFrom.find(escape); which != std::string_view::npos) {
        out += kTo[which];
      } else {
        fail("an escape in a text is not understood");
      }
    }
    return push(text(out));
  }
  // Latin-1 with \uXXXX and \UXXXXXXXX.
  bool push_raw_unicode() {
    const std::string_view raw = line();
    std::string out;
    for (size_t i = 0; i < raw.size(); ++i) {
      const bool is_escape = raw[i] == '\\' && i + 1 < raw.size() && (raw[i + 1] == 'u' || raw[i + 1] == 'U');
      if (!is_escape) {
        append_utf8(out, static_cast<uint8_t>(raw[i]));
        continue;
      }
      const size_t digits = raw[i + 1] == 'u' ? 4 : 8;
      const uint32_t code = hex_digits(raw, i + 2, digits);
      if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) fail(concat("U+", code, " is no character"));
      append_utf8(out, code);
      i += 1 + digits;
    }
    return push(text(out));
  }

  bool step_value(uint8_t operation) {
    switch (operation) {
      case 'N':
        return push(None{});
      case 0x88:
      case 0x89:
        return push(operation == 0x88);
      case 'I':
      case 'L':
        return push_line_integer();
      case 'K':
        return push(static_cast<int64_t>(number(1)));
      case 'M':
        return push(static_cast<int64_t>(number(2)));
      case 'J':
        return push(signed_of(take(4)));
      case 0x8a:
        return push_long(number(1));
      case 0x8b:
        return push_long(number(4));
      case 'F':
        return push_line_float();
      case 'G':
        return push_float();
      case 'S':
        return push_quoted();
      case 'V':
        return push_raw_unicode();
      case 'U':
        return push(text(take_text(number(1))));
      case 'T':
        return push(text(take_text(number(4))));
      case 0x8c:
        return push_unicode(number(1));
      case 'X':
        return push_unicode(number(4));
      case 0x8d:
        return push_unicode(number(8));
      case 'C':
        return push_bytes(number(1));
      case 'B':
        return push_bytes(number(4));
      case 0x8e:
        return push_bytes(number(8));
      default:
        return false;
    }
  }

  // --- containers

  bool set_items(std::vector<const Value*> items) {
    auto* dict = std::get_if<Dict>(&top().content);
    if (!dict) fail(concat("items are set in ", kind_of(top()), ", not a dictionary"));
    if (items.size() % 2 != 0) fail("a key has no value");
    for (size_t i = 0; i < items.size(); i += 2) dict->entries.emplace_back(items[i], items[i + 1]);
    return true;
  }
  bool append(const std::vector<const Value*>& items) {
    auto* list = std::get_if<List>(&top().content);
    if (!list) fail(concat("items are appended to ", kind_of(top()), ", not a list"));
    list->items.insert(list->items.end(), items.begin(), items.end());
    return true;
  }
  bool set_mark() {
    if (marks_.size() >= static_cast<size_t>(limits_.max_depth))
      fail(concat("more than ", limits_.max_depth, " marks in one another"));
    marks_.push_back(stack_.size());
    return true;
  }

  bool step_container(uint8_t operation) {
    switch (operation) {
      case '(':
        return set_mark();
      case '0':
        return pop(), true;
      case '1':
        return pop_to_mark(), true;
      case '2':
        return stack_.push_back(&top()), true;
      case '}':
        return push(Dict{});
      case ']':
      case ')':
        return push(List{});
      case 'l':
      case 't':
        return push(List{pop_to_mark()});
      case 'd': {
        auto items = pop_to_mark();
        push(Dict{});
        return set_items(std::move(items));
      }
      case 0x85:
      case 0x86:
      case 0x87:
        return push_tuple(operation - 0x84u);
      case 's': {
        const Value *item = pop(), *key = pop();
        return set_items({key, item});
      }
      case 'u':
        return set_items(pop_to_mark());
      case 'a':
        return append({pop()});
      case 'e':
        return append(pop_to_mark());
      case 'p':
        return put(line_number());
      case 'q':
        return put(number(1));
      case 'r':
        return put(number(4));
      case 0x94:
        return put(memo_.size());
      case 'g':
        return get(line_number());
      case 'h':
        return get(number(1));
      case 'j':
        return get(number(4));
      default:
        return false;
    }
  }

  // --- names, and what numpy does with them

  bool push_function(std::string name) {
    if (const std::string_view newer = "numpy._core."; name.starts_with(newer))
      name = concat("numpy.core.", name.substr(newer.size()));
    if (!is_accepted(name))
      throw DataError(concat(escape_for_log(file_, 200), " byte ", operation_at_),
                      concat("the pickle refers to '", escape_for_log(name, 200), "', which is not accepted"),
                      "a pickle can hold a program; only plain values and numpy's arrays of them are read");
    return push(Function{text(name)});
  }
  template <class T>
  const T& argument(const List& arguments, size_t index, const char* what) const {
    if (index >= arguments.items.size()) fail(concat("the argument '", what, "' is missing"));
    const T* found = arguments.items[index]->as<T>();
    if (!found) fail(concat("the argument '", what, "' is ", kind_of(*arguments.items[index])));
    return *found;
  }
  // Bytes, which Python 2 calls a text.
  std::string_view raw_argument(const List& arguments, size_t index, const char* what) const {
    if (index < arguments.items.size())
      if (const auto* bytes = arguments.items[index]->as<Bytes>()) return bytes->bytes;
    return argument<std::string>(arguments, index, what);
  }

  bool reduce() {
    const Value *arguments = pop(), *function = pop();
    const auto* name = function->as<Function>();
    const auto* list = arguments->as<List>();
    if (!name || !list) fail(concat(kind_of(*function), " is called with ", kind_of(*arguments)));
    if (name->name == "_codecs.encode") return encode(*list);
    if (name->name == "numpy.dtype") return push(dtype_of(argument<std::string>(*list, 0, "dtype")));
    if (name->name == "numpy.core.multiarray.scalar") return scalar(*list);
    if (name->name != "numpy.core.multiarray._reconstruct") fail(concat(name->name, " is called"));
    if (argument<Function>(*list, 0, "type").name != "numpy.ndarray") fail("an array is of another type than ndarray");
    return push(EmptyArray{});
  }

  // Bytes as protocol 2 of Python 3 writes them: a text of characters below 256.
  bool encode(const List& arguments) {
    const std::string& code = argument<std::string>(arguments, 1, "encoding");
    if (code != "latin1" && code != "latin-1") fail(concat("the encoding '", escape_for_log(code, 60), "' is unknown"));
    const std::string& content = argument<std::string>(arguments, 0, "text");
    std::string out = text(content);  // longer than needed, so that the budget counts it
    out.clear();
    for (size_t i = 0; i < content.size(); ++i) {
      const auto lead = static_cast<uint8_t>(content[i]);
      if (lead < 0x80) {
        out += content[i];
        continue;
      }
      if ((lead != 0xc2 && lead != 0xc3) || i + 1 >= content.size()) fail("a text of bytes holds other characters");
      out += static_cast<char>((lead & 0x03) << 6 | (static_cast<uint8_t>(content[++i]) & 0x3f));
    }
    return push(Bytes{std::move(out)});
  }

  Dtype dtype_of(std::string_view code) const {
    const std::string shown = escape_for_log(code, 60);
    if (code.starts_with('<') || code.starts_with('|') || code.starts_with('=')) code.remove_prefix(1);
    if (code.starts_with('O')) return {'O', 8};
    const int64_t width = code.size() < 2 ? 0 : parse_integer(code.substr(1)).value_or(0);
    const char kind = code.empty() ? '\0' : code[0];
    const bool is_power = width == 1 || width == 2 || width == 4 || width == 8;
    if ((kind == 'U' || kind == 'S') && width >= 1 && width <= 1 << 20)
      return {kind, static_cast<uint64_t>(kind == 'U' ? 4 * width : width)};
    if (((kind == 'i' || kind == 'u') && is_power) || (kind == 'b' && width == 1) ||
        (kind == 'f' && (width == 4 || width == 8)))
      return {kind, static_cast<uint64_t>(width)};
    fail(concat("dtype '", shown, "' is not read"));
  }

  // One element of an array.
  Value* element(const Dtype& dtype, std::string_view bytes) {
    switch (dtype.kind) {
      case 'b':
        return make(bytes[0] != 0);
      case 'i':
        return make(signed_of(bytes));
      case 'u':
        if (const uint64_t value = little_endian(bytes); value <= uint64_t{std::numeric_limits<int64_t>::max()})
          return make(static_cast<int64_t>(value));
        fail("an integer is beyond 63 bits");
      case 'f':
        return make(dtype.bytes == 8 ? std::bit_cast<double>(little_endian(bytes))
                                     : double{std::bit_cast<float>(static_cast<uint32_t>(little_endian(bytes)))});
      case 'S':
        return make(Bytes{text(bytes.substr(0, bytes.find_last_not_of('\0') + 1))});
      default:
        return make(text(letters(bytes)));
    }
  }
  // Characters of 32 bits, padded by zeros.
  std::string letters(std::string_view bytes) const {
    std::string out;
    for (size_t i = 0; i + 4 <= bytes.size(); i += 4) {
      const auto code = static_cast<uint32_t>(little_endian(bytes.substr(i, 4)));
      if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) fail(concat("U+", code, " is no character"));
      append_utf8(out, code);
    }
    return out.substr(0, out.find_last_not_of('\0') + 1);
  }

  bool scalar(const List& arguments) {
    const Dtype dtype = argument<Dtype>(arguments, 0, "dtype");
    if (dtype.kind == 'O') fail("a scalar is an object");
    const std::string_view bytes = raw_argument(arguments, 1, "value");
    if (bytes.size() != dtype.bytes) fail(concat("a scalar of ", dtype.bytes, " bytes has ", bytes.size()));
    stack_.push_back(element(dtype, bytes));
    return true;
  }

  bool build() {
    const Value* state = pop();
    const auto* list = state->as<List>();
    Value& target = top();
    if (!list) fail(concat("the state of ", kind_of(target), " is ", kind_of(*state)));
    if (const auto* dtype = target.as<Dtype>()) {
      const std::string_view order = raw_argument(*list, 1, "byte order");
      if (order == ">" && dtype->bytes > 1) fail("numbers in big-endian order are not read");
    } else if (target.as<EmptyArray>()) {
      fill_array(target, *list);
    } else {
      fail(concat("the state of ", kind_of(target), " is set"));
    }
    return true;
  }

  // (version, shape, dtype, in Fortran's order, elements)
  void fill_array(Value& target, const List& state) {
    const List& shape = argument<List>(state, 1, "shape");
    const Dtype dtype = argument<Dtype>(state, 2, "dtype");
    if (shape.items.size() > 1) fail(concat("an array of ", shape.items.size(), " axes is not read; at most one"));
    const int64_t count = shape.items.empty() ? 1 : argument<int64_t>(shape, 0, "shape");
    std::vector<const Value*> items;
    if (dtype.kind == 'O') {
      items = argument<List>(state, 4, "elements").items;
    } else {
      const std::string_view bytes = raw_argument(state, 4, "elements");
      if (bytes.size() % dtype.bytes != 0) fail(concat("elements of ", dtype.bytes, " bytes have ", bytes.size()));
      for (size_t at = 0; at < bytes.size(); at += dtype.bytes)
        items.push_back(element(dtype, bytes.substr(at, dtype.bytes)));
    }
    if (count < 0 || static_cast<uint64_t>(count) != items.size())
      fail(concat("an array of ", count, " elements has ", items.size()));
    if (shape.items.empty())
      target.content = Box{items[0]};
    else
      target.content = List{std::move(items)};
  }

  bool step_name(uint8_t operation) {
    switch (operation) {
      case 0x80:
        if (const uint64_t version = number(1); version > 5) fail(concat("pickle protocol ", version));
        return true;
      case 0x95:  // FRAME: the length of what follows
        if (const uint64_t length = number(8); length > bytes_.size() - at_)
          fail(concat("a frame of ", length, " bytes, of which ", bytes_.size() - at_, " are there"));
        return true;
      case 'c': {
        const std::string_view module = line();
        return push_function(concat(module, ".", line()));
      }
      case 0x93: {
        const Value *name = pop(), *module = pop();
        if (!name->as<std::string>() || !module->as<std::string>()) fail("a name is no text");
        return push_function(concat(*module->as<std::string>(), ".", *name->as<std::string>()));
      }
      case 'R':
        return reduce();
      case 'b':
        return build();
      default:
        return false;
    }
  }

  // --- depth

  static size_t children(const Value& value) {
    if (const auto* list = value.as<List>()) return list->items.size();
    if (const auto* dict = value.as<Dict>()) return 2 * dict->entries.size();
    return value.as<Box>() ? 1 : 0;
  }
  static Value* child(const Value& value, size_t index) {
    const Value* out = value.as<Box>()    ? value.as<Box>()->item
                       : value.as<List>() ? value.as<List>()->items[index]
                       : index % 2 == 0   ? value.as<Dict>()->entries[index / 2].first
                                          : value.as<Dict>()->entries[index / 2].second;
    return const_cast<Value*>(out);
  }

  // Fills in heights below `root`, each value once however often it is shared. Not recursive: the file decides how deep
  // it goes.
  void measure(Value* root) {
    constexpr int32_t kOpen = -2;
    std::vector<std::pair<Value*, size_t>> path = {{root, 0}};
    root->height = kOpen;
    const auto require_depth = [&](const Value& at, int64_t depth) {
      if (depth > limits_.max_depth) fail_at(at.at, concat("values are nested more than ", limits_.max_depth, " deep"));
    };
    std::vector<int32_t> below = {0};  // the greatest height among the children seen, for each value of the path
    while (!path.empty()) {
      auto& [value, next] = path.back();
      if (next == children(*value)) {
        value->height = children(*value) == 0 ? 0 : below.back() + 1;
        const int32_t height = value->height;
        path.pop_back(), below.pop_back();
        if (!below.empty()) below.back() = std::max(below.back(), height);
        continue;
      }
      Value* inner = child(*value, next++);
      if (inner->height == kOpen) fail_at(inner->at, "a value contains itself");
      if (inner->height >= 0) {
        require_depth(*inner, static_cast<int64_t>(path.size()) + inner->height);
        below.back() = std::max(below.back(), inner->height);
        continue;
      }
      inner->height = kOpen;
      path.emplace_back(inner, 0), below.push_back(0);
      require_depth(*inner, static_cast<int64_t>(path.size()) - 1);
    }
  }

  std::string_view bytes_;
  const std::string& file_;
  Limits limits_;
  size_t at_ = 0, operation_at_ = 0;
  uint64_t text_budget_;
  Pickle pickle_;
  std::vector<Value*> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint64_t, Value*> memo_;
};

}  // namespace

Pickle read(std::string_view bytes, const std::string& file, const Limits& limits) {
  return Reader(bytes, file, limits).run();
}

std::string kind_of(const Value& value) {
  static constexpr std::array kNames{"nothing", "true or false", "an integer", "a number",
                                     "a text",  "bytes",         "a list",     "a dictionary",
                                     "a box",   "a dtype",       "a function", "an array without elements"};
  static_assert(kNames.size() == std::variant_size_v<decltype(Value::content)>);
  return kNames[value.content.index()];
}

}  // namespace diptych::pickled
