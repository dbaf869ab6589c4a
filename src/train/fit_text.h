#pragma once
#include "diptych/model/text_encoder.h"
#include "diptych/train/fit.h"

namespace diptych {

/// The stage is made of gradient steps.
class NoFit final : public Fit {
 public:
  struct Options {
    static void visit(auto&, auto&) {}
  };
  explicit NoFit(const Options&) {}
  bool active() const override { return false; }
  void check(const FitContext&) const override {}
  std::map<std::string, double> run(const FitContext&) const override { return {}; }
};

/// Fits the text encoder to the training captions.
class TextFit final : public Fit {
 public:
  struct Options {
    static void visit(auto&, auto&) {}
  };
  explicit TextFit(const Options&) {}
  void check(const FitContext& context) const override;
  std::map<std::string, double> run(const FitContext& context) const override;
};

/// The text encoder, if it has anything to fit; otherwise null.
FittedText* fittable_text(System& system);
/// Fits it unless it is fitted already.
void fit_text(const FitContext& context);

}  // namespace diptych
