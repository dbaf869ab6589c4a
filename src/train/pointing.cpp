#include <torch/torch.h>

#include <algorithm>
#include <map>

#include "diptych/core/log.h"
#include "diptych/core/signals.h"
#include "diptych/core/text.h"
#include "diptych/data/image/drawn_objects.h"
#include "diptych/data/vocabulary.h"
#include "diptych/eval/bootstrap.h"
#include "diptych/train/explain.h"

namespace diptych {
namespace {

/// What one query of one picture gave.
struct Pointed {
  int64_t picture, objects;
  bool hit, centre, at_other;
  double area;
};

bool holds(const DrawnObject& object, double x, double y) {
  return x >= object.left && x <= object.right && y >= object.top && y <= object.bottom;
}

double area_inside(const DrawnObject& object) {
  const auto inside = [](double low, double high) { return std::max(0.0, std::min(high, 1.0) - std::max(low, 0.0)); };
  return inside(object.left, object.right) * inside(object.top, object.bottom);
}

/// Views of "the <colour> <shape>" for every kind of object, and its row by phrase.
struct Queries {
  std::map<std::string, int64_t> row;
  std::vector<Encoded> views;  // of one text each

  std::vector<Encoded> of(const std::vector<DrawnObject>& objects) const {
    std::vector<Encoded> out;
    for (const DrawnObject& each : objects) out.push_back(views[static_cast<size_t>(row.at(each.phrase()))]);
    return out;
  }
};
Queries encode_queries(const LoadedRun& run, const std::map<std::string, std::vector<DrawnObject>>& objects) {
  const EvalScope scope(*run.system);
  const TextOptions& text = run.experiment->data.text;
  Queries out;
  for (const auto& [id, all] : objects)
    for (const DrawnObject& object : all) {
      if (!out.row.emplace(object.phrase(), static_cast<int64_t>(out.views.size())).second) continue;
      const at::Tensor ids =
          torch::tensor(run.data.vocabulary.encode(units_of(object.phrase(), text.unit), text), at::kLong)
              .to(run.system->device);
      out.views.push_back(run.system->model->text_view(ids.unsqueeze(0), at::full({1}, ids.size(0), ids.options())));
    }
  return out;
}

/// Objects without a twin of their colour and shape.
std::vector<DrawnObject> nameable(const std::vector<DrawnObject>& objects) {
  std::vector<DrawnObject> out;
  for (const DrawnObject& each : objects)
    if (std::ranges::count(objects, each.phrase(), &DrawnObject::phrase) == 1) out.push_back(each);
  return out;
}

/// [M, h, w], one map a text: in closed form for all texts at once where there is one.
at::Tensor relevance_of(const LoadedRun& run, const at::Tensor& image, const std::vector<Encoded>& texts) {
  JointModel& model = *run.system->model;
  at::Tensor map;
  {
    const EvalScope scope(*run.system);
    map = model.image().feature_map(image).to(at::kFloat)[0];
  }
  std::vector<at::Tensor> embeddings, maps;
  for (const Encoded& text : texts) embeddings.push_back(text.global);
  if (const auto closed = closed_form_relevance(model, map, at::cat(embeddings))) return closed->cpu();
  for (const Encoded& text : texts) maps.push_back(place_relevance(map_gradient(model, image, text)).cpu());
  return at::stack(maps);
}

double percent(const std::vector<Pointed>& all, auto&& of) {
  double sum = 0;
  for (const Pointed& each : all) sum += of(each);
  return all.empty() ? 0 : 100 * sum / static_cast<double>(all.size());
}

Interval interval_of(const std::vector<Pointed>& all, int64_t pictures, uint64_t seed) {
  const int64_t strata[] = {pictures};
  const auto statistic = [&](std::span<const int32_t> weights) {
    double hits = 0, asked = 0;
    for (const Pointed& each : all) {
      const double weight = weights[static_cast<size_t>(each.picture)];
      hits += weight * each.hit, asked += weight;
    }
    return std::vector<double>{asked > 0 ? 100 * hits / asked : 0};
  };
  return bootstrap_intervals(strata, seed, statistic)[0];
}

PointingResult summary(const std::vector<Pointed>& all, int64_t pictures, uint64_t seed) {
  PointingResult out;
  out.pictures = pictures, out.queries = static_cast<int64_t>(all.size());
  out.hits = percent(all, [](const Pointed& each) { return each.hit; });
  const Interval interval = interval_of(all, pictures, seed);
  out.low = interval.low, out.high = interval.high;
  out.random = percent(all, [](const Pointed& each) { return each.area; });
  out.centre = percent(all, [](const Pointed& each) { return each.centre; });
  out.other = percent(all, [](const Pointed& each) { return each.at_other; });
  std::map<int64_t, std::vector<Pointed>> by_objects;
  for (const Pointed& each : all) by_objects[each.objects].push_back(each);
  for (const auto& [objects, some] : by_objects)
    out.parts.push_back(
        {objects, static_cast<int64_t>(some.size()), percent(some, [](const Pointed& each) { return each.hit; })});
  return out;
}

/// [pixels, places]: linear interpolation between the places of one side, the outermost repeated beyond them.
at::Tensor enlarging(int64_t places, int64_t pixels, double first) {
  const double per_pixel = static_cast<double>(places) / static_cast<double>(pixels);
  const at::Tensor at_place = ((at::arange(pixels, at::kFloat) + 0.5) * per_pixel - first).clamp(0, places - 1);
  return at::relu(1 - (at_place.unsqueeze(1) - at::arange(places, at::kFloat)).abs());
}

std::string percent_text(double value) { return fixed_text(value, 1); }

}  // namespace

FirstPlace first_place(const ImageEncoder& encoder, const at::Tensor& map, int64_t height, int64_t width) {
  const auto share = [&](int64_t pixels, int64_t places) {
    const double stride = static_cast<double>(pixels) / static_cast<double>(places);
    return encoder.first_centre(stride) / stride;
  };
  return {share(height, map.size(-2)), share(width, map.size(-1))};
}

std::pair<int64_t, int64_t> most_relevant_pixel(const at::Tensor& relevance, int64_t height, int64_t width,
                                                const FirstPlace& first) {
  const at::Tensor map = relevance.to(at::kCPU, at::kFloat);
  const at::Tensor large =
      enlarging(map.size(0), height, first.row).mm(map).mm(enlarging(map.size(1), width, first.column).t());
  const int64_t best = large.argmax().item<int64_t>();
  return {best / width, best % width};
}

PointingResult measure_pointing(const LoadedRun& run, Split split) {
  const Corpus& corpus = run.data.corpus;
  const std::vector<int64_t> rows = corpus.image_rows(split);
  if (rows.empty()) throw DataError(corpus.name, concat("the split ", enum_text(split), " has no images"));
  const auto objects = drawn_objects(corpus.source);
  const Queries queries = encode_queries(run, objects);
  std::vector<Pointed> pointed;
  int64_t picture = 0;
  for_each_image_batch(run.data.source(*run.experiment), rows, 1, [&](const at::Tensor& image, int64_t first) {
    signals::throw_if_pending();
    const std::string& id = corpus.images[static_cast<size_t>(rows[static_cast<size_t>(first)])].id;
    const auto found = objects.find(id);
    if (found == objects.end())
      throw DataError(corpus.source, concat("image '", escape_for_log(id), "' has no meta.objects"));
    const std::vector<DrawnObject> asked = nameable(found->second);
    if (asked.empty()) return;
    const at::Tensor maps = relevance_of(run, image.to(run.system->device), queries.of(asked));
    const FirstPlace first_of_map = first_place(run.system->model->image(), maps, image.size(2), image.size(3));
    for (size_t m = 0; m < asked.size(); ++m) {
      const auto [row, column] =
          most_relevant_pixel(maps[static_cast<int64_t>(m)], image.size(2), image.size(3), first_of_map);
      const double x = (static_cast<double>(column) + 0.5) / static_cast<double>(image.size(3));
      const double y = (static_cast<double>(row) + 0.5) / static_cast<double>(image.size(2));
      const bool at_other = std::ranges::any_of(found->second, [&](const DrawnObject& other) {
        return other.phrase() != asked[m].phrase() && holds(other, x, y);
      });
      const bool hit = holds(asked[m], x, y);
      pointed.push_back({picture, static_cast<int64_t>(found->second.size()), hit, holds(asked[m], 0.5, 0.5),
                         at_other && !hit, area_inside(asked[m])});
    }
    ++picture;
    log::progress(concat("point ", first + 1, "/", rows.size()), first + 1 == static_cast<int64_t>(rows.size()));
  });
  return summary(pointed, picture, static_cast<uint64_t>(run.experiment->seed));
}

std::string to_text(const PointingResult& result) {
  std::string out = concat("pointing: ", percent_text(result.hits), " % [", percent_text(result.low), ", ",
                           percent_text(result.high), "] of ", result.queries, " queries (\"the red circle\") on ",
                           result.pictures, " pictures have their most relevant pixel inside the object's box\n");
  for (const PointingResult::Part& part : result.parts)
    out += concat("  ", part.objects, part.objects == 1 ? " object: " : " objects: ", percent_text(part.hits), " % of ",
                  part.queries, "\n");
  return out + concat("  for comparison: a random pixel ", percent_text(result.random),
                      " %, the middle of the picture ", percent_text(result.centre),
                      " %; the map points at another object in ", percent_text(result.other), " %\n");
}

Json to_json(const PointingResult& result) {
  Json parts = Json::array();
  for (const PointingResult::Part& part : result.parts)
    parts.push_back({{"objects", part.objects}, {"queries", part.queries}, {"hits", part.hits}});
  return {{"pictures", result.pictures}, {"queries", result.queries}, {"hits", result.hits},
          {"low", result.low},           {"high", result.high},       {"random", result.random},
          {"centre", result.centre},     {"other", result.other},     {"parts", parts}};
}

}  // namespace diptych
