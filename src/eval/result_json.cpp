#include "diptych/eval/result_json.h"

#include "diptych/core/text.h"

namespace diptych {
namespace {

Json metric_json(const Metric& metric) {
  if (!metric.available) return {{"value", nullptr}, {"gallery", metric.gallery}};
  Json out{{"value", metric.value}, {"stable", metric.stable}};
  if (metric.low <= metric.high) out["low"] = metric.low, out["high"] = metric.high;
  return out;
}

Metric metric_of(const Json& json, const std::string& name, ErrorClass error_class) {
  Metric metric;
  metric.low = 1, metric.high = 0;
  if (json.is_object() && json.contains("value") && json["value"].is_null()) {
    metric.available = false;
    metric.gallery = json_field<int64_t>(json, "gallery", name, error_class);
    return metric;
  }
  metric.value = json_field<double>(json, "value", name, error_class);
  metric.stable = json_field<double>(json, "stable", name, error_class);
  if (json.contains("low")) {
    metric.low = json_field<double>(json, "low", name, error_class);
    metric.high = json_field<double>(json, "high", name, error_class);
  }
  return metric;
}

}  // namespace

ProtocolResult result_from_json(const Json& json, const std::string& name, ErrorClass error_class) {
  if (const auto version = json_field<int64_t>(json, "v", name, error_class); version != 1)
    throw Error(error_class, name, concat("has format version ", version, "; this program reads 1"));
  ProtocolResult result;
  const auto text = [&](const char* key) { return json_field<std::string>(json, key, name, error_class); };
  const auto count = [&](const char* key) { return json_field<int64_t>(json, key, name, error_class); };
  if (json.contains("checkpoint")) result.checkpoint = text("checkpoint");
  for (const Json& each : json.value("overrides", Json::array()))
    if (each.is_string()) result.overrides.push_back(each.get<std::string>());
  result.protocol = text("protocol"), result.description = text("description"), result.split = text("split");
  result.by_identity = json.contains("relevant") && text("relevant") == "identity";
  if (json.contains("queries")) result.composed = text("queries") == "composed";
  result.images = count("images"), result.captions = count("captions");
  result.skipped_queries = count("skipped_queries");
  result.spread = json_field<double>(json, "spread", name, error_class);
  result.collapsed = json_field<bool>(json, "collapsed", name, error_class);
  if (!json.contains("metrics") || !json["metrics"].is_object())
    throw Error(error_class, name, "'metrics' is missing or no object");
  for (const auto& [metric, value] : json["metrics"].items())
    result.metrics.emplace_back(metric, metric_of(value, concat(name, ": ", escape_for_log(metric)), error_class));
  return result;
}

Json to_json(const ProtocolResult& result) {
  Json metrics = Json::object();
  for (const auto& [name, metric] : result.metrics) metrics[name] = metric_json(metric);
  Json out{{"v", 1},
           {"protocol", result.protocol},
           {"description", result.description},
           {"split", result.split},
           {"checkpoint", result.checkpoint},
           {"overrides", result.overrides},
           {"relevant", result.by_identity ? "identity" : "image"},
           {"images", result.images},
           {"captions", result.captions},
           {"skipped_queries", result.skipped_queries},
           {"spread", result.spread},
           {"collapsed", result.collapsed},
           {"metrics", std::move(metrics)}};
  if (result.composed) out["queries"] = "composed";  // `captions` counts them
  return out;
}

}  // namespace diptych
