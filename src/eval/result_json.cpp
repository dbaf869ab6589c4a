#include "diptych/eval/result_json.h"

namespace diptych {
namespace {

Json metric_json(const Metric& metric) {
  if (!metric.available) return {{"value", nullptr}, {"gallery", metric.gallery}};
  Json out{{"value", metric.value}, {"stable", metric.stable}};
  if (metric.low <= metric.high) out["low"] = metric.low, out["high"] = metric.high;
  return out;
}

}  // namespace

Json to_json(const ProtocolResult& result) {
  Json metrics = Json::object();
  for (const auto& [name, metric] : result.metrics) metrics[name] = metric_json(metric);
  return {{"v", 1},
          {"protocol", result.protocol},
          {"description", result.description},
          {"split", result.split},
          {"images", result.images},
          {"captions", result.captions},
          {"skipped_queries", result.skipped_queries},
          {"spread", result.spread},
          {"collapsed", result.collapsed},
          {"metrics", std::move(metrics)}};
}

}  // namespace diptych
