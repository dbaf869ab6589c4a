#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>

#include "diptych/data/vocabulary.h"

namespace diptych {

struct WordVectors {
  at::Tensor table;  // [V, D] float32; rows of absent words are zero
  at::Tensor found;  // [V] bool
  int64_t dimension = 0;
};
/// Reads GloVe or word2vec text: the last D fields are numbers, the rest is the token; header optional.
/// Only the vocabulary's words are kept. throws DataError with the line number.
WordVectors read_word_vectors(const std::filesystem::path& path, const Vocabulary& vocabulary);

}  // namespace diptych
