#pragma once
#include <string>

#include "diptych/eval/protocol.h"

namespace diptych {

/// The columns of a set are captions (or class texts), as a matching protocol needs them. throws UsageError that names
/// the protocols of composed queries.
void require_captions(const RetrievalSet& set, const std::string& protocol);

/// The columns of a set are composed queries, one RetrievalSet::y_query each. throws UsageError that names the matching
/// protocols, ShapeError where the numbers differ.
void require_composed_queries(const RetrievalSet& set, const std::string& protocol);

}  // namespace diptych
