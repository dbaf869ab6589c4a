#pragma once
#include <array>

#include "diptych/model/cca.h"
#include "diptych/model/head.h"
#include "diptych/train/fit.h"

namespace diptych {

/// What is correlated.
enum class CcaOf { features, embeddings };
constexpr auto enum_names(CcaOf) {
  return std::array{std::pair{CcaOf::features, "features"}, std::pair{CcaOf::embeddings, "embeddings"}};
}

/// fit_cca over the pairs of the training split, written into both heads. Of features, the heads become the two maps;
/// of embeddings, the maps follow the last affine step of the heads as they are (deep CCA's last step, after training).
class CcaFit final : public Fit {
 public:
  struct Options : CcaOptions {
    CcaOf of = CcaOf::features;
    static void visit(auto& self, auto& field) {
      field(
          "of", self.of,
          "features: the encoders' outputs, heads are linear and become the maps; embeddings: the heads' outputs, the "
          "maps follow them (after deep CCA)");
      CcaOptions::visit(self, field);
    }
  };
  explicit CcaFit(const Options& options) : options_(options) {}
  void check(const FitContext& context) const override;
  std::map<std::string, double> run(const FitContext& context) const override;

 private:
  PairMoments moments(const FitContext& context) const;
  /// Where the head keeps the map that is replaced or extended. throws UsageError if it has none.
  AffineMap place(const FitContext& context, const char* side) const;

  Options options_;
};

}  // namespace diptych
