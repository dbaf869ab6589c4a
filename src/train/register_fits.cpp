#include <torch/torch.h>

#include "train/fit_cca.h"
#include "train/fit_text.h"

namespace diptych {

void register_fits(FitRegistry& fits) {
  fits.add<NoFit>("none", "the stage is made of gradient steps");
  fits.add<TextFit>("text", "fits the text encoder (tfidf, hglmm, word_mean with pca) to the training captions");
  fits.add<CcaFit>("cca", "linear canonical correlation analysis, written into both heads",
                   "Hotelling, 1936; normalised: Gong et al., IJCV 2014");
}

}  // namespace diptych
