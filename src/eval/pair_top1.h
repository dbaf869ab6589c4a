#pragma once
#include <string>
#include <vector>

#include "diptych/eval/protocol.h"

namespace diptych {

/// Unseen combinations of an attribute and an object (Misra et al., CVPR 2017; Nagarajan and Grauman, ECCV 2018): every
/// image goes to the text of a pair "attribute object" with the highest score, the candidates being the pairs of the
/// split (the closed world). In percent of the images:
///
///   i2t/pair-top1       attribute and object of the best pair are right
///   i2t/attribute-top1  its attribute is, whatever its object
///   i2t/object-top1     its object is, whatever its attribute
///   i2t/object-oracle   the best of the pairs with the right object is right
///
/// The open world, whose candidates are the pairs of training as well, and the harmonic mean of both worlds need texts
/// that a split does not hold. Both tie rules: of equal scores a wrong pair comes first, or the first does. Bootstrap:
/// images.
class PairTop1 final : public Protocol {
 public:
  struct Options {
    static void visit(auto&, auto&) {}
  };
  explicit PairTop1(const Options&) {}
  /// `set` holds a column for each pair (RetrievalSet::y_captions) and the names of labels. throws ShapeError where it
  /// does not, DataError for a name that is not "attribute object".
  ProtocolResult evaluate(const RetrievalSet& set) const override;
  std::vector<std::string> metric_names() const override;
  std::string main_metric() const override { return "i2t/pair-top1"; }
  bool by_identity() const override { return true; }
  std::optional<ClassTextOptions> class_texts() const override { return ClassTextOptions{}; }
};

}  // namespace diptych
