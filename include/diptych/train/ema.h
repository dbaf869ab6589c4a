#pragma once
#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

#include "diptych/train/experiment.h"

namespace torch::nn {
class Module;
}

namespace diptych {

/// Exponential moving average of parameters and float buffers: shadow <- d shadow + (1 - d) value.
class Ema {
 public:
  Ema(torch::nn::Module& module, const EmaOptions& options);
  bool active() const { return options_.decay > 0; }
  void update();
  /// The averages become the weights: after these have been set rather than moved.
  void reset();
  /// True if the averages of everything that `pattern` selects equal the weights (or there are none).
  bool same_as_weights(const std::string& pattern) const;
  std::map<std::string, at::Tensor> state() const;  // "ema/<name>", and the update count
  void restore(const std::map<std::string, at::Tensor>& state);

  /// Copies the averages over the weights for good.
  void apply();

  /// Puts the averages in place of the weights, and the weights back at the end of the scope.
  class Scope {
   public:
    explicit Scope(Ema& ema);
    ~Scope();

   private:
    void swap();
    Ema& ema_;
  };

 private:
  EmaOptions options_;
  int64_t updates_ = 0;
  std::vector<std::string> names_;
  std::vector<at::Tensor> values_, shadows_;
};

}  // namespace diptych
