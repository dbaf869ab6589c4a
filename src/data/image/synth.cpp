#include "diptych/data/image/synth.h"

#include "data/image/shapes.h"
#include "data/image/synth_folder.h"

namespace diptych {
namespace shapes {

constexpr int kVersion = 2;  // of the generator: raise it when the same options give other pictures or words

struct Part {
  const char* split;
  std::vector<Scene> scenes;
};

std::vector<Part> parts_of(const ShapesOptions& options) {
  const auto seed = static_cast<uint64_t>(options.seed);
  return {{"train", training_scenes(options.images, seed)},
          {"val", distinct_scenes(options.val_images, seed, 1)},
          {"test", distinct_scenes(options.test_images, seed, 2)}};
}

Json objects_of(const Scene& scene, const std::vector<Figure>& figures) {
  Json objects = Json::array();
  for (size_t i = 0; i < scene.size(); ++i)
    objects.push_back({{"shape", enum_text(scene[i].shape)},
                       {"colour", enum_text(scene[i].colour)},
                       {"size", scene[i].is_large ? "large" : "small"},
                       {"place", enum_text(scene[i].place)},
                       {"box", box_json(figures[i])}});
  return objects;
}

Json options_json(const ShapesOptions& options) {
  Json json = {{"generator", "shapes"}, {"version", kVersion}};
  for (const Row& row : rows_of(options)) json[row.key] = *parse_integer(row.value);
  return json;
}

void draw_all(const ShapesOptions& options, const SynthSink& sink) {
  uint64_t stream = 0;
  for (const Part& part : parts_of(options))
    for (size_t i = 0; i < part.scenes.size(); ++i, ++stream) {
      const Random drawing(static_cast<uint64_t>(options.seed), {static_cast<uint64_t>(Stream::synth), 10, stream});
      const Random wording(static_cast<uint64_t>(options.seed), {static_cast<uint64_t>(Stream::synth), 11, stream});
      const Scene& scene = part.scenes[i];
      const Drawing picture = draw(scene, options.size, drawing);
      sink({synth_id(part.split, i),
            part.split,
            captions_of(scene, options.captions, wording),
            {{"objects", objects_of(scene, picture.figures)}},
            picture.jpeg});
    }
}

}  // namespace shapes

void write_shapes_corpus(const std::filesystem::path& directory, const ShapesOptions& options) {
  write_synth_folder(directory, shapes::options_json(options),
                     [&](const SynthSink& sink) { shapes::draw_all(options, sink); });
}

}  // namespace diptych
