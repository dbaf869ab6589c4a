#pragma once
#include "data/composed.h"

namespace diptych {

/// Which drawing of a scene is shown.
enum class CssDrawing { flat, solid };
constexpr auto enum_names(CssDrawing) {
  return std::array{std::pair{CssDrawing::flat, "2d"}, std::pair{CssDrawing::solid, "3d"}};
}

struct CssOptions : ReaderOptions {
  std::string annotations = "css_toy_dataset_novel2_small.dup.npy";
  std::string images_3d = "images";
  std::string images_2d = "images_2d";
  CssDrawing query_images = CssDrawing::solid;
  CssDrawing gallery_images = CssDrawing::solid;
  ChangeWords words = ChangeWords::runs;
  ValidationCut cut;
  CssOptions() { images = "."; }
  static void visit(auto& self, auto& field) {
    field("root", self.root, "folder of the data set", Field{.required = true, .path = true});
    field("name", self.name, "name of the corpus in reports; empty: taken from the folder");
    field("annotations", self.annotations, "np.save of scenes and edits, below root");
    field("images_3d", self.images_3d, "folder of the 3-D drawings below root, css_train_000000.png and so on");
    field(
        "images_2d", self.images_2d,
        "folder of the 2-D drawings below root, files named as in images_3d; the public release has none, diptych data "
        "synth css writes them");
    field("query_images", self.query_images, "drawing of the scenes that are to be changed: 2d, 3d");
    field("gallery_images", self.gallery_images, "drawing of the scenes that are ranked: 2d, 3d");
    field("words", self.words,
          "runs: lower-case runs of [a-z0-9'], as search reads a query (top-left = top left); stripped: ASCII, lower "
          "case, punctuation deleted, split at spaces, as the code of TIRG does (top-left = topleft)");
    ValidationCut::visit_cut(self.cut, field);
  }
};

/// CSS (Vo et al., CVPR 2019): scenes of coloured shapes, and texts that add, remove or change one, "make blue circle
/// small". Labels are scenes; images of one scene share theirs. Where queries and gallery are of different drawings,
/// the scenes that are to be changed occur in both, with one label: in the drawing of the queries outside the gallery.
/// The training images are cut into train and val so that an edited scene and what it becomes stay together where they
/// can.
class CssReader final : public CorpusReader {
 public:
  using Options = CssOptions;
  explicit CssReader(const Options& options) : options_(options) {}
  Corpus read() const override;
  std::vector<std::filesystem::path> needed_files() const override;

 private:
  Options options_;
};

}  // namespace diptych
