#pragma once
#include <string>
#include <vector>

#include "diptych/eval/protocol.h"

namespace diptych {

/// A class-level protocol as data.
struct ClassPlan {
  std::string name;
  std::vector<int64_t> precision{50};  // K of class-ap@K
  ClassTextOptions texts;
  int64_t published_classes = 0;  // of the test split; 0: nothing published
};

/// The columns of a set are texts of classes, one each. throws ShapeError where they are not.
void require_class_texts(const RetrievalSet& set);

/// Classes that were not seen in training, each with one text: the mean of its captions' embeddings (Reed et al., CVPR
/// 2016; CMPM/CMPC, ECCV 2018). In percent:
///
///   i2t/class-r@1   each image goes to the class text with the highest score; accuracy of each class, mean over
///                   classes
///   t2i/class-ap@K  share of the class among the K images with the highest scores (divisor K, or all images where
///   there
///                   are fewer), mean over classes. "AP@50" of the papers: precision at 50, so that a class of fewer
///                   than 50 images cannot reach 100
///
/// Both tie rules. Bootstrap: classes, each with its text and its images.
class ClassZeroshot : public Protocol {
 public:
  explicit ClassZeroshot(ClassPlan plan);
  /// `set` holds a column for each class (RetrievalSet::y_captions). throws ShapeError where it does not.
  ProtocolResult evaluate(const RetrievalSet& set) const override;
  std::vector<std::string> metric_names() const override;
  std::string main_metric() const override { return "i2t/class-r@1"; }
  bool by_identity() const override { return true; }
  std::optional<ClassTextOptions> class_texts() const override { return plan_.texts; }

 private:
  ClassPlan plan_;
};

}  // namespace diptych
