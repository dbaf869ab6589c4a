#include "diptych/train/checkpoint.h"

#include <torch/torch.h>

#include <algorithm>

#include "diptych/core/io/fs.h"
#include "diptych/core/log.h"
#include "diptych/core/text.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;
constexpr const char* kPrefix = "step-";
constexpr int64_t kFormat = 1;
constexpr uint64_t kMaxState = 64 << 20;

template <class T>
T field(const Json& json, const char* key, const std::string& where) {
  try {
    return json.at(key).get<T>();
  } catch (const Json::exception&) {
    throw CheckpointError(where, concat("'", key, "' is missing or of another type"),
                          "the checkpoint was damaged or written by another version");
  }
}

std::string first_names(const std::string& title, const std::vector<std::string>& names) {
  if (names.empty()) return "";
  std::string out = concat("\n  ", title, " (", names.size(), "):");
  for (size_t i = 0; i < std::min<size_t>(names.size(), 20); ++i) out += "\n    " + names[i];
  return names.size() > 20 ? out + "\n    ..." : out;
}

}  // namespace

bool TrainState::take_metric(double value, double min_gain) {
  const bool gained = !stage_best || value > *stage_best + min_gain;
  if (gained) stage_best = value;
  waited = gained ? 0 : waited + 1;
  const bool better = !best || value > *best;
  if (better) best = value, best_step = step;
  return better;
}

void TrainState::next_stage() {
  ++stage;
  stage_epoch = stage_step = waited = 0;
  stage_best.reset();
  schedule = Json::object();
}

Json TrainState::to_json() const {
  Json json{{"step", step},
            {"stage", stage},
            {"stage_step", stage_step},
            {"stage_epoch", stage_epoch},
            {"batches", batches},
            {"epochs", epochs},
            {"best_step", best_step},
            {"waited", waited},
            {"metrics_bytes", metrics_bytes},
            {"evaluation_due", evaluation_due},
            {"window", window},
            {"schedule", schedule}};
  json["best"] = best ? Json(*best) : Json(nullptr);
  json["stage_best"] = stage_best ? Json(*stage_best) : Json(nullptr);
  return json;
}

TrainState TrainState::from_json(const Json& json, const std::string& where) {
  TrainState state;
  state.step = field<int64_t>(json, "step", where);
  state.stage = field<int64_t>(json, "stage", where);
  state.stage_step = field<int64_t>(json, "stage_step", where);
  state.stage_epoch = field<int64_t>(json, "stage_epoch", where);
  state.batches = field<int64_t>(json, "batches", where);
  state.epochs = field<int64_t>(json, "epochs", where);
  state.best_step = field<int64_t>(json, "best_step", where);
  state.waited = field<int64_t>(json, "waited", where);
  state.metrics_bytes = field<int64_t>(json, "metrics_bytes", where);
  if (json.contains("evaluation_due"))  // checkpoints of early versions have none
    state.evaluation_due = field<bool>(json, "evaluation_due", where);
  state.window = field<Json>(json, "window", where);
  state.schedule = field<Json>(json, "schedule", where);
  if (const Json best = field<Json>(json, "best", where); best.is_number()) state.best = best.get<double>();
  if (!json.contains("stage_best"))  // checkpoints of early versions: known for the first stage only
    state.stage_best = state.stage == 0 ? state.best : std::nullopt;
  else if (const Json best = field<Json>(json, "stage_best", where); best.is_number())
    state.stage_best = best.get<double>();
  return state;
}

std::string checkpoint_name(int64_t step) {
  std::string digits = std::to_string(step);
  return kPrefix + std::string(digits.size() < 8 ? 8 - digits.size() : 0, '0') + digits;
}

void save_checkpoint(const fs::path& checkpoints, const Checkpoint& checkpoint) {
  make_directories(checkpoints);
  const std::string name = checkpoint_name(checkpoint.state.step);
  StagedDirectory staged(checkpoints / name);
  staged.add("model.safetensors", [&](const auto& sink) { write_safetensors(checkpoint.model, sink); });
  staged.add("optim.safetensors", [&](const auto& sink) { write_safetensors(checkpoint.optimizer, sink); });
  const Json state{{"format", kFormat}, {"train", checkpoint.state.to_json()}, {"identity", checkpoint.identity}};
  staged.add("state.json", state.dump(1) + "\n");
  staged.commit();
  point_to(checkpoints, "latest", name);
}

void point_to(const fs::path& checkpoints, const std::string& pointer, const std::string& name) {
  write_file_atomically(checkpoints / pointer, name + "\n");
}

std::optional<std::string> pointed_at(const fs::path& checkpoints, const std::string& pointer) {
  std::error_code ignored;
  if (!fs::is_regular_file(fs::symlink_status(checkpoints / pointer, ignored))) return {};
  const std::string name(trim(read_file(checkpoints / pointer, 4096, ErrorClass::ckp)));
  const auto all = list_checkpoints(checkpoints);
  if (std::ranges::find(all, name) == all.end()) {
    log::warn(concat("checkpoints/", pointer, " names '", escape_for_log(name), "', which does not exist"));
    return {};
  }
  return name;
}

std::vector<std::string> list_checkpoints(const fs::path& checkpoints) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(checkpoints, error))
    if (const std::string name = entry.path().filename().string(); name.starts_with(kPrefix)) names.push_back(name);
  std::ranges::sort(names, {}, [](const std::string& name) { return std::pair(name.size(), name); });
  return names;
}

void prune_checkpoints(const fs::path& checkpoints, int64_t keep, int64_t step) {
  const auto best = pointed_at(checkpoints, "best");
  const std::string newest = checkpoint_name(step);
  const auto later = [](const std::string& a, const std::string& b) {
    return std::pair(a.size(), a) > std::pair(b.size(), b);
  };
  auto names = list_checkpoints(checkpoints);
  const auto abandoned = std::ranges::stable_partition(names, [&](const auto& name) { return later(name, newest); });
  const std::vector<std::string> left(abandoned.begin(), abandoned.end());
  names.erase(abandoned.begin(), names.end());
  for (size_t i = 0; i + static_cast<size_t>(keep) < left.size(); ++i)
    if (left[i] != best) names.push_back(left[i]);
  std::error_code ignored;
  for (const std::string& name : names) fs::remove_all(checkpoints / name, ignored);
}

Checkpoint load_checkpoint(const fs::path& folder) {
  if (!fs::is_directory(folder)) throw CheckpointError(folder.string(), "no such checkpoint folder");
  verify_manifest(folder);
  Checkpoint checkpoint;
  checkpoint.model = read_safetensors(folder / "model.safetensors");
  checkpoint.optimizer = read_safetensors(folder / "optim.safetensors");
  const std::string where = (folder / "state.json").string();
  const Json state = load_json(folder / "state.json", kMaxState, ErrorClass::ckp);
  if (const auto format = field<int64_t>(state, "format", where); format > kFormat)
    throw CheckpointError(where,
                          concat("format ", format, " was written by a newer diptych; this one reads up to ", kFormat));
  checkpoint.state = TrainState::from_json(field<Json>(state, "train", where), where);
  checkpoint.identity = field<Json>(state, "identity", where);
  return checkpoint;
}

fs::path find_checkpoint(const fs::path& run, const std::string& which) {
  const fs::path checkpoints = run / "checkpoints";
  const auto names = list_checkpoints(checkpoints);
  if (names.empty())
    throw CheckpointError(run.string(), "the run has no checkpoint", "train it first, or name another run");
  std::string name = which;
  if (which == "best" || which == "latest") {
    name = pointed_at(checkpoints, which)
               .value_or(which == "best" ? pointed_at(checkpoints, "latest").value_or(names.back()) : names.back());
  }
  if (std::ranges::find(names, name) == names.end())
    throw CheckpointError(run.string(), concat("no checkpoint called '", escape_for_log(which), "'"),
                          "there are: best, latest, " + join(names, ", "));
  return checkpoints / name;
}

std::optional<std::pair<fs::path, Checkpoint>> newest_checkpoint(const fs::path& run) {
  const fs::path checkpoints = run / "checkpoints";
  auto names = list_checkpoints(checkpoints);
  if (names.empty()) return {};
  std::vector<Issue> reasons;
  for (auto name = names.rbegin(); name != names.rend(); ++name) {
    try {
      auto found = std::pair(checkpoints / *name, load_checkpoint(checkpoints / *name));
      if (!reasons.empty())
        log::warn(concat("resuming from step ", found.second.state.step, " instead; newer steps are lost"));
      return found;
    } catch (const Error& error) {
      log::warn(concat("checkpoint ", *name, " is damaged: ", error.what()));
      reasons.insert(reasons.end(), error.issues().begin(), error.issues().end());
    }
  }
  for (Issue& issue : reasons) issue.error_class = ErrorClass::ckp;
  throw CheckpointError(reasons);
}

std::map<std::string, at::Tensor> module_state(const torch::nn::Module& module) {
  std::map<std::string, at::Tensor> out;
  for (const auto& item : module.named_parameters())
    out[item.key()] =
        item.value().detach().to(at::kCPU, item.value().scalar_type(), /*non_blocking=*/false, /*copy=*/true);
  for (const auto& item : module.named_buffers())
    out[item.key()] =
        item.value().detach().to(at::kCPU, item.value().scalar_type(), /*non_blocking=*/false, /*copy=*/true);
  return out;
}

void restore_module(torch::nn::Module& module, const std::map<std::string, at::Tensor>& state,
                    const std::string& where) {
  std::map<std::string, at::Tensor> mine;
  for (auto& item : module.named_parameters()) mine[item.key()] = item.value();
  for (auto& item : module.named_buffers()) mine[item.key()] = item.value();
  std::vector<std::string> missing, unexpected, different;
  for (const auto& [name, tensor] : mine) {
    const auto it = state.find(name);
    if (it == state.end())
      missing.push_back(name);
    else if (it->second.sizes() != tensor.sizes() || it->second.scalar_type() != tensor.scalar_type())
      different.push_back(concat(name, ": file ", it->second.scalar_type(), " ", it->second.sizes(), ", model ",
                                 tensor.scalar_type(), " ", tensor.sizes()));
  }
  for (const auto& [name, tensor] : state)
    if (!mine.contains(name)) unexpected.push_back(name);
  if (!missing.empty() || !unexpected.empty() || !different.empty())
    throw CheckpointError(where,
                          "the checkpoint does not fit the model" + first_names("missing in the file", missing) +
                              first_names("not in the model", unexpected) +
                              first_names("other shape or dtype", different),
                          "the configuration describes another model than the one that was saved");
  at::NoGradGuard no_grad;
  for (auto& [name, tensor] : mine) tensor.copy_(state.at(name));
}

}  // namespace diptych
