#include <torch/torch.h>

#include "model/bilstm.h"
#include "model/hglmm.h"
#include "model/tfidf.h"

namespace diptych {

void register_text_encoders(TextEncoderRegistry& encoders) {
  encoders.add<BiLstm>("bilstm", "word vectors and a bidirectional LSTM, pooled over the real words",
                       "as in Zhang and Lu: Deep cross-modal projection learning, ECCV 2018 (pool max)");
  encoders.add<TfIdf>("tfidf", "bags of words weighted by rarity; fitted, not trained", "Salton and Buckley, 1988");
  encoders.add<Hglmm>("hglmm",
                      "Fisher vectors of a hybrid Gaussian-Laplacian mixture over word vectors; fitted, not trained",
                      "Klein et al.: Associating neural word embeddings with deep image representations using Fisher "
                      "vectors, CVPR 2015");
}

}  // namespace diptych
