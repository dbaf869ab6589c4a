#pragma once
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

namespace diptych {

/// Numbers for one word of the labels' names, equal for equal words: of "ancient city" and "ancient road" word 0 is the
/// same (the attribute), word 1 is not (the object).
class LabelWords {
 public:
  /// names: RetrievalSet::label_names, which must outlive it; place: of messages.
  LabelWords(const std::vector<std::string>& names, size_t word, std::string place)
      : names_(names), word_(word), place_(std::move(place)) {}
  /// throws ShapeError for a label without a name, DataError for a name that is not two words.
  std::vector<int64_t> of(const std::vector<int64_t>& labels);

 private:
  std::string word_of(int64_t label) const;
  const std::vector<std::string>& names_;
  size_t word_;
  std::string place_;
  std::unordered_map<std::string, int64_t> number_;
};

}  // namespace diptych
