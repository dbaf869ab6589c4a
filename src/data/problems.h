#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "diptych/core/error.h"

namespace diptych {

/// Collects what is wrong with the records of an annotation file, so that one run names all kinds of mistakes.
class RecordProblems {
 public:
  explicit RecordProblems(std::string source) : source_(std::move(source)) {}

  void add(std::string where, std::string message, std::string hint = "");
  /// Runs `read`, which may throw an Error about its record.
  template <class Read>
  void collect(Read&& read) {
    try {
      read();
    } catch (const Error& error) {
      for (const Issue& issue : error.issues()) add(issue);
    }
  }
  /// throws DataError: the first ten problems, then how many there are in all.
  void throw_if_any() const;

 private:
  void add(Issue issue);
  std::string source_;
  std::vector<Issue> first_;
  int64_t count_ = 0;
};

/// "a, b, c" or "a, b, ... (812 in all)": the first ten of `ids`, escaped.
std::string first_ids(const std::vector<std::string>& ids);

}  // namespace diptych
