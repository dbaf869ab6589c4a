#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "diptych/core/io/json.h"
#include "diptych/data/corpus.h"

namespace diptych {

/// What a split of an imported set holds.
struct ImportedSplit {
  Split split;
  int64_t images = 0, captions = 0, identities = 0;                     // identities: 0 if the corpus has none
  int64_t fewest_captions = 0, median_captions = 0, most_captions = 0;  // of an image
};

/// What `data import` says about a set in the native format.
struct ImportReport {
  std::string corpus, source;
  std::filesystem::path set, image_root;
  std::vector<ImportedSplit> splits;  // those that hold images
  std::vector<std::string> notes;     // rows that were dropped and why, counts that differ, ...
  int64_t other_words = 0;            // captions whose annotated words are not the native format's
};

/// Writes a corpus in the native format (see the reader "jsonl"), one image a line, ordered by id; reading it gives the
/// same images, captions, splits and identities. Words are not stored: the native format's are the runs of [a-z0-9'] of
/// a caption. The file appears whole or not at all.
///
/// `known`: a set whose published counts the corpus must have (published.h); empty: none is asked for.
/// throws CheckFailed with the counts that differ, before anything is written; UsageError for an unknown name and if
/// `set` is there already; OutputError.
ImportReport write_jsonl_set(const Corpus& corpus, const std::filesystem::path& set, const std::string& known = "");

/// The counts, and the lines of a configuration that reads the set.
std::string to_text(const ImportReport& report);
Json to_json(const ImportReport& report);

}  // namespace diptych
