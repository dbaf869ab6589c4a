#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/annotation.h"
#include "data/problems.h"
#include "diptych/data/corpus.h"

namespace diptych {

/// A class as a line of a list names it.
struct ListedClass {
  std::string name;
  Place place;
};

/// Class names in the order of a manifest.
class Manifest {
 public:
  /// Of a file with one name a line; or, where there is no such file, of the folders in `fallback`, sorted.
  Manifest(const std::filesystem::path& file, const std::filesystem::path& fallback, RecordProblems& problems);
  const std::vector<std::string>& names() const { return names_; }
  /// The class that a line means: its name, or its line in the manifest. Unknown ones become a problem.
  std::optional<std::string> find(const std::string& text, const Place& place, RecordProblems& problems) const;

 private:
  std::filesystem::path file_;
  bool from_file_ = false;
  std::vector<std::string> names_;
  std::map<std::string, size_t> number_;
};

/// "images/001.Albatross.t7" -> "001.Albatross": without folders and without .t7.
std::string bare_class_name(std::string_view line);

/// Where the lists of a zero-shot split lie: for each of train, val, test and both of the first two, the files that are
/// there; several for one split must agree.
struct ClassListFiles {
  std::vector<std::filesystem::path> train, val, test, trainval;
};
/// The given names, or the ones that are known, below root.
ClassListFiles find_class_lists(const std::filesystem::path& root, const std::string& train, const std::string& val,
                                const std::string& test);

/// The split of every class that some list names. Every contradiction becomes a problem: a class in two splits or twice
/// in a list, lists of one split that differ, a list of training and validation that is not their union.
std::map<std::string, Split> read_class_splits(const ClassListFiles& files, const Manifest& manifest,
                                               RecordProblems& problems);

}  // namespace diptych
