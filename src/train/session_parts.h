#pragma once
#include <optional>

#include "diptych/train/session.h"

namespace diptych {

/// Threads, determinism, progress interval. threads 0: the configuration's.
void configure(const Experiment& experiment, int64_t threads);

/// The best checkpoint of a run on evaluate.final, written into RUN/eval; nothing if final is none or the split is
/// empty. throws NumericError after writing when the model has collapsed and train.on_collapse is stop.
std::optional<ProtocolResult> final_evaluation(const std::filesystem::path& run, const Experiment& experiment,
                                               const DataBundle& data, System& system);
/// What final_evaluation wrote, read back.
std::optional<ProtocolResult> stored_evaluation(const std::filesystem::path& run, const Experiment& experiment);

/// Before anything is trained: the final evaluation will give every metric that is expected. throws UsageError.
void check_expected_names(const Experiment& experiment, const std::vector<Expectation>& expectations);

}  // namespace diptych
