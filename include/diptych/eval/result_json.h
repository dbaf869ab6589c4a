#pragma once
#include "diptych/core/io/json.h"
#include "diptych/eval/protocol.h"

namespace diptych {

/// Content of metrics.json: protocol in words and every metric in full precision under both tie rules, with its
/// interval where computed:
///   {"protocol": "flickr8k-1k", ..., "metrics": {"i2t/R@1": {"value": 24.7, "stable": 24.7, "low": 22.1, ...}}}
/// A metric that is not available has "value": null and the "gallery" that is too small.
Json to_json(const ProtocolResult& result);

}  // namespace diptych
