#include "diptych/data/image/css_corpus.h"

#include <unordered_map>

#include "data/css_annotation.h"
#include "data/image/css_draw.h"
#include "data/image/synth_folder.h"
#include "diptych/core/error.h"
#include "diptych/core/text.h"

namespace diptych {
namespace css {

constexpr int kVersion = 1;  // of the generator: raise it when the same options give other pictures or words

std::vector<SceneObject> annotated(const Scene& scene) {
  std::vector<SceneObject> out;
  for (const Object& object : scene)
    out.push_back({std::string(enum_text(object.colour)), std::string(enum_text(object.shape)),
                   object.is_large ? "large" : "small", object.y, object.x});
  return out;
}

// Queries with one text stand together, texts in the order in which they first occur.
SplitAnnotation annotated(const SceneSet& set) {
  SplitAnnotation out;
  for (const Scene& scene : set.scenes) out.objects.push_back(annotated(scene));
  out.labels = set.labels;
  std::unordered_map<std::string, size_t> edit_of;
  for (const SceneQuery& query : set.queries) {
    const auto [known, is_new] = edit_of.emplace(query.text, out.edits.size());
    if (is_new) out.edits.push_back({query.text, {}, {}});
    out.edits[known->second].from.push_back(query.from);
    out.edits[known->second].to.push_back(query.to);
  }
  return out;
}

void draw_scenes(const SceneSet& set, Part part, const char* split, const CssCorpusOptions& options,
                 const FileSink& sink) {
  for (size_t i = 0; i < set.scenes.size(); ++i) {
    const Random drawing(static_cast<uint64_t>(options.seed),
                         {static_cast<uint64_t>(Stream::synth), 41, static_cast<uint64_t>(part), i});
    sink("images_2d/" + picture_name(split, i), draw_2d(set.scenes[i]));
    sink("images/" + picture_name(split, i), draw_3d(set.scenes[i], options.size, drawing));
  }
}

void require_between(const char* name, int64_t value, int64_t least, int64_t most) {
  if (value < least || value > most)
    throw UsageError("css", concat(name, " = ", value, ": expected ", least, " to ", most));
}

}  // namespace css

void write_css_corpus(const std::filesystem::path& directory, const CssCorpusOptions& options) {
  css::require_between("train_queries", options.train_queries, 16, 200000);
  css::require_between("test_queries", options.test_queries, 16, 200000);
  css::require_between("size", options.size, 32, 512);
  Json marker = {{"generator", "css"}, {"version", css::kVersion}};
  for (const Row& row : rows_of(options)) marker[row.key] = *parse_integer(row.value);
  write_synth_files(directory, marker, [&](const FileSink& sink) {
    const auto seed = static_cast<uint64_t>(options.seed);
    const css::SceneSet train = css::make_scenes(options.train_queries, css::Part::train, seed);
    const css::SceneSet test = css::make_scenes(options.test_queries, css::Part::test, seed);
    sink(css::kAnnotationFile, css::annotation_bytes({css::annotated(train), css::annotated(test)}));
    css::draw_scenes(train, css::Part::train, "train", options, sink);
    css::draw_scenes(test, css::Part::test, "test", options, sink);
  });
}

}  // namespace diptych
