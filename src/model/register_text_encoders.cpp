#include <torch/torch.h>

#include "model/cnn_rnn.h"
#include "model/hglmm.h"
#include "model/recurrent_encoder.h"
#include "model/text_cnn.h"
#include "model/text_resnet.h"
#include "model/tfidf.h"
#include "model/word_set.h"

namespace diptych {

void register_text_encoders(TextEncoderRegistry& encoders) {
  encoders.add<BiLstm>("bilstm", "word vectors and a bidirectional LSTM, pooled over the real words",
                       "as in Zhang and Lu: Deep cross-modal projection learning, ECCV 2018 (pool max)");
  encoders.add<Lstm>("lstm", "word vectors and an LSTM; the sentence is its last state",
                     "as in Vo et al.: Composing text and image for image retrieval, CVPR 2019");
  encoders.add<Gru>("gru", "word vectors and a GRU; the sentence is its last state",
                    "as in Faghri et al.: VSE++, BMVC 2018");
  encoders.add<BiGru>("bigru", "word vectors and a bidirectional GRU, directions averaged; the mean over the words",
                      "as in Lee et al.: Stacked cross attention for image-text matching, ECCV 2018");
  encoders.add<WordMean>("word_mean", "the mean of the word vectors, or another pooling of them");
  encoders.add<WordAttention>("word_attention", "word vectors weighted by how they fit to their mean");
  encoders.add<TextCnn>("text_cnn", "convolutions of several widths side by side, maximum over the words",
                        "Kim: Convolutional neural networks for sentence classification, EMNLP 2014");
  encoders.add<TextResNet>("text_resnet", "a deep residual CNN over a fixed number of places, with position shift",
                           "Zheng et al.: Dual-path convolutional image-text embeddings with instance loss, TOMM 2020");
  const char* reed = "Reed et al.: Learning deep representations of fine-grained visual descriptions, CVPR 2016";
  encoders.add<WordCnnRnn>("word_cnn_rnn", "convolutions over 30 words, a recurrent network over what is left", reed);
  encoders.add<CharCnnRnn>("char_cnn_rnn", "convolutions over 201 characters, a recurrent network over what is left",
                           reed);
  encoders.add<TfIdf>("tfidf", "bags of words weighted by rarity; fitted, not trained", "Salton and Buckley, 1988");
  encoders.add<Hglmm>("hglmm",
                      "Fisher vectors of a hybrid Gaussian-Laplacian mixture over word vectors; fitted, not trained",
                      "Klein et al.: Associating neural word embeddings with deep image representations using Fisher "
                      "vectors, CVPR 2015");
}

}  // namespace diptych
