#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// The annotation file of CSS (Vo et al., CVPR 2019), css_toy_dataset_novel2_small.dup.npy: np.save of a dictionary
//
//   d["train"|"test"]["objects_img"]   a scene an image, as a list of {color, shape, size, pos: (y, x)}
//   d["train"|"test"]["labels"]        number of the scene, which its duplicates share; optional
//   d["train"|"test"]["mods"]          [{to_str: text, from: [images], to: [images]}], from and to in pairs

namespace diptych::css {

constexpr const char* kAnnotationFile = "css_toy_dataset_novel2_small.dup.npy";

struct SceneObject {
  std::string color, shape, size;  // "red", "circle", "small"
  double y, x;                     // of its centre, shares of the picture from its upper left corner
};
struct TextEdit {
  std::string text;
  std::vector<int64_t> from, to;  // equally many images of the split, numbered from 0
};
struct SplitAnnotation {
  std::vector<std::vector<SceneObject>> objects;  // one list an image
  std::vector<int64_t> labels;                    // one an image; the image's number where the file has none
  std::vector<TextEdit> edits;
};
struct Annotation {
  SplitAnnotation train, test;
};

/// The file's bytes, pickle protocol 2. np.load(file, allow_pickle=True)[()] gives the dictionary.
std::string annotation_bytes(const Annotation& annotation);

/// throws DataError with file and place: no such pickle, keys or types missing, images that do not exist, lists that
/// are no pairs, more than a set of this kind can hold.
Annotation parse_annotation(std::string_view bytes, const std::string& file);

/// "css_train_000012.png": the picture's file, 2-D and 3-D.
std::string picture_name(std::string_view split, size_t image);

}  // namespace diptych::css
