#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "diptych/train/encode_items.h"
#include "diptych/train/image_features.h"
#include "diptych/train/trained_model.h"

namespace diptych {

/// What `diptych encode` was asked to do.
struct EncodeRequest {
  std::filesystem::path out = {};  // .safetensors or .npz
  bool skip_bad = false;   // unreadable pictures and empty captions are left out and counted; otherwise the first one
                           // stops the encoding
  bool overwrite = false;  // replace `out` if it holds something else
  int64_t part_size = 0;   // items a part, rounded up to whole batches; 0: 16 batches
};

/// How an encoding ended.
struct EncodeOutcome {
  int64_t items = 0, dimension = 0;  // dimension: the last of a row
  int64_t regions = 0;               // rows of regions each item has; 0: one vector
  int64_t resumed = 0;               // items that an interrupted encoding had finished
  bool already_complete = false;     // `out` held exactly this encoding
  std::vector<std::string> skipped;  // "path: reason"
  int64_t words = 0, unknown = 0;    // of captions that were encoded now
  std::vector<std::string> unknown_examples;
};

/// Encodes the items and writes a gallery (gallery.h). Memory holds the list of items, a few batches and one part.
///
/// While it runs, finished parts lie in the folder `<out>.parts` beside the output, with a manifest that says what they
/// are parts of. The same call after an interruption (a signal, a crash, a full disk) goes on behind the last whole
/// part and ends with the same bytes, because batches are cut at the same places. The folder disappears at the end.
///
/// throws UsageError when `out` has another ending, exists with other content (without `overwrite`), or when its parts
/// belong to another encoding; DataError for an unreadable item; NumericError for an embedding that is not finite;
/// OutputError; Interrupted.
EncodeOutcome encode_items(const TrainedModel& trained, const EncodeItems& items, const EncodeRequest& request);

/// The same with the features of an image encoder instead of a model's embeddings; items are pictures. What FeatureFile
/// reads. Also throws UsageError for views that the encoder cannot give.
EncodeOutcome encode_features(const FeatureModel& model, const FeatureViews& views, const EncodeItems& items,
                              const EncodeRequest& request);

}  // namespace diptych
