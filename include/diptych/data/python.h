#pragma once
#include <string>

namespace diptych {

/// Python source of `tokenize(text)`, which gives the words that tokenize (vocabulary.h) gives; needs Python alone.
std::string python_tokenizer();

}  // namespace diptych
