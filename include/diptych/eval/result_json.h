#pragma once
#include "diptych/core/io/json.h"
#include "diptych/eval/protocol.h"

namespace diptych {

/// Content of metrics.json: protocol in words and every metric in full precision under both tie rules, with its
/// interval where computed:
///   {"protocol": "flickr8k-1k", ..., "metrics": {"i2t/R@1": {"value": 24.7, "stable": 24.7, "low": 22.1, ...}}}
/// "queries": "composed" says that what is counted as captions are composed queries. A metric that is not available has
/// "value": null and the "gallery" that is too small.
Json to_json(const ProtocolResult& result);
/// The way back, without ranks and folds. `name` stands in messages. throws Error of class `error_class` for a missing
/// or mistyped key, or another version.
ProtocolResult result_from_json(const Json& json, const std::string& name, ErrorClass error_class);

}  // namespace diptych
