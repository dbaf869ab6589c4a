#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "data/reading.h"
#include "data/split_shares.h"

// What the readers of composed retrieval share: options, words of a change, looking images up, cutting validation
// images from the training ones where queries link them.

namespace diptych {

/// How the text of a change, and a caption, is cut into words.
enum class ChangeWords { runs, stripped };
constexpr auto enum_names(ChangeWords) {
  return std::array{std::pair{ChangeWords::runs, "runs"}, std::pair{ChangeWords::stripped, "stripped"}};
}

/// The keys of every reader of composed retrieval, in place of ReaderOptions::visit_common: images need no captions, so
/// there is no policy for empty ones.
struct ComposedOptions : ReaderOptions {
  ChangeWords words = ChangeWords::runs;
  static void visit_composed(auto& self, auto& field) {
    field("root", self.root, "folder of the data set", Field{.required = true, .path = true});
    field("name", self.name, "name of the corpus in reports; empty: taken from the folder");
    field("images", self.images,
          "folder of the images below root; image paths are resolved inside it. The default, images, means root itself "
          "where there is no such folder");
    field("words", self.words,
          "runs: lower-case runs of [a-z0-9'], as search reads a query; stripped: ASCII, lower case, punctuation "
          "deleted, split at spaces, as the code of TIRG does (men's = mens)");
  }
};

/// `text` cut into words; may be empty.
std::vector<std::string> words_of_change(std::string_view text, ChangeWords words);
/// The same. throws DataError naming the place and `what` ("the caption") if there is no word.
std::vector<std::string> require_words(std::string_view text, ChangeWords words, const char* what, const Place& place);

/// Appends. throws DataError beyond kMaxModifications: each takes some 300 bytes of memory.
constexpr size_t kMaxModifications = 5'000'000;
void add_modification(Corpus& corpus, Modification modification);

/// Rows of images by id.
class ImageRows {
 public:
  void add(const std::string& id, int64_t row) { rows_.emplace(id, row); }
  std::optional<int64_t> find(const std::string& id) const;
  /// throws DataError: "source 'a9' is no image of set.jsonl".
  int64_t require(const std::string& id, const char* what, const std::string& source, const Place& place) const;

 private:
  std::unordered_map<std::string, int64_t> rows_;
};

/// train or val for each of the images `ids`, of which pairs are linked by queries: images that are linked, directly or
/// through others, stay together where that gives val half of its share or more. Otherwise, a region of linked images
/// is cut out of the rest, and few links cross its border. A pure function of ids, links and seed.
using ImageLink = std::pair<int64_t, int64_t>;  // places in `ids`
std::vector<Split> cut_linked(const std::vector<std::string>& ids, const std::vector<ImageLink>& links,
                              const ValidationCut& cut);

/// throws DataError if there is no modification, then finish_corpus.
void finish_composed(Corpus& corpus);

}  // namespace diptych
