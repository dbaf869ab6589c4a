#pragma once
#include <string>
#include <vector>

#include "diptych/eval/evaluation_record.h"

namespace diptych {

/// Something that a reader of the numbers should know.
struct ProtocolWarning {
  std::string what;     // "ties", "unknown words", "cut captions", "repeated captions", "skipped queries", "collapse"
  double percent = 0;   // of the queries, words or captions that `message` names
  std::string message;  // one sentence with the counts
};

/// In order of what they do to the numbers: a collapsed model, tied hits (the best right item has exactly the score of
/// a wrong one, so that the tie rule decides), skipped queries, captions that stand word for word with several images
/// (no model can tell which is meant; not where both images are relevant), words that the vocabulary lacks, captions
/// longer than the model reads. What does not occur is left out.
std::vector<ProtocolWarning> protocol_warnings(const EvaluationRecord& record);

}  // namespace diptych
