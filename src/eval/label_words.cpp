#include "eval/label_words.h"

#include "diptych/core/error.h"
#include "diptych/core/text.h"

namespace diptych {

std::vector<int64_t> LabelWords::of(const std::vector<int64_t>& labels) {
  std::vector<int64_t> out;
  for (const int64_t label : labels) {
    const auto next = static_cast<int64_t>(number_.size());
    out.push_back(number_.emplace(word_of(label), next).first->second);
  }
  return out;
}

std::string LabelWords::word_of(int64_t label) const {
  if (label < 0 || label >= static_cast<int64_t>(names_.size()))
    throw ShapeError(concat("RetrievalSet: label ", label, " has no name; there are ", names_.size()));
  const std::string& name = names_[static_cast<size_t>(label)];
  const std::vector<std::string> words = split(name, ' ');
  if (words.size() != 2 || words[0].empty() || words[1].empty())
    throw DataError(place_, concat("the label '", escape_for_log(name), "' is not 'attribute object'"),
                    "other labels are evaluated under composed-retrieval or class-zeroshot");
  return words[word_];
}

}  // namespace diptych
