#include <torch/torch.h>

#include "model/bilstm.h"

namespace diptych {

void register_text_encoders(TextEncoderRegistry& encoders) {
  encoders.add<BiLstm>("bilstm", "word vectors and a bidirectional LSTM, pooled over the real words",
                       "as in Zhang and Lu: Deep cross-modal projection learning, ECCV 2018 (pool max)");
}

}  // namespace diptych
