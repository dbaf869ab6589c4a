#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "diptych/core/io/json.h"
#include "diptych/data/corpus.h"

// What the readers share: opening annotation files, taking fields out of JSON records with a message for every mistake.

namespace diptych {

/// Annotation files above this size are refused.
constexpr uint64_t kMaxAnnotationBytes = uint64_t{1} << 30;

/// The text of an annotation file without its byte-order mark. throws DataError, also for contents that are no UTF-8
/// text: "looks like gzip".
std::string read_annotation(const std::filesystem::path& path);
Json read_annotation_json(const std::filesystem::path& path);

/// One record of an annotation file, for messages.
struct Place {
  std::string file;
  int64_t record;
  bool is_line = false;
  std::string id = {};
  /// "reid_raw.json record 12 (id 7)" or "set.jsonl:812 (id a1)".
  std::string text() const;
};

/// The fields of a JSON record. Each throws DataError naming the place, the field, what it holds and what is needed.
const Json& field_of(const Json& record, const char* name, const Place& place);
std::string text_field(const Json& record, const char* name, const Place& place);
int64_t id_field(const Json& record, const char* name, const Place& place);
const Json& list_field(const Json& record, const char* name, const Place& place);
std::vector<std::string> text_list(const Json& list, const std::string& what, const Place& place);

/// Words of the file -> Split. throws DataError with the known words.
Split split_from_word(const std::string& word, const Place& place);

/// Annotated tokens made safe for a vocabulary with one word a line: lower case, no empty ones, none with a space
/// inside.
std::vector<std::string> clean_tokens(const std::vector<std::string>& tokens);

/// "flickr8k" for "/data/Flickr8k/": the name of a corpus that was not given one.
std::string name_of_folder(const std::filesystem::path& root);

}  // namespace diptych
