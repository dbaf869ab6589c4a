#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "diptych/core/io/json.h"
#include "diptych/data/corpus.h"

// What `data check` and `data stats` print. Both look at a corpus that a reader accepted; faults of the annotation
// itself (duplicate ids, split leaks, empty captions, invalid UTF-8) are errors of the reader.

namespace diptych {

struct CheckOptions {
  int64_t decode = 100;         // images decoded, spread evenly over the corpus; -1 = all
  bool compare_content = true;  // also look for files with the same bytes and for files that nobody names
};

/// One kind of finding. Kinds that are errors: missing_image, outside_root, unreadable_image. Warnings:
/// content_in_two_splits, wrong_extension, exif_orientation, equal_content, repeated_caption, unused_file,
/// identity_gap, single_image_identity, note (what the reader noticed).
struct Finding {
  std::string kind;
  bool is_error;
  std::string meaning;                // one sentence
  std::string remedy;                 // what mends it; empty: nothing needs to be done
  std::vector<std::string> examples;  // all of them; texts show the first ten
};
struct CheckReport {
  std::string corpus;
  int64_t images = 0, captions = 0, decoded = 0;
  std::vector<Finding> findings;  // errors first
  bool has_errors() const;
};
/// Every path is resolved and every header's magic is read; decoding, EXIF and sizes cover the sample, equal content is
/// looked for among files of equal size. Uses all cores, shows progress.
CheckReport check_corpus(const Corpus& corpus, const CheckOptions& options = {});
std::string to_text(const CheckReport& report);
Json to_json(const CheckReport& report);

struct Spread {
  int64_t min = 0, median = 0, max = 0;
  double mean = 0;
};
struct SplitStats {
  Split split;
  int64_t images = 0, captions = 0, identities = 0;  // identities: 0 if the corpus has none
  Spread caption_tokens, captions_per_image, images_per_identity, pairs_per_identity;  // pair: image and caption
};
/// The vocabulary that a threshold leaves, and the share of tokens outside it.
struct VocabularyStats {
  int64_t min_count, words;
  double unknown_train, unknown_val, unknown_test;
};
struct WordVectorStats {
  int64_t words, found, dimension;
  double training_tokens_covered;
};
struct CorpusStats {
  std::string corpus, fingerprint;
  std::vector<SplitStats> splits;  // those that hold images
  std::vector<VocabularyStats> vocabulary;
  std::vector<std::string> new_words;  // words of val and test that no training caption has, the most frequent first
  std::optional<WordVectorStats> word_vectors;
  int64_t sized_images = 0;  // decoded for width and height; unreadable ones are left out
  Spread width, height;
  std::vector<std::string> notes;
};
struct StatsOptions {
  std::vector<int64_t> min_counts = {1, 2, 3, 4, 5, 10};
  std::string word_vectors;  // GloVe or word2vec text file; empty = none
  int64_t decode = 100;      // images decoded for their sizes; -1 = all
};
/// Shows progress while images are decoded.
CorpusStats stats_of(const Corpus& corpus, const StatsOptions& options = {});
std::string to_text(const CorpusStats& stats);
Json to_json(const CorpusStats& stats);

}  // namespace diptych
