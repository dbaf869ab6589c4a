#include "diptych/train/encode_items.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <iostream>
#include <iterator>
#include <unordered_map>

#include "diptych/core/io/hash.h"
#include "diptych/core/text.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxListBytes = uint64_t{1} << 30;
constexpr size_t kMaxIdBytes = 1 << 14;

std::string shown_name(const fs::path& path) { return escape_for_log(path.native(), 400); }

bool is_picture_name(const fs::path& path) {
  static constexpr std::array<std::string_view, 4> kEndings = {".jpg", ".jpeg", ".png", ".webp"};
  return std::ranges::count(kEndings, lower_ascii(path.extension().string())) > 0;
}

std::string absolute_name(const fs::path& path) { return fs::absolute(path).lexically_normal().string(); }

std::string read_list(const std::string& file) {
  std::string text;
  if (file == "-")
    text.assign(std::istreambuf_iterator<char>(std::cin), {});
  else
    text = read_file(file, kMaxListBytes);
  if (text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);
  return text;
}

struct Line {
  std::string id, text;
  int64_t number;
};

/// Lines of a list: `TEXT`, then ids are empty, or `ID<TAB>TEXT`, but the same form on all of them. A line end may be
/// CR LF. The last line may lack one.
std::vector<Line> parse_lines(std::string_view text, const std::string& name) {
  std::vector<Line> lines;
  bool with_ids = false;
  int64_t number = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line = text.substr(at, end - at);
    at = end + 1, ++number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    const size_t tab = line.find('\t');
    const bool has_id = tab != std::string_view::npos;
    if (lines.empty()) with_ids = has_id;
    if (has_id != with_ids)
      throw DataError(concat(name, ":", number),
                      has_id ? "has a tab, line 1 has none: ids are given for all lines or for none"
                             : "has no tab, line 1 has one: ids are given for all lines or for none");
    if (has_id && tab == 0) throw DataError(concat(name, ":", number), "the id before the tab is empty");
    lines.push_back(
        {has_id ? std::string(line.substr(0, tab)) : "", std::string(has_id ? line.substr(tab + 1) : line), number});
  }
  return lines;
}

void require_distinct_ids(const EncodeItems& items, const std::string& name) {
  std::unordered_map<std::string_view, size_t> first;
  for (size_t i = 0; i < items.ids.size(); ++i) {
    const auto [known, is_new] = first.emplace(items.ids[i], i);
    if (is_new) continue;
    const auto where = [&](size_t item) {
      return items.places.empty() ? shown_name(items.content[item]) : items.places[item];
    };
    throw DataError(
        name,
        concat("two items have the id '", escape_for_log(items.ids[i]), "': ", where(known->second), " and ", where(i)),
        "give them ids of their own in a list: ID<TAB>PATH or ID<TAB>CAPTION");
  }
}

class PictureLister {
 public:
  explicit PictureLister(bool several) : several_(several) {}
  void add(const std::string& given) {
    std::error_code error;
    if (given != "-" && fs::is_directory(given, error))
      add_folder(given);
    else if (given != "-" && !fs::exists(given, error))
      throw DataError(shown_name(given), "no such file or folder");
    else if (given != "-" && is_picture_name(given))
      add_picture(given, given);
    else
      add_list(given);
  }
  EncodeItems take() {
    if (others_ > 0) items_.notes.push_back(concat("files with other endings that were passed over: ", others_));
    if (links_ > 0) items_.notes.push_back(concat("linked folders that were passed over: ", links_));
    if (strange_ > 0)
      items_.notes.push_back(concat("names that are no UTF-8 and stand escaped in the ids: ", strange_));
    return std::move(items_);
  }

 private:
  void add_picture(const std::string& id, const fs::path& path) {
    const bool plain = !find_invalid_utf8(id);
    strange_ += !plain;
    items_.ids.push_back(plain ? id : escape_for_log(id, kMaxIdBytes));
    items_.content.push_back(absolute_name(path));
  }
  void add_folder(const fs::path& folder) {
    std::vector<std::string> found;
    std::error_code error;
    fs::recursive_directory_iterator entry(folder, error), end;
    for (; !error && entry != end; entry.increment(error)) {
      const fs::path& path = entry->path();
      if (path.filename().native().starts_with('.')) {
        entry.disable_recursion_pending();
        continue;
      }
      std::error_code ignored;
      if (fs::is_directory(path, ignored))
        links_ += fs::is_symlink(path, ignored);
      else if (is_picture_name(path))
        found.push_back(path.lexically_relative(folder).generic_string());
      else
        ++others_;
    }
    if (error) throw DataError(shown_name(folder), "cannot be listed: " + error.message());
    if (found.empty()) throw DataError(shown_name(folder), "holds no .jpg, .jpeg, .png or .webp file, at any depth");
    std::ranges::sort(found);
    for (const std::string& name : found)
      add_picture(several_ ? (folder / name).lexically_normal().string() : name, folder / name);
  }
  void add_list(const std::string& file) {
    const std::string name = file == "-" ? "standard input" : shown_name(file);
    const fs::path base = file == "-" ? fs::path() : fs::path(file).parent_path();
    const std::string text = read_list(file);
    if (text.find('\0') != std::string::npos)
      throw DataError(name, "is neither a picture by its ending (.jpg, .jpeg, .png, .webp) nor a list of paths");
    for (const Line& line : parse_lines(text, name)) {
      if (line.text.empty()) throw DataError(concat(name, ":", line.number), "the path is empty");
      add_picture(line.id.empty() ? line.text : line.id, base / line.text);
    }
  }

  bool several_;
  int64_t others_ = 0, links_ = 0, strange_ = 0;
  EncodeItems items_;
};

}  // namespace

std::string EncodeItems::fingerprint() const {
  std::string all = concat("diptych items 1 ", enum_text(view), "\n");
  const auto add = [&](std::string_view text) {
    all += concat(static_cast<int64_t>(text.size()), ":");
    all += text;
    if (all.size() > (1 << 20)) all = xxh128(all);
  };
  for (size_t i = 0; i < ids.size(); ++i) {
    add(ids[i]), add(content[i]);
    if (!tokens.empty()) add(join(tokens[i], " "));
    struct stat status {};
    if (view == View::image && stat(content[i].c_str(), &status) == 0)
      add(concat(static_cast<int64_t>(status.st_size), " ", static_cast<int64_t>(status.st_mtim.tv_sec), ".",
                 static_cast<int64_t>(status.st_mtim.tv_nsec)));
  }
  return xxh128(all);
}

EncodeItems list_pictures(const std::vector<std::string>& paths) {
  PictureLister lister(paths.size() > 1);
  for (const std::string& path : paths) lister.add(path);
  EncodeItems items = lister.take();
  if (items.ids.empty()) throw DataError(join(paths, ", "), "no picture is named");
  require_distinct_ids(items, "pictures");
  return items;
}

EncodeItems parse_captions(std::string_view text, const std::string& name) {
  EncodeItems items;
  items.view = View::text;
  for (const Line& line : parse_lines(text, name)) {
    items.ids.push_back(line.id.empty() ? std::to_string(line.number) : line.id);
    items.content.push_back(line.text);
    items.places.push_back(concat(name, ":", line.number));
  }
  if (items.ids.empty()) throw DataError(name, "holds no caption");
  require_distinct_ids(items, name);
  return items;
}

EncodeItems read_captions(const std::string& file) {
  return parse_captions(read_list(file), file == "-" ? "standard input" : shown_name(file));
}

EncodeItems items_of_split(const Corpus& corpus, Split split, View view) {
  EncodeItems items;
  items.view = view;
  if (view == View::image) {
    for (const int64_t row : corpus.image_rows(split)) {
      const CorpusImage& image = corpus.images[static_cast<size_t>(row)];
      items.ids.push_back(image.id);
      items.content.push_back(absolute_name(corpus.image_root / image.path));
    }
  } else {
    std::vector<int64_t> seen(corpus.images.size());
    for (const int64_t row : corpus.caption_rows(split)) {
      const CorpusCaption& caption = corpus.captions[static_cast<size_t>(row)];
      const CorpusImage& image = corpus.images[static_cast<size_t>(caption.image_row)];
      items.ids.push_back(concat(image.id, "#", seen[static_cast<size_t>(caption.image_row)]++));
      items.content.push_back(caption.text);
      items.tokens.push_back(caption.tokens);
      items.places.push_back(place_of(corpus, image));
    }
  }
  if (items.ids.empty())
    throw DataError(corpus.name, concat("the split ", enum_text(split), " holds nothing to encode"));
  return items;
}

}  // namespace diptych
