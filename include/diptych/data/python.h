#pragma once
#include <string>

#include "diptych/data/vocabulary.h"

namespace diptych {

/// Python source of `tokenize(text)`, which gives what units_of (vocabulary.h) gives; needs Python alone.
std::string python_tokenizer(TextUnit unit = TextUnit::word);

}  // namespace diptych
