#pragma once
#include <ATen/core/Tensor.h>

#include <array>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "diptych/core/error.h"
#include "diptych/core/io/fs.h"

namespace diptych {

/// What the items of a gallery are.
enum class View { image, text };
constexpr auto enum_names(View) { return std::array{std::pair{View::image, "image"}, std::pair{View::text, "text"}}; }

/// Where embeddings come from: the metadata of a gallery file.
struct GalleryHeader {
  View view = View::image;
  std::string experiment = {}, run = {}, checkpoint = {};  // run: absolute path
  std::string model = {};                                  // TrainedModel::fingerprint
  std::string scorer = {};                                 // "cosine"
  bool mirrored = false;                                   // the mirrored image's embedding was added
  std::string source = {};                                 // hash over the items and how they were encoded
  int64_t skipped = 0;                                     // unreadable items left out
  bool features = false;   // of an image encoder alone, before its head: search refuses them
  std::string views = {};  // of features: "10 crops, mean"
  std::map<std::string, std::string> to_metadata() const;
};

/// Embeddings of pictures or captions with their ids. On disk, a safetensors file:
///
///   embeddings  F32 [N, D]  as the model gives them, NOT normalised; of an image encoder alone: `features` [N, F] or
///                           [N, R, F], which FeatureFile reads
///   ids         U8  [.]     a JSON list of N texts
///   files       U8  [.]     (view image) a JSON list of N absolute paths
///   texts       U8  [.]     (view text) a JSON list of N captions
///   metadata    diptych = "embeddings/1" ("features/1") and the fields of GalleryHeader
///
/// Python: `t = safetensors.torch.load_file(F); ids = json.loads(bytes(t["ids"].tolist()))`.
struct Gallery {
  GalleryHeader header;
  at::Tensor embeddings;  // [N, D] float32; features also [N, R, F]
  std::vector<std::string> ids;
  std::vector<std::string> content;  // file or text of every item
};

/// throws DataError when the file is no gallery of embeddings or contradicts itself (counts, types, an embedding that
/// is not finite).
Gallery read_gallery(const std::filesystem::path& file);
/// The metadata alone. throws DataError.
GalleryHeader read_gallery_header(const std::filesystem::path& file);

/// Name of the array in a file with this header.
const char* array_name(const GalleryHeader& header);

/// Writes a gallery whose embeddings [count, row...] `fill` gives in pieces, so that they need not fit into memory;
/// `gallery.embeddings` is not looked at. throws OutputError.
void write_gallery(const std::filesystem::path& file, const Gallery& gallery, at::IntArrayRef row,
                   const std::function<void(const ByteSink&)>& fill);
/// The same content for numpy.load: embeddings, ids, files or texts (UTF-8 bytes), metadata (one JSON text). Made in
/// memory; at most 4 GB. throws UsageError beyond that.
void write_gallery_npz(const std::filesystem::path& file, const Gallery& gallery);

}  // namespace diptych
