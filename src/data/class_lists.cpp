#include "data/class_lists.h"

#include <algorithm>

#include "data/lines.h"

namespace diptych {
namespace class_lists {

namespace fs = std::filesystem;
using Listed = std::vector<ListedClass>;

bool is_file(const fs::path& path) {
  std::error_code unreadable;
  return fs::is_regular_file(path, unreadable);
}

std::vector<std::string> folders_in(const fs::path& root) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator each(root, error), end; !error && each != end; each.increment(error))
    if (std::error_code unreadable; each->is_directory(unreadable)) names.push_back(each->path().filename().string());
  std::ranges::sort(names);
  return names;
}

bool holds(const Listed& list, const std::string& name) { return std::ranges::count(list, name, &ListedClass::name); }

Listed read_list(const fs::path& path, const Manifest& manifest, RecordProblems& problems) {
  Listed out;
  std::map<std::string, Place> first;
  const auto read = [&](std::string_view line, const Place& place) {
    const auto name = manifest.find(std::string(trim(line)), place, problems);
    if (!name) return;
    const auto [known, is_new] = first.emplace(*name, place);
    if (is_new)
      out.push_back({*name, place});
    else
      problems.add(place.text(),
                   concat("class ", escape_for_log(*name), " is listed twice; first in ", known->second.text()));
  };
  for_each_line(path, read, &problems);
  return out;
}

/// The classes of one split; lists that do not agree with the first are problems.
Listed read_agreeing(const std::vector<fs::path>& files, const Manifest& manifest, RecordProblems& problems) {
  if (files.empty()) return {};
  const Listed first = read_list(files.front(), manifest, problems);
  const auto complain = [&](const ListedClass& extra, const fs::path& other) {
    problems.add(extra.place.text(), concat("class ", escape_for_log(extra.name), " is not in ",
                                            escape_for_log(other.filename().string()), ", which lists the same split"));
  };
  for (size_t i = 1; i < files.size(); ++i) {
    const Listed other = read_list(files[i], manifest, problems);
    for (const ListedClass& each : other)
      if (!holds(first, each.name)) complain(each, files.front());
    for (const ListedClass& each : first)
      if (!holds(other, each.name)) complain(each, files[i]);
  }
  return first;
}

void require_union(const Listed& both, const Listed& train, const Listed& val, RecordProblems& problems) {
  for (const ListedClass& each : both)
    if (!holds(train, each.name) && !holds(val, each.name))
      problems.add(each.place.text(), concat("class ", escape_for_log(each.name),
                                             " is neither in the list of training nor in that of validation classes"));
  for (const Listed* part : {&train, &val})
    for (const ListedClass& each : *part)
      if (!holds(both, each.name))
        problems.add(each.place.text(), concat("class ", escape_for_log(each.name), " is not in ",
                                               escape_for_log(fs::path(both.front().place.file).filename().string()),
                                               ", the list of training and validation classes"));
}

}  // namespace class_lists

std::string bare_class_name(std::string_view line) {
  std::string_view name = trim(line);
  if (const size_t slash = name.find_last_of('/'); slash != std::string_view::npos) name.remove_prefix(slash + 1);
  if (name.ends_with(".t7")) name.remove_suffix(3);
  return std::string(name == "." || name == ".." ? std::string_view() : name);
}

Manifest::Manifest(const std::filesystem::path& file, const std::filesystem::path& fallback, RecordProblems& problems)
    : file_(file), from_file_(class_lists::is_file(file)) {
  const auto add = [&](const std::string& name, const std::string& where) {
    if (name.empty())
      problems.add(where, "is no name of a class");
    else if (!number_.emplace(name, names_.size()).second)
      problems.add(where, concat("class ", escape_for_log(name), " is listed twice"));
    names_.push_back(name);
  };
  if (from_file_)
    for_each_line(
        file, [&](std::string_view line, const Place& place) { add(bare_class_name(line), place.text()); }, &problems);
  else
    for (const std::string& name : class_lists::folders_in(fallback)) add(name, escape_for_log(fallback.string(), 200));
}

std::optional<std::string> Manifest::find(const std::string& text, const Place& place, RecordProblems& problems) const {
  const std::string name = bare_class_name(text);
  if (number_.contains(name)) return name;
  if (const auto line = parse_integer(name)) {
    if (from_file_ && *line >= 1 && *line <= static_cast<int64_t>(names_.size()))
      return names_[static_cast<size_t>(*line) - 1];
    problems.add(place.text(), from_file_ ? concat(*line, " is no line of ", escape_for_log(file_.filename().string()),
                                                   ", which has ", names_.size(), " classes")
                                          : concat(*line, " would be a line of ", escape_for_log(file_.string(), 200),
                                                   ", which is not there"));
    return {};
  }
  problems.add(place.text(),
               concat("no class is called '", escape_for_log(name), "'",
                      from_file_ ? concat(" in ", escape_for_log(file_.filename().string())) : ""),
               did_you_mean(name, names_));
  return {};
}

ClassListFiles find_class_lists(const std::filesystem::path& root, const std::string& train, const std::string& val,
                                const std::string& test) {
  const auto below = [&](const std::string& given, std::initializer_list<const char*> known) {
    if (!given.empty()) return std::vector{root / given};
    std::vector<std::filesystem::path> out;
    for (const char* name : known)
      if (class_lists::is_file(root / name)) out.push_back(root / name);
    return out;
  };
  ClassListFiles files{below(train, {"trainids.txt", "trainclasses.txt"}), below(val, {"valids.txt", "valclasses.txt"}),
                       below(test, {"testclasses.txt", "testids.txt"}),
                       below("", {"trainvalids.txt", "trainvalclasses.txt"})};
  if (!train.empty() || !val.empty()) files.trainval.clear();  // another split than the released one
  return files;
}

std::map<std::string, Split> read_class_splits(const ClassListFiles& files, const Manifest& manifest,
                                               RecordProblems& problems) {
  using namespace class_lists;
  Listed train = read_agreeing(files.train, manifest, problems);
  const Listed val = read_agreeing(files.val, manifest, problems), test = read_agreeing(files.test, manifest, problems);
  const Listed both = read_agreeing(files.trainval, manifest, problems);
  if (files.train.empty())
    std::ranges::copy_if(both, std::back_inserter(train), [&](const auto& each) { return !holds(val, each.name); });
  else if (!both.empty() && !files.val.empty())
    require_union(both, train, val, problems);
  std::map<std::string, Split> splits;
  std::map<std::string, Place> first;
  const std::pair<Split, const Listed*> parts[] = {{Split::train, &train}, {Split::val, &val}, {Split::test, &test}};
  for (const auto& [split, list] : parts)
    for (const ListedClass& each : *list) {
      if (!splits.emplace(each.name, split).second)
        problems.add(each.place.text(),
                     concat("class ", escape_for_log(each.name), " is in ", enum_text(split), " here and in ",
                            enum_text(splits.at(each.name)), " in ", first.at(each.name).text()));
      first.emplace(each.name, each.place);
    }
  return splits;
}

}  // namespace diptych
