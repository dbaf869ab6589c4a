#include "data/css.h"

#include "core/io/pickle_reader.h"
#include "data/css_annotation.h"
#include "diptych/core/io/fs.h"

namespace diptych {
namespace css {

std::string image_id(const char* split, size_t image, const char* drawing) {
  std::string name = picture_name(split, image);
  name = name.substr(4, name.size() - 8);  // without css_ and .png
  return *drawing ? concat(name, "-", drawing) : name;
}

/// Adds one part of the file, train or test, to a corpus.
class PartReader {
 public:
  PartReader(Corpus& corpus, const CssOptions& options, const char* name, const SplitAnnotation& part)
      : corpus_(corpus), options_(options), name_(name), part_(part) {}

  /// `splits`: of each image.
  void add(const std::vector<Split>& splits, LabelNumbers& labels) {
    add_images(splits, labels);
    for (size_t i = 0; i < part_.edits.size(); ++i) add_edit(part_.edits[i], static_cast<int64_t>(i), splits);
    if (dropped_ > 0)
      corpus_.notes.push_back(
          concat(dropped_, " of the training queries lead from train to val or back and are left out"));
  }

 private:
  void add_images(const std::vector<Split>& splits, LabelNumbers& labels) {
    const bool is_mixed = options_.query_images != options_.gallery_images;
    std::vector<char> is_source(part_.objects.size(), 0);
    for (const TextEdit& edit : part_.edits)
      for (const int64_t from : edit.from) is_source[static_cast<size_t>(from)] = 1;
    for (size_t i = 0; i < part_.objects.size(); ++i) {
      const int64_t label = labels(concat(name_, " scene ", part_.labels[i]));
      const auto add_image = [&](CssDrawing drawing, bool in_gallery) {
        const std::string& folder = drawing == CssDrawing::flat ? options_.images_2d : options_.images_3d;
        const char* mark = in_gallery ? "" : drawing == CssDrawing::flat ? "2d" : "3d";
        CorpusImage image{concat(folder, "/", picture_name(name_, i)), image_id(name_, i, mark), splits[i], label,
                          static_cast<int64_t>(i)};
        image.gallery = in_gallery;
        corpus_.images.push_back(std::move(image));
        return static_cast<int64_t>(corpus_.images.size()) - 1;
      };
      target_row_.push_back(add_image(options_.gallery_images, true));
      source_row_.push_back(is_mixed && is_source[i] ? add_image(options_.query_images, false) : target_row_.back());
    }
  }

  void add_edit(const TextEdit& edit, int64_t record, const std::vector<Split>& splits) {
    const std::string text(trim(edit.text));
    const Place place{corpus_.source, record, false, concat(name_, ".mods")};
    if (const auto bad = find_invalid_utf8(text)) throw DataError(place.text(), concat("invalid UTF-8 at byte ", *bad));
    const std::vector<std::string> words = require_words(text, options_.words, "the text", place);
    for (size_t i = 0; i < edit.from.size(); ++i) {
      const auto from = static_cast<size_t>(edit.from[i]), to = static_cast<size_t>(edit.to[i]);
      if (splits[from] != splits[to]) {
        ++dropped_;
        continue;
      }
      const CorpusImage& target = corpus_.images[static_cast<size_t>(target_row_[to])];
      add_modification(corpus_, {.text = text,
                                 .tokens = words,
                                 .split = splits[from],
                                 .source_row = source_row_[from],
                                 .target_label = target.label,
                                 .target_row = target_row_[to],
                                 .record = record});
    }
  }

  Corpus& corpus_;
  const CssOptions& options_;
  const char* name_;
  const SplitAnnotation& part_;
  std::vector<int64_t> target_row_, source_row_;  // of image i
  int64_t dropped_ = 0;
};

// A scene, what it becomes and its duplicates are linked.
std::vector<Split> cut_training(const SplitAnnotation& part, const ValidationCut& cut) {
  std::vector<std::string> ids;
  std::vector<ImageLink> links;
  std::unordered_map<int64_t, int64_t> first_of_label;
  for (size_t i = 0; i < part.objects.size(); ++i) {
    ids.push_back(image_id("train", i, ""));
    const auto image = static_cast<int64_t>(i);
    const auto [known, is_new] = first_of_label.emplace(part.labels[i], image);
    if (!is_new) links.emplace_back(known->second, image);
  }
  for (const TextEdit& edit : part.edits)
    for (size_t i = 0; i < edit.from.size(); ++i) links.emplace_back(edit.from[i], edit.to[i]);
  return cut_linked(ids, links, cut);
}

}  // namespace css

Corpus CssReader::read() const {
  const std::filesystem::path file = options_.below_root(options_.annotations);
  Corpus corpus = begin_corpus(options_, file);
  corpus.has_identities = true;
  const css::Annotation annotation = css::parse_annotation(read_file(file, pickled::Limits().max_bytes), corpus.source);
  LabelNumbers labels(corpus);
  css::PartReader(corpus, options_, "train", annotation.train)
      .add(css::cut_training(annotation.train, options_.cut), labels);
  css::PartReader(corpus, options_, "test", annotation.test)
      .add(std::vector<Split>(annotation.test.objects.size(), Split::test), labels);
  finish_composed(corpus);
  return corpus;
}

std::vector<std::filesystem::path> CssReader::needed_files() const {
  return {options_.below_root(options_.annotations)};
}

}  // namespace diptych
