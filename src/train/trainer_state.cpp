#include "train/trainer_state.h"

#include <torch/torch.h>

#include "diptych/core/io/hash.h"
#include "diptych/core/log.h"
#include "diptych/core/tensor/gemm.h"

namespace diptych {
namespace {

constexpr const char* kCpuGenerator = "random/cpu";
constexpr const char* kCudaGenerator = "random/cuda";

at::Generator cpu_generator() { return at::detail::getDefaultCPUGenerator(); }

/// What must be the same for a resumed run to repeat a straight one.
Json identity_of(const Experiment& experiment, const DataBundle& data) {
  return Json{{"config", config_hash(rows_of(experiment))},
              {"data", data.corpus.fingerprint},
              {"vocabulary", data.vocabulary.hash()},
              {"threads", at::get_num_threads()},
              {"gemm", linear_nt_backend()},
              {"torch", TORCH_VERSION}};
}

void check_identity(const Json& then, const Json& now, const std::string& where) {
  for (const auto& [key, what] : {std::pair{"data", "data set"}, std::pair{"vocabulary", "vocabulary"}})
    if (const std::string stored = then.value(key, std::string()); stored != now.at(key))
      throw CheckpointError(
          where,
          concat("the ", what, " has changed since: ", stored, " then, ", now.at(key).get<std::string>(), " now"),
          "restore the former files, or start a new run");
  for (const char* key : {"threads", "torch", "gemm"})
    if (then.contains(key) && then.at(key) != now.at(key))
      log::warn(concat("bit-exactness not promised: ", key, " was ", then.at(key).dump(),
                       " in the first session and is ", now.at(key).dump(), " now"));
}

}  // namespace

Trainer::State::State(const Experiment& e, const DataBundle& d, System& s)
    : experiment(e),
      data(d),
      system(s),
      protocol(e.evaluate.protocol.make()),
      metric(e.selection_metric()),
      ema(s, e.train.ema) {}

void Trainer::State::begin_stage() {
  stage = std::make_unique<ActiveStage>(experiment, data, system, at);
  if (!pending_optimizer.empty()) stage->optimizer->restore(std::exchange(pending_optimizer, {}));
}

double Trainer::State::epoch_position() const {
  return static_cast<double>(at.epochs - at.stage_epoch) + stage->time(at.stage_step).epoch();
}

Checkpoint Trainer::State::checkpoint() const {
  Checkpoint out;
  out.model.tensors = module_state(system);
  if (stage) out.optimizer.tensors = stage->optimizer->state();
  out.optimizer.metadata["optimizer"] = stage ? stage->optimizer->type() : "";
  out.optimizer.tensors.merge(ema.state());
  out.optimizer.tensors[kCpuGenerator] = cpu_generator().get_state().clone();
  if (system.device.is_cuda())
    out.optimizer.tensors[kCudaGenerator] = at::globalContext().defaultGenerator(system.device).get_state().clone();
  out.state = at;
  out.state.window = window.to_json();
  out.state.metrics_bytes = run_log ? run_log->bytes() : 0;
  out.state.schedule = stage ? stage->schedule->state() : Json::object();
  out.identity = identity_of(experiment, data);
  return out;
}

void Trainer::State::save(RunDirectory& run) {
  run_log->sync();
  const auto folder = run.checkpoints();
  save_checkpoint(folder, checkpoint());
  // Also after a resumption from an older checkpoint `best` names what this course has found best.
  const int64_t best = metric.empty() ? at.step : at.best_step;
  if (best >= 0 && std::filesystem::is_directory(folder / checkpoint_name(best)) &&
      pointed_at(folder, "best") != checkpoint_name(best))
    point_to(folder, "best", checkpoint_name(best));
  prune_checkpoints(folder, experiment.train.checkpoint.keep, at.step);
  saved_step = at.evaluation_due ? -1 : at.step;
}

void Trainer::State::restore(const Checkpoint& checkpoint) {
  const std::string where = "checkpoint " + checkpoint_name(checkpoint.state.step);
  use_linear_nt_backend(checkpoint.identity.value("gemm", std::string("auto")));
  check_identity(checkpoint.identity, identity_of(experiment, data), where);
  const auto& stored = checkpoint.optimizer.tensors;
  const auto random = stored.find(kCpuGenerator);
  if (random == stored.end()) throw CheckpointError(where, concat(kCpuGenerator, " is missing"));
  restore_module(system, checkpoint.model.tensors, where);
  ema.restore(stored);
  at = checkpoint.state;
  saved_step = at.evaluation_due ? -1 : at.step;
  window = Meter::from_json(checkpoint.state.window);
  pending_optimizer.clear();
  for (const auto& [name, tensor] : stored)
    if (!name.starts_with("ema") && !name.starts_with("random/")) pending_optimizer[name] = tensor;
  cpu_generator().set_state(random->second);
  if (const auto cuda = stored.find(kCudaGenerator); cuda != stored.end() && system.device.is_cuda()) {
    at::Generator generator = at::globalContext().defaultGenerator(system.device);
    generator.set_state(cuda->second);
  }
}

}  // namespace diptych
