#pragma once
#include <filesystem>
#include <optional>

#include "diptych/core/io/json.h"
#include "diptych/core/io/tensorboard.h"
#include "diptych/train/checkpoint.h"
#include "diptych/train/encode.h"

namespace diptych {

/// RUN/tb (log.tensorboard): a training as `tensorboard --logdir RUNS` shows it. Nothing flows back from here, so that
/// a run has the same metrics and checkpoints with and without.
///
///   scalars     train/loss, train/<term>, train/lr, train/grad_norm, ...: every number of metrics.jsonl;
///               val/<protocol>/i2t_R@1, ...; final/<split>/<protocol>/...; time/pairs_per_s, ...
///   histograms  val/norm/image, val/norm/text (lengths of the embeddings); val/score/i2t, ... (of the right pairs);
///               val/log10_rank/i2t, ... (of the best right answer)
///   images      pictures/...: some training pictures as the network sees them in testing, with their captions
///   text        config, environment
///   hparams     every setting but paths, log and notes; TensorBoard sets the last value of each scalar beside it
///
/// A session that goes on from a checkpoint writes a new file whose start takes back what earlier sessions said beyond
/// it, so that no step appears twice. A folder without event files, of a run that began without log.tensorboard, first
/// gets all rows of metrics.jsonl.
class TensorboardLog {
 public:
  /// at: where the run stands. redo: the evaluation of at.step is still to come. throws OutputError.
  TensorboardLog(const std::filesystem::path& run, const Experiment& experiment, const DataBundle& data,
                 const TrainState& at, bool redo);

  /// A row of metrics.jsonl; a row of timing.jsonl.
  void metrics(const Json& row);
  void times(const Json& row);
  /// The histograms.
  void evaluation(int64_t step, const ProtocolResult& result, const EncodedSplit& encoded);
  /// The training has succeeded, with this final evaluation.
  void finish(int64_t step, const std::optional<ProtocolResult>& result);

 private:
  void numbers(const std::string& prefix, const Json& row);
  void texts(const std::filesystem::path& run, int64_t step);
  void pictures(const Experiment& experiment, const DataBundle& data);
  /// The first `bytes` bytes of metrics.jsonl, from a step on.
  void replay(const std::filesystem::path& run, int64_t bytes, int64_t from);
  TensorboardWriter writer_;
};

}  // namespace diptych
