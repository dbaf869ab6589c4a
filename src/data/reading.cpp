#include "data/reading.h"

#include <algorithm>

namespace diptych {
namespace reading {

bool is_empty(const CorpusCaption& caption) { return caption.tokens.empty() || trim(caption.text).empty(); }

void drop_empty_captions(Corpus& corpus) {
  const auto dropped = std::erase_if(corpus.captions, is_empty);
  std::vector<int64_t> captions(corpus.images.size()), row(corpus.images.size(), -1);
  for (const CorpusCaption& caption : corpus.captions) ++captions[caption.image_row];
  std::vector<CorpusImage> kept;
  for (size_t i = 0; i < captions.size(); ++i) {
    if (captions[i] == 0) continue;
    row[i] = static_cast<int64_t>(kept.size());
    kept.push_back(std::move(corpus.images[i]));
  }
  const size_t images = captions.size() - kept.size();
  corpus.images = std::move(kept);
  for (CorpusCaption& caption : corpus.captions) caption.image_row = row[caption.image_row];
  if (dropped > 0 || images > 0)
    corpus.notes.push_back(
        concat(dropped, " captions without words and ", images, " images without captions were dropped"));
}

}  // namespace reading

Corpus begin_corpus(const ReaderOptions& options, const std::filesystem::path& source) {
  if (std::error_code error; !std::filesystem::is_directory(options.root, error))
    throw DataError("data.corpus.root", concat("'", escape_for_log(options.root, 200), "' is not a folder"),
                    "data.corpus.root must be the folder that holds the annotation file and the images");
  Corpus corpus;
  corpus.name = options.name.empty() ? name_of_folder(options.root) : options.name;
  corpus.image_root = options.below_root(options.images).lexically_normal();
  if (std::error_code error; options.images == "images" && !std::filesystem::is_directory(corpus.image_root, error))
    corpus.image_root = std::filesystem::path(options.root).lexically_normal();
  if (!corpus.image_root.has_filename()) corpus.image_root = corpus.image_root.parent_path();  // no slash at the end
  corpus.source = source.string();
  return corpus;
}

void end_corpus(Corpus& corpus, const ReaderOptions& options) {
  if (options.empty_captions == EmptyCaptions::drop) reading::drop_empty_captions(corpus);
  finish_corpus(corpus);
}

void merge_rest(Corpus& corpus) {
  int64_t merged = 0;
  for (CorpusImage& image : corpus.images) {
    if (image.split != Split::rest) continue;
    image.split = Split::train;
    ++merged;
  }
  if (merged > 0) corpus.notes.push_back(concat(merged, " restval images were merged into train"));
}

int64_t LabelNumbers::operator()(const std::string& name) {
  const auto [found, is_new] = number_.emplace(name, static_cast<int64_t>(corpus_.label_names.size()));
  if (is_new) corpus_.label_names.push_back(name);
  return found->second;
}

}  // namespace diptych
