#pragma once
#include "data/reading.h"

namespace diptych {

struct CocoCaptionsOptions : ReaderOptions {
  std::string annotations = "annotations/captions_train2014.json";
  std::string val_annotations;
  std::string test_annotations;
  std::string split_file;
  static void visit(auto& self, auto& field) {
    visit_common(self, field);
    field("annotations", self.annotations, "JSON file of the training images below root; empty: none");
    field("val_annotations", self.val_annotations,
          "JSON file of the validation images, such as annotations/captions_val2014.json; empty: none");
    field("test_annotations", self.test_annotations, "JSON file of the test images; empty: none");
    field("split_file", self.split_file,
          "text file below root that splits anew: lines 'FILE_NAME SPLIT' or 'IMAGE_ID SPLIT'; images it does not name "
          "are left out");
  }
};

/// `{"images": [{id, file_name}], "annotations": [{id, image_id, caption}]}`, one file a split. The captions of an
/// image are ordered by annotation id. Images are looked for as file_name, then in any folder below `images`.
class CocoCaptionsReader final : public CorpusReader {
 public:
  using Options = CocoCaptionsOptions;
  explicit CocoCaptionsReader(const Options& options) : options_(options) {}
  Corpus read() const override;
  std::vector<std::filesystem::path> needed_files() const override;

 private:
  Options options_;
};

}  // namespace diptych
