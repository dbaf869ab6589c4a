#pragma once
#include <array>
#include <filesystem>
#include <string>

#include "data/annotation.h"
#include "data/image_finder.h"
#include "data/problems.h"
#include "diptych/data/corpus.h"

namespace diptych {

enum class EmptyCaptions { fail, drop };
constexpr auto enum_names(EmptyCaptions) {
  return std::array{std::pair{EmptyCaptions::fail, "fail"}, std::pair{EmptyCaptions::drop, "drop"}};
}
enum class Tokens { annotated, own };
constexpr auto enum_names(Tokens) {
  return std::array{std::pair{Tokens::annotated, "annotated"}, std::pair{Tokens::own, "own"}};
}

/// The keys that every reader has.
struct ReaderOptions {
  std::string root;
  std::string name;
  std::string images = "images";
  EmptyCaptions empty_captions = EmptyCaptions::fail;

  static void visit_common(auto& self, auto& field) {
    field("root", self.root, "folder of the data set", Field{.required = true, .path = true});
    field("name", self.name, "name of the corpus in reports; empty: taken from the file or the folder");
    field("images", self.images,
          "folder of the images below root; image paths are resolved inside it. The default, images, means root itself "
          "where there is no such folder");
    field("empty_captions", self.empty_captions,
          "a caption without any word stops the reading, or is dropped and counted");
  }
  std::filesystem::path below_root(const std::string& file) const { return std::filesystem::path(root) / file; }
};

/// A corpus with what the options say; `source` is the annotation file for messages.
Corpus begin_corpus(const ReaderOptions& options, const std::filesystem::path& source);
/// Applies the policy for empty captions and finishes.
void end_corpus(Corpus& corpus, const ReaderOptions& options);
/// Restval images become training images, with a note.
void merge_rest(Corpus& corpus);

/// Numbers for identities: label i is called names[i]; finish_corpus renumbers them.
class LabelNumbers {
 public:
  explicit LabelNumbers(Corpus& corpus) : corpus_(corpus) {}
  int64_t operator()(const std::string& name);

 private:
  Corpus& corpus_;
  std::unordered_map<std::string, int64_t> number_;
};

}  // namespace diptych
