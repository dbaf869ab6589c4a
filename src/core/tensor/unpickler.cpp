#include "core/tensor/unpickler.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <map>
#include <unordered_map>

#include "diptych/core/text.h"

// The operations: Lib/pickletools.py of CPython. What torch.save writes with them: torch/serialization.py.

namespace diptych::pickle {
namespace {

constexpr size_t kMaxText = 1 << 20;

[[noreturn]] void bad(std::string message) { throw BadPickle{std::move(message), ""}; }

bool is_storage(const std::string& name) {
  static constexpr std::array kTypes{"Double", "Float", "Half", "BFloat16", "Long",
                                     "Int",    "Short", "Char", "Byte",     "Bool"};
  return std::any_of(kTypes.begin(), kTypes.end(),
                     [&](const char* type) { return name == concat("torch.", type, "Storage"); });
}

bool is_known(const std::string& name) {
  static constexpr std::array kFunctions{"collections.OrderedDict", "torch._utils._rebuild_tensor_v2",
                                         "torch._utils._rebuild_tensor", "torch._utils._rebuild_parameter",
                                         "torch.Size"};
  return is_storage(name) || std::find(kFunctions.begin(), kFunctions.end(), name) != kFunctions.end();
}

class Machine {
 public:
  Machine(std::string_view bytes, size_t at) : bytes_(bytes), at_(at) {}

  Pickle run() {
    for (;;) {
      const size_t place = at_;
      const auto operation = static_cast<uint8_t>(text(1)[0]);
      if (operation == '.') break;
      if (!step(operation)) bad(concat("operation ", int{operation}, " at byte ", place, " is not accepted"));
    }
    pickle_.root = pop();
    if (!stack_.empty() || !marks_.empty()) bad("values are left on the stack at the end");
    return std::move(pickle_);
  }
  size_t at() const { return at_; }

 private:
  // --- bytes

  std::string_view text(uint64_t size) {
    if (size > bytes_.size() - at_) bad(concat("ends at byte ", bytes_.size(), ", ", size, " bytes more are named"));
    const std::string_view out = bytes_.substr(at_, size);
    at_ += size;
    return out;
  }
  uint64_t number(size_t size) {
    const std::string_view digits = text(size);
    uint64_t out = 0;
    for (size_t i = 0; i < size; ++i) out |= uint64_t{static_cast<uint8_t>(digits[i])} << (8 * i);
    return out;
  }
  std::string line() {
    const size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos || end - at_ > 4096) bad("a name does not end");
    std::string out(text(end - at_));
    text(1);
    return out;
  }
  /// Little-endian two's complement of any length that fits 64 bits; longer ones only as the legacy magic number.
  int64_t long_integer(uint64_t size) {
    const std::string_view digits = text(size);
    uint64_t out = 0;
    const bool negative = size > 0 && static_cast<uint8_t>(digits.back()) >= 0x80;
    for (size_t i = 0; i < 8; ++i)
      out |= uint64_t{i < size ? static_cast<uint8_t>(digits[i]) : negative ? uint8_t{255} : uint8_t{0}} << (8 * i);
    return static_cast<int64_t>(out);
  }

  // --- stack

  template <class T>
  ValuePtr value(T content) {
    return &pickle_.values.emplace_back(std::move(content));
  }
  void push(ValuePtr each) { stack_.push_back(each); }
  ValuePtr pop() {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) bad("takes from an empty stack");
    ValuePtr out = stack_.back();
    stack_.pop_back();
    return out;
  }
  Value& top() {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) bad("looks at an empty stack");
    return *stack_.back();
  }
  std::vector<ValuePtr> pop_to_mark() {
    if (marks_.empty()) bad("takes to a mark that was not set");
    std::vector<ValuePtr> out(stack_.begin() + static_cast<int64_t>(marks_.back()), stack_.end());
    stack_.resize(marks_.back());
    marks_.pop_back();
    return out;
  }
  void push_tuple(size_t size) {
    std::vector<ValuePtr> items(size);
    for (size_t i = size; i-- > 0;) items[i] = pop();
    push(value(List{std::move(items)}));
  }
  void put(uint64_t key) {
    top();
    if (key > bytes_.size()) bad(concat("stores under number ", key));
    memo_[key] = stack_.back();
  }
  void get(uint64_t key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) bad(concat("takes number ", key, ", which was not stored"));
    push(found->second);
  }

  // --- operations

  void set_items(Value& target, std::vector<ValuePtr> items) {
    auto* dict = std::get_if<Dict>(&target);
    if (!dict || items.size() % 2 != 0) bad("sets items of something that is no dictionary");
    for (size_t i = 0; i < items.size(); i += 2) dict->entries.emplace_back(items[i], items[i + 1]);
  }
  void append(Value& target, std::vector<ValuePtr> items) {
    auto* list = std::get_if<List>(&target);
    if (!list) bad("appends to something that is no list");
    list->items.insert(list->items.end(), items.begin(), items.end());
  }
  void global(const std::string& module, const std::string& name) {
    const std::string whole = module + "." + name;
    if (!is_known(whole)) throw BadPickle{"", whole};
    push(value(Global{whole}));
  }

  template <class T>
  const T& argument(const List& arguments, size_t index, const char* what) {
    if (index >= arguments.items.size()) bad(concat("a function lacks its argument '", what, "'"));
    const auto* found = std::get_if<T>(&*arguments.items[index]);
    if (!found) bad(concat("the argument '", what, "' is ", kind_of(*arguments.items[index])));
    return *found;
  }
  std::vector<int64_t> integers(const List& list, const char* what) {
    std::vector<int64_t> out;
    for (size_t i = 0; i < list.items.size(); ++i) out.push_back(argument<int64_t>(list, i, what));
    return out;
  }

  void reduce() {
    const ValuePtr arguments_value = pop(), function_value = pop();
    const auto* function = std::get_if<Global>(&*function_value);
    const auto* arguments = std::get_if<List>(&*arguments_value);
    if (!function || !arguments) bad("calls something that is no function");
    if (function->name == "collections.OrderedDict") return ordered_dict(*arguments);
    if (function->name == "torch._utils._rebuild_parameter") {
      argument<Tensor>(*arguments, 0, "data");
      return push(arguments->items[0]);
    }
    if (function->name == "torch.Size") {
      argument<List>(*arguments, 0, "size");
      return push(arguments->items[0]);
    }
    if (!function->name.starts_with("torch._utils._rebuild_tensor")) bad(concat("calls ", function->name));
    Tensor tensor;
    tensor.storage = argument<Storage>(*arguments, 0, "storage");
    tensor.offset = argument<int64_t>(*arguments, 1, "storage_offset");
    tensor.sizes = integers(argument<List>(*arguments, 2, "size"), "size");
    tensor.strides = integers(argument<List>(*arguments, 3, "stride"), "stride");
    push(value(std::move(tensor)));
  }
  void ordered_dict(const List& arguments) {
    Dict dict;
    if (!arguments.items.empty())
      for (const ValuePtr& each : argument<List>(arguments, 0, "items").items) {
        const auto* pair = std::get_if<List>(&*each);
        if (!pair || pair->items.size() != 2) bad("OrderedDict is made of something that is no list of pairs");
        dict.entries.emplace_back(pair->items[0], pair->items[1]);
      }
    push(value(std::move(dict)));
  }

  /// ('storage', type, key, location, count), in the legacy layout with (view key, offset, count) or None behind.
  void persistent() {
    const ValuePtr id = pop();
    const auto* list = std::get_if<List>(&*id);
    if (!list || argument<std::string>(*list, 0, "persistent id") != "storage") bad("a persistent id is no storage");
    Storage storage;
    const std::string& type = argument<Global>(*list, 1, "storage type").name;
    if (!is_storage(type)) bad(concat("'", type, "' is no type of a storage"));
    storage.type = type.substr(type.rfind('.') + 1);
    storage.key = argument<std::string>(*list, 2, "storage key");
    argument<std::string>(*list, 3, "location");
    storage.count = argument<int64_t>(*list, 4, "count");
    if (list->items.size() > 5)
      if (const auto* view = std::get_if<List>(&*list->items[5]))
        storage.view_offset = argument<int64_t>(*view, 1, "view");
    push(value(std::move(storage)));
  }

  bool step(uint8_t operation) {
    switch (operation) {
      case 0x80:  // PROTO
        if (const uint64_t version = number(1); version < 2 || version > 5) bad(concat("pickle protocol ", version));
        return true;
      case 0x95:  // FRAME
        number(8);
        return true;
      case '(':
        marks_.push_back(stack_.size());
        return true;
      case '0':
        pop();
        return true;
      case '1':
        pop_to_mark();
        return true;
      case '2':
        top();
        push(stack_.back());
        return true;
      case 'N':
        push(value(None{}));
        return true;
      case 0x88:
      case 0x89:
        push(value(operation == 0x88));
        return true;
      case 'K':
        push(value(static_cast<int64_t>(number(1))));
        return true;
      case 'M':
        push(value(static_cast<int64_t>(number(2))));
        return true;
      case 'J':
        push(value(int64_t{static_cast<int32_t>(number(4))}));
        return true;
      case 0x8a:  // LONG1
        push(value(long_integer(number(1))));
        return true;
      case 0x8b:  // LONG4
        push(value(long_integer(number(4))));
        return true;
      case 'G': {
        const std::string_view digits = text(8);
        uint64_t bits = 0;
        for (const char digit : digits) bits = bits << 8 | static_cast<uint8_t>(digit);
        push(value(std::bit_cast<double>(bits)));
        return true;
      }
      case 'X':
      case 'T':
      case 'B':
        push_text(number(4));
        return true;
      case 0x8c:
      case 'U':
      case 'C':
        push_text(number(1));
        return true;
      case 0x8d:
        push_text(number(8));
        return true;
      case '}':
        push(value(Dict{}));
        return true;
      case ']':
      case ')':
        push(value(List{}));
        return true;
      case 'd': {
        auto items = pop_to_mark();
        push(value(Dict{}));
        set_items(top(), std::move(items));
        return true;
      }
      case 't':
      case 'l':
        push(value(List{pop_to_mark()}));
        return true;
      case 0x85:
      case 0x86:
      case 0x87:
        push_tuple(operation - 0x84u);
        return true;
      case 's': {
        const ValuePtr item = pop(), key = pop();
        set_items(top(), {key, item});
        return true;
      }
      case 'u': {
        auto items = pop_to_mark();
        set_items(top(), std::move(items));
        return true;
      }
      case 'a': {
        const ValuePtr item = pop();
        append(top(), {item});
        return true;
      }
      case 'e': {
        auto items = pop_to_mark();
        append(top(), std::move(items));
        return true;
      }
      case 'q':
        put(number(1));
        return true;
      case 'r':
        put(number(4));
        return true;
      case 0x94:  // MEMOIZE
        put(memo_.size());
        return true;
      case 'h':
        get(number(1));
        return true;
      case 'j':
        get(number(4));
        return true;
      case 'c': {
        const std::string module = line();
        global(module, line());
        return true;
      }
      case 0x93: {  // STACK_GLOBAL
        const ValuePtr name = pop(), module = pop();
        const auto* first = std::get_if<std::string>(&*module);
        const auto* second = std::get_if<std::string>(&*name);
        if (!first || !second) bad("a name is no text");
        global(*first, *second);
        return true;
      }
      case 'R':
        reduce();
        return true;
      case 'b':  // BUILD: what a state_dict carries as _metadata
        pop();
        if (!std::holds_alternative<Dict>(top())) bad(concat("sets attributes of ", kind_of(top())));
        return true;
      case 'Q':
        persistent();
        return true;
      default:
        return false;
    }
  }
  void push_text(uint64_t size) {
    if (size > kMaxText) bad(concat("holds a text of ", size, " bytes"));
    push(value(std::string(text(size))));
  }

  std::string_view bytes_;
  size_t at_;
  Pickle pickle_;
  std::vector<ValuePtr> stack_;
  std::vector<size_t> marks_;
  std::unordered_map<uint64_t, ValuePtr> memo_;
};

}  // namespace

Pickle read(std::string_view bytes, size_t& at) {
  Machine machine(bytes, at);
  Pickle result = machine.run();
  at = machine.at();
  return result;
}

std::string kind_of(const Value& value) {
  static constexpr std::array kNames{"nothing", "true or false", "an integer", "a number",  "text",
                                     "a list",  "a dictionary",  "a function", "a storage", "a tensor"};
  return kNames[value.index()];
}

}  // namespace diptych::pickle
