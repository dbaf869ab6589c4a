#pragma once
#include "diptych/eval/protocol.h"

namespace diptych {

/// Pairs of images a, b with captions that differ only in a relation. Per relation and over all:
///
///   i2t    share of images that score their own caption above the opposite one        (chance 50 %)
///   t2i    share of captions that score their own image above the opposite one        (chance 50 %)
///   group  share of pairs for which both images and both captions are right          (chance 1/6 = 16.7 %)
///
/// and pair-accuracy = (i2t/all + t2i/all) / 2. Equal scores are wrong; under the stable rule the first of the two
/// wins. A group is right if s_aa and s_bb both exceed s_ab and s_ba: of six equally likely sets of the two highest of
/// four scores, one. Bootstrap: pairs of images, relation by relation.
class PositionsProtocol final : public Protocol {
 public:
  struct Options {
    static void visit(auto&, auto&) {}
  };
  explicit PositionsProtocol(const Options&) {}
  /// throws DataError if no image of the set has a partner.
  ProtocolResult evaluate(const RetrievalSet& set) const override;
  std::vector<std::string> metric_names() const override;
  std::string main_metric() const override { return "pair-accuracy"; }
  bool by_identity() const override { return false; }
};

}  // namespace diptych
