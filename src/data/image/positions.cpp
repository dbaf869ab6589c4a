#include "diptych/data/image/positions.h"

#include <algorithm>
#include <cmath>

#include "data/image/positions_scene.h"
#include "data/image/synth_folder.h"
#include "diptych/core/text.h"

namespace diptych {
namespace positions {

constexpr int kGeneratorVersion = 1;  // raise it when the same options give other pictures or words
constexpr int64_t kDivisor = 8;       // two pictures a pair, four relations
constexpr uint64_t kTrain = 0, kVal = 1, kTest = 2;

Json marker_of(const PositionsOptions& options) {
  Json json = {{"generator", "positions"}, {"version", kGeneratorVersion}};
  for (const Row& row : rows_of(options)) {
    const auto number = parse_integer(row.value);
    json[row.key] = number ? Json(*number) : Json(row.value == "true");
  }
  return json;
}

Json figures_json(const std::array<shapes::Figure, 2>& figures) {
  Json objects = Json::array();
  for (const shapes::Figure& each : figures)
    objects.push_back({{"shape", enum_text(each.shape)}, {"colour", enum_text(each.colour)}, {"box", box_json(each)}});
  return objects;
}

void draw_split(const PositionsOptions& options, const char* split, int64_t images, uint64_t number,
                const SynthSink& sink) {
  const auto seed = static_cast<uint64_t>(options.seed);
  const auto pairs = shapes::position_pairs(images / 2, seed, number);
  for (size_t i = 0; i < pairs.size(); ++i) {
    const std::string pair = synth_id(split, i);
    const bool exchanged =
        options.shuffled && number == kTrain && Random(seed, {static_cast<uint64_t>(Stream::synth), 22, i}).chance(0.5);
    for (size_t side = 0; side < 2; ++side) {
      const shapes::PositionScene& scene = pairs[i].scenes[side];
      const auto& captions = pairs[i].scenes[exchanged ? 1 - side : side].captions;
      // The same stream for both partners: equal ground, noise and colours.
      const Random drawing(seed, {static_cast<uint64_t>(Stream::synth), 21, number, i});
      sink({pair + (side == 0 ? "-a" : "-b"),
            split,
            {captions.begin(), captions.end()},
            {{"pair", pair}, {"relation", enum_text(pairs[i].relation)}, {"objects", figures_json(scene.figures)}},
            draw_jpeg(std::vector(scene.figures.begin(), scene.figures.end()), options.size, drawing)});
    }
  }
}

void require_whole_pairs(const char* name, int64_t images) {
  if (images < kDivisor || images % kDivisor != 0)
    throw UsageError("positions",
                     concat(name, " = ", images, ": must be a multiple of ", kDivisor,
                            ", for two pictures a pair and four relations"),
                     concat("the next number: ", (std::max<int64_t>(images, 0) / kDivisor + 1) * kDivisor));
}

}  // namespace positions

void write_positions_corpus(const std::filesystem::path& directory, const PositionsOptions& options) {
  using namespace positions;
  require_whole_pairs("images", options.images);
  require_whole_pairs("val_images", options.val_images);
  require_whole_pairs("test_images", options.test_images);
  write_synth_folder(directory, marker_of(options), [&](const SynthSink& sink) {
    draw_split(options, "train", options.images, kTrain, sink);
    draw_split(options, "val", options.val_images, kVal, sink);
    draw_split(options, "test", options.test_images, kTest, sink);
  });
}

}  // namespace diptych
