#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "diptych/core/registry.h"

namespace diptych {

/// Which part of a corpus an image belongs to. `rest` is COCO's restval: merged into train only when asked.
enum class Split { train, val, test, rest };
constexpr auto enum_names(Split) {
  return std::array{std::pair{Split::train, "train"}, std::pair{Split::val, "val"}, std::pair{Split::test, "test"},
                    std::pair{Split::rest, "restval"}};
}

struct CorpusImage {
  std::string path;  // relative to the image folder
  std::string id;    // as the annotation names it
  Split split;
  int64_t label;        // who matches whom: equal labels = a match. Image number, or identity remapped to 0..C-1
  int64_t record = -1;  // for messages: index of the JSON record (from 0) or line of the text file (from 1)
  // Two images with the same `pair` differ only in what `relation` names ("left_right"); caption k of the one is
  // opposite to caption k of the other. Empty: no partner.
  std::string pair = {}, relation = {};
  // False: only ever the source of a modification, never ranked. The gallery's images with its label show what it shows
  // (the 3-D drawing of a scene whose 2-D drawing asks) and are left out of its ranking, as it would be itself.
  bool gallery = true;
};
struct CorpusCaption {
  std::string text;                 // raw
  std::vector<std::string> tokens;  // as annotated, or by the corpus reader's tokeniser
  int64_t image_row;                // row of Corpus::images
};

/// A change asked for in words. An image and such a text are the query of composed retrieval; its answers are the
/// images with `target_label`, the query's own image left out.
struct Modification {
  std::string text;                 // raw, "replace blue with red"
  std::vector<std::string> tokens;  // at least one
  Split split;
  int64_t source_row = -1;    // row of Corpus::images; -1: every image with source_label is a source
  int64_t source_label = -1;  // of the source, or of all sources
  int64_t target_label;       // who answers
  int64_t target_row = -1;    // the image that training shows; -1: any with target_label, drawn anew every epoch
  int64_t record = -1;        // for messages, as CorpusImage::record, of the file named by `source`
  // Rows of the images that a second, smaller gallery holds (CIRR's subset); empty: none.
  std::vector<int64_t> subset = {};
};

/// An immutable table read from annotation files: images, captions, which belongs to which, labels, splits.
/// Images are ordered by split (train, rest, val, test) and id; captions follow their image's order.
struct Corpus {
  std::string name;                  // "flickr8k"
  std::filesystem::path image_root;  // every image path is resolved inside it
  std::vector<CorpusImage> images;
  std::vector<CorpusCaption> captions;      // of composed retrieval: what is known of an image, may be empty
  std::vector<Modification> modifications;  // of composed retrieval; empty: matching. Ordered by split, as read
  std::string modification_source;          // the file that modifications name records of; empty: `source`
  bool has_identities = false;              // labels are identities or classes rather than image numbers
  std::vector<std::string> label_names;     // identities as annotated: label_names[label]; empty without identities
  std::string source;                       // annotation file, for messages
  bool records_are_lines = false;           // CorpusImage::record counts lines
  std::vector<std::string> notes;  // what was noticed: counts that differ from the published ones, rest merged, ...
  std::string fingerprint;         // hash over what decides results, file names included; not where the folder lies

  /// Rows of one split, ascending. `image_rows(Split::train)` includes rest images when the reader merged them.
  std::vector<int64_t> image_rows(Split split) const;
  std::vector<int64_t> caption_rows(Split split) const;
  /// Rows of Corpus::modifications of one split, ascending.
  std::vector<int64_t> modification_rows(Split split) const;
  /// Caption rows of every image: result[image_row].
  std::vector<std::vector<int64_t>> captions_of_images() const;
  /// The row of every image's partner, -1 without one. Empty if no image has a partner.
  std::vector<int64_t> partners() const;
  /// 1 + the largest label among train images (labels of train images are 0..C-1).
  int64_t train_classes() const;
};

/// "set.jsonl:812 (id a1)", "reid_raw.json record 12 (id 7)": where an image was annotated.
std::string place_of(const Corpus& corpus, const CorpusImage& image);
/// "queries.jsonl:12 modification 'make blue circle small'": where a modification was annotated.
std::string place_of(const Corpus& corpus, const Modification& modification);

/// Sorts, remaps labels (train labels first, 0..C-1, in order of first appearance), checks (duplicate ids, split leaks,
/// empty captions, invalid UTF-8, pairs that are not two images of one split with one relation and equally many
/// captions), fills the fingerprint. Every reader ends with it. The captions of an image keep
/// their order, so the result does not depend on the order of the records. Ids that are numbers are sorted as numbers.
/// Modifications follow their images' rows and labels (source_label is filled in from source_row), and are checked:
/// rows and labels that exist, source, target and subset in the modification's split, a target in the gallery, words.
/// Images need captions unless there are modifications. throws one DataError with the first ten problems and their
/// count.
void finish_corpus(Corpus& corpus);

/// Every image is a regular file inside the image folder. throws one DataError with the number of bad ones and the
/// first ten, each with its record, the cause and the name that was probably meant (`A.JPG` for `a.jpg`).
void check_images_exist(const Corpus& corpus);

/// Reads one annotation format. Interface of the registry "corpus": karpathy, coco_captions, flickr_token, cuhk_pedes,
/// reed, jsonl, csv, custom ones.
class CorpusReader {
 public:
  virtual ~CorpusReader() = default;
  virtual Corpus read() const = 0;
  /// Files whose absence means that nothing can start, for `doctor` and messages.
  virtual std::vector<std::filesystem::path> needed_files() const = 0;
};
using CorpusRegistry = Registry<CorpusReader>;
void register_corpora(CorpusRegistry& corpora);

}  // namespace diptych
