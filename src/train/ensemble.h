#pragma once
#include <string>
#include <vector>

#include "diptych/train/session.h"

namespace diptych {

/// Runs as `evaluate` finds them. where: the run directories; which: the checkpoint of all of them, where a path does
/// not name one itself. throws CheckpointError before any of them is loaded.
std::vector<LoadedRun> load_runs(const Catalog& catalog, const std::vector<std::filesystem::path>& where,
                                 const std::string& which, const std::vector<std::string>& overrides, int64_t threads);

/// A split of `other` holds the same images and captions, in the same order, as that of `corpus`; files and features
/// may differ. throws DataError at `other_run` naming the first difference.
void require_same_split(const Corpus& corpus, const Corpus& other, Split split, const std::string& other_run);

/// The runs' scores of all images against all captions, added (as Huang et al., CVPR 2017, do with two models). Scores
/// are added as they are: runs whose scorers differ in scale do not weigh the same. x and y are the first run's.
/// throws DataError for runs of different corpora.
EncodedSplit encode_ensemble(const std::vector<const LoadedRun*>& runs, Split split,
                             const std::vector<std::string>& names);
/// Of the result of so many runs: "flickr8k-1k-ensemble-2". A protocol of its own, so that no single run's number is
/// compared with an ensemble's.
std::string ensemble_protocol(const std::string& protocol, size_t runs);

}  // namespace diptych
