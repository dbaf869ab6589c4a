#include "data/annotation.h"

#include <algorithm>

#include "diptych/core/io/foreign.h"
#include "diptych/core/io/fs.h"

namespace diptych {
namespace annotation {

std::string kind_of(const Json& value) {
  return value.is_string()                       ? concat("'", escape_for_log(value.get_ref<const std::string&>()), "'")
         : value.is_object() || value.is_array() ? value.type_name()
                                                 : value.dump();
}

[[noreturn]] void wrong_field(const Place& place, const std::string& name, const char* needed, const Json& value) {
  throw DataError(place.text(), concat("field '", name, "' must be ", needed, "; got ", kind_of(value)));
}

}  // namespace annotation

std::string read_annotation(const std::filesystem::path& path) {
  std::string text = read_file(path, kMaxAnnotationBytes);
  if (text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);
  const std::string name = escape_for_log(path.string(), 200);
  if (const std::string format = foreign_format(text); !format.empty())
    throw DataError(name, concat("expected text in UTF-8; looks like ", format), foreign_format_remedy(format));
  return text;
}

Json read_annotation_json(const std::filesystem::path& path) {
  const std::string text = read_annotation(path);
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first != std::string::npos && text[first] != '{' && text[first] != '[')
    throw DataError(escape_for_log(path.string(), 200),
                    concat("expected JSON that begins with { or [; looks like text or CSV: '",
                           escape_for_log(std::string_view(text).substr(first, 40)), "'"),
                    "other formats have readers of their own: diptych describe corpus");
  return parse_json(text, path.string());
}

std::string Place::text() const {
  return concat(escape_for_log(file, 200), is_line ? ":" : " record ", record,
                id.empty() ? "" : concat(" (id ", escape_for_log(id), ")"));
}

const Json& field_of(const Json& record, const char* name, const Place& place) {
  if (!record.is_object())
    throw DataError(place.text(), concat("expected an object; got ", annotation::kind_of(record)));
  const auto found = record.find(name);
  if (found == record.end()) throw DataError(place.text(), concat("field '", name, "' is missing"));
  return *found;
}

std::string text_field(const Json& record, const char* name, const Place& place) {
  const Json& value = field_of(record, name, place);
  if (!value.is_string()) annotation::wrong_field(place, name, "text", value);
  return value.get<std::string>();
}

int64_t id_field(const Json& record, const char* name, const Place& place) {
  const Json& value = field_of(record, name, place);
  const bool fits = value.is_number_integer() &&
                    (value.is_number_unsigned() ? value.get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX)
                                                : value.get<int64_t>() >= 0);
  if (!fits) annotation::wrong_field(place, name, "a non-negative integer id", value);
  return value.get<int64_t>();
}

const Json& list_field(const Json& record, const char* name, const Place& place) {
  const Json& value = field_of(record, name, place);
  if (!value.is_array()) annotation::wrong_field(place, name, "a list", value);
  return value;
}

std::vector<std::string> text_list(const Json& list, const std::string& what, const Place& place) {
  if (!list.is_array()) annotation::wrong_field(place, what, "a list", list);
  std::vector<std::string> out;
  out.reserve(list.size());
  for (const Json& item : list) {
    if (!item.is_string()) annotation::wrong_field(place, concat(what, ".", out.size()), "text", item);
    out.push_back(item.get<std::string>());
  }
  return out;
}

Split split_from_word(const std::string& word, const Place& place) {
  for (const auto& [split, name] : enum_names(Split{}))
    if (word == name) return split;
  throw DataError(place.text(), concat("unknown split '", escape_for_log(word), "'"),
                  did_you_mean(word, enum_words<Split>()));
}

std::vector<std::string> clean_tokens(const std::vector<std::string>& tokens) {
  std::vector<std::string> out;
  out.reserve(tokens.size());
  const auto is_gap = [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7f; };
  for (const std::string& token : tokens) {
    const std::string word = lower_ascii(token);
    for (size_t begin = 0; begin < word.size();) {
      const size_t end = std::find_if(word.begin() + begin, word.end(), is_gap) - word.begin();
      if (end > begin) out.push_back(word.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  return out;
}

std::string name_of_folder(const std::filesystem::path& root) {
  std::filesystem::path folder = root.lexically_normal();
  if (!folder.has_filename()) folder = folder.parent_path();
  if (folder == "." || folder == "..") folder = std::filesystem::absolute(folder).lexically_normal().filename();
  return folder.has_filename() ? lower_ascii(folder.filename().string()) : "corpus";
}

}  // namespace diptych
