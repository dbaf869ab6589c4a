#pragma once
#include <array>
#include <cfloat>
#include <concepts>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "diptych/core/config_node.h"
#include "diptych/core/error.h"
#include "diptych/core/text.h"

// One options struct per component. Each field is said once, in one static `visit`:
//
//   struct TripletOptions {
//     double margin = 0.2;
//     Mining mining = Mining::hardest;
//     static void visit(auto& self, auto& field) {
//       field("margin", self.margin, "hinge margin in cosine units (Faghri et al. 2018, eq. 6)", {.lo = 0, .hi = 2});
//       field("mining", self.mining, "which negatives count");
//     }
//     void validate(Complaints&, ...) const;   // optional, rules across fields, see below
//   };
//
// Two visitors walk it: Reader (configuration -> struct) and Lister (struct -> rows, from which help, the resolved
// configuration, the reference page and diffs are made).
//
// Field types: bool, int64_t, double, std::string, enums with `enum_names`, std::vector<T>, std::optional<T> (null
// means none), std::map<std::string, std::string> (an open map), nested option structs, and any type with members `void
// read(const ConfigNode&, const std::string& path, Complaints&)` and `void list(Lister&, path...) const` (see Choice
// and List in registry.h).
//
// A struct may have `void validate(const std::string& path, const Origin& origin, Complaints& complaints) const` for
// rules across fields; it runs after a read without complaints of its own.

namespace diptych {

/// What happens when a key differs between a run and its resumption: applied; applied with "no longer bit-exact";
/// refused.
enum class Resume { free, warn, refuse };

/// Attributes of one key beside its name, default and doc. Numbers are checked against the closed range [lo, hi].
struct Field {
  double lo = -DBL_MAX, hi = DBL_MAX;
  Resume resume = Resume::refuse;
  bool required = false;  // must be given; the default is only a type
  bool path = false;      // a file or folder: a leading ~/ is expanded; left out of the configuration hash
};

/// Enumerators are words of the YAML file:
///   constexpr auto enum_names(Mining) { return std::array{std::pair{Mining::sum, "sum"}, ...}; }
template <class E>
concept NamedEnum = std::is_enum_v<E> && requires(E e) {
  enum_names(e);
};

template <NamedEnum E>
std::string enum_text(E value) {
  for (const auto& [each, name] : enum_names(value))
    if (each == value) return name;
  return "?";
}
template <NamedEnum E>
std::vector<std::string> enum_words() {
  std::vector<std::string> words;
  for (const auto& [each, name] : enum_names(E{})) words.emplace_back(name);
  return words;
}

/// Collects every configuration error before anything is thrown.
class Complaints {
 public:
  /// "objective.0.margn = 0.2: unknown key" at `origin`.
  void add(const Origin& origin, std::string message, std::string hint = "");
  bool empty() const { return found_.empty(); }
  size_t size() const { return found_.size(); }
  /// throws UsageError with all complaints sorted by position (at most 50), if there are any.
  void throw_if_any() const;

 private:
  std::vector<std::pair<Origin, Issue>> found_;
};

/// One line of a listing: a section (`is_section`; its value is "" or, with nothing below it, "[]" or "{}") or a key
/// with its value as YAML text.
struct Row {
  std::string path, key, value, doc, type, range;
  int depth = 0;
  bool is_section = false, is_list_item = false;
  Field field;
};

class Lister;
template <class T>
concept OptionStruct = requires(const T& options, Lister& lister) {
  T::visit(options, lister);
};
template <class T>
concept CustomField = requires(T& field, const T& constant, const ConfigNode& node, Complaints& complaints,
                               Lister& lister, const std::string& path) {
  field.read(node, path, complaints);
  constant.list(lister);
};

namespace detail {
// Conversions of one scalar, in options.cpp. On failure they complain ("expected ...; got ...") and return false.
bool convert(const ConfigNode& node, const std::string& path, const Field& field, bool& out, Complaints& complaints);
bool convert(const ConfigNode& node, const std::string& path, const Field& field, int64_t& out, Complaints& complaints);
bool convert(const ConfigNode& node, const std::string& path, const Field& field, double& out, Complaints& complaints);
bool convert(const ConfigNode& node, const std::string& path, const Field& field, std::string& out,
             Complaints& complaints);
// Index of the word in `words`, or npos after a complaint with the nearest word.
size_t convert_word(const ConfigNode& node, const std::string& path, const std::vector<std::string>& words,
                    Complaints& complaints);
void complain_kind(const ConfigNode& node, const std::string& path, std::string_view expected, Complaints& complaints);

std::string scalar_text(bool value);
std::string scalar_text(int64_t value);
std::string scalar_text(double value);
std::string scalar_text(const std::string& value);  // quoted when plain YAML would read it as something else
std::string range_text(const Field& field);

template <class T>
struct is_vector : std::false_type {};
template <class T>
struct is_vector<std::vector<T>> : std::true_type {};
template <class T>
struct is_optional : std::false_type {};
template <class T>
struct is_optional<std::optional<T>> : std::true_type {};

template <class T>
std::string value_text(const T& value) {
  if constexpr (NamedEnum<T>)
    return enum_text(value);
  else if constexpr (is_optional<T>::value)
    return value ? value_text(*value) : "null";
  else if constexpr (is_vector<T>::value) {
    std::string out = "[";
    for (size_t i = 0; i < value.size(); ++i) out += (i ? ", " : "") + value_text(value[i]);
    return out + "]";
  } else if constexpr (std::is_same_v<T, std::map<std::string, std::string>>) {
    std::string out = "{";
    for (const auto& [key, text] : value)
      out += (out.size() > 1 ? ", " : "") + scalar_text(key) + ": " + scalar_text(text);
    return out + "}";
  } else
    return scalar_text(value);
}

template <class T>
std::string type_text() {
  if constexpr (NamedEnum<T>)
    return join(enum_words<T>(), " | ");
  else if constexpr (is_optional<T>::value)
    return type_text<typename T::value_type>() + " or null";
  else if constexpr (is_vector<T>::value)
    return "list of " + type_text<typename T::value_type>();
  else if constexpr (std::is_same_v<T, bool>)
    return "true | false";
  else if constexpr (std::is_same_v<T, int64_t>)
    return "integer";
  else if constexpr (std::is_same_v<T, double>)
    return "number";
  else if constexpr (std::is_same_v<T, std::string>)
    return "text";
  else
    return "map of text";
}
}  // namespace detail

/// Struct -> rows.
class Lister {
 public:
  std::vector<Row> rows;
  std::string prefix;  // of the section being listed, with its trailing dot
  int depth = 0;

  template <class T>
  void operator()(const char* key, const T& value, const char* doc, Field field = {}) {
    if constexpr (OptionStruct<T> || CustomField<T>) {
      const size_t section = rows.size();
      open_section(key, doc, field);
      const std::string outer = std::exchange(prefix, prefix + key + ".");
      ++depth;
      if constexpr (CustomField<T>)
        value.list(*this);
      else
        T::visit(value, *this);
      --depth;
      prefix = outer;
      if (rows.size() == section + 1) rows[section].value = CustomField<T> ? "[]" : "{}";  // an empty list, no options
    } else {
      add(key, detail::value_text(value), doc, detail::type_text<T>(), field);
    }
  }
  void open_section(const std::string& key, const std::string& doc, const Field& field = {}) {
    rows.push_back({prefix + key, key, "", doc, "", "", depth, true, false, field});
  }
  void add(const std::string& key, const std::string& value, const std::string& doc, const std::string& type,
           const Field& field = {}) {
    rows.push_back({prefix + key, key, value, doc, type, detail::range_text(field), depth, false, false, field});
  }
};

/// Configuration -> struct. Unknown, duplicate, mistyped, missing and out-of-range keys become complaints.
class Reader {
 public:
  /// `node` must be a map (or null: all defaults). `path` is where it stands, without a trailing dot ("" for the root).
  Reader(const ConfigNode& node, std::string path, Complaints& complaints, std::vector<std::string> also_known = {})
      : node_(node), path_(std::move(path)), complaints_(complaints), known_(std::move(also_known)) {}

  template <class T>
  void operator()(const char* key, T& value, const char*, Field field = {}) {
    known_.push_back(key);
    const ConfigNode* node = node_.find(key);
    const std::string path = path_.empty() ? key : path_ + "." + key;
    if (node)
      take(*node, path, field, value);
    else if (field.required)
      complaints_.add(node_.origin, path + ": has no value, and there is no default", hint_required(key));
  }

  template <OptionStruct O>
  void fill(O& options) {
    if (!node_.is_map() && !node_.is_null())
      return detail::complain_kind(node_, path_, "a map of options", complaints_);
    const size_t before = complaints_.size();
    O::visit(options, *this);
    if (has_unknown()) {
      Lister below;
      O::visit(options, below);
      complain_unknown(below.rows);
    }
    if constexpr (requires { options.validate(path_, node_.origin, complaints_); })
      if (complaints_.size() == before) options.validate(path_, node_.origin, complaints_);
  }

 private:
  template <class T>
  void take(const ConfigNode& node, const std::string& path, const Field& field, T& value) {
    if constexpr (CustomField<T>)
      value.read(node, path, complaints_);
    else if constexpr (OptionStruct<T>)
      Reader(node, path, complaints_).fill(value);
    else if constexpr (NamedEnum<T>) {
      const size_t index = detail::convert_word(node, path, enum_words<T>(), complaints_);
      if (index != std::string::npos) value = enum_names(T{})[index].first;
    } else if constexpr (detail::is_optional<T>::value) {
      if (node.is_null())
        value.reset();
      else
        take(node, path, field, value.emplace());
    } else if constexpr (detail::is_vector<T>::value) {
      if (!node.is_list()) return detail::complain_kind(node, path, "a list", complaints_);
      value.clear();
      for (size_t i = 0; i < node.items.size(); ++i) {
        typename T::value_type item{};
        take(node.items[i], path + "." + std::to_string(i), field, item);
        value.push_back(std::move(item));
      }
    } else if constexpr (std::is_same_v<T, std::map<std::string, std::string>>) {
      if (!node.is_map()) return detail::complain_kind(node, path, "a map of text", complaints_);
      value.clear();
      for (const auto& [key, origin, each] : node.entries)
        take(each.appended ? each.items.front() : each, path + "." + key, field, value[key]);
    } else
      detail::convert(node, path, field, value, complaints_);
  }
  bool has_unknown() const;
  void complain_unknown(const std::vector<Row>& below);  // rows with paths relative to this map, for suggestions
  std::string hint_required(const char* key) const;

  const ConfigNode& node_;
  std::string path_;
  Complaints& complaints_;
  std::vector<std::string> known_;
};

/// Reads options from a map; throws UsageError with every complaint.
template <OptionStruct O>
O read_options(const ConfigNode& node, O defaults = {}, const std::string& path = "") {
  Complaints complaints;
  Reader(node, path, complaints).fill(defaults);
  complaints.throw_if_any();
  return defaults;
}

template <OptionStruct O>
std::vector<Row> rows_of(const O& options) {
  Lister lister;
  O::visit(options, lister);
  return std::move(lister.rows);
}

/// Rows as YAML that reads back to the same options; with_doc adds the doc as comments.
std::string to_yaml(const std::vector<Row>& rows, bool with_doc = false);

/// SHA-256 over the rows that decide the result: keys of class `free` and paths are left out. 64 hex digits.
std::string config_hash(const std::vector<Row>& rows);

/// Keys whose values differ: path, value in a, value in b ("" where absent).
struct RowDifference {
  std::string path, a, b;
  Field field;
};
std::vector<RowDifference> difference(const std::vector<Row>& a, const std::vector<Row>& b);

}  // namespace diptych
