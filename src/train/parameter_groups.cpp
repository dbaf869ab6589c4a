#include "train/parameter_groups.h"

#include <torch/torch.h>

#include <algorithm>
#include <map>

namespace diptych {
namespace {

const GroupOptions* group_of(const std::string& name, const StageOptions& stage) {
  for (const GroupOptions& group : stage.groups)
    if (name_matches(group.match, name)) return &group;
  return nullptr;
}

/// "model.image" of "model.image.features.0.0.weight".
std::string component_of(const std::string& name) {
  const size_t first = name.find('.');
  return name.substr(0, name.find('.', first + 1));
}

}  // namespace

std::vector<NamedParameter> trainable_parameters(System& system, const StageOptions& stage) {
  std::vector<NamedParameter> out;
  std::vector<std::string> names;
  for (const auto& item : system.named_parameters()) {
    names.push_back(item.key());
    if (!item.value().requires_grad()) continue;
    const GroupOptions* group = group_of(item.key(), stage);
    out.push_back({item.key(), item.value(), group ? group->lr : 1.0, group ? group->weight_decay : 1.0});
  }
  for (const GroupOptions& group : stage.groups)
    if (std::ranges::none_of(names, [&](const auto& name) { return name_matches(group.match, name); }))
      throw UsageError("",
                       concat("train.stages '", stage.name, "': group pattern \"", escape_for_log(group.match),
                              "\" matches no parameter"),
                       did_you_mean(group.match, names));
  if (out.empty())
    throw UsageError("", concat("train.stages '", stage.name, "': everything is frozen, nothing trains"),
                     "shorten train.stages.N.freeze");
  return out;
}

bool parameters_train(const torch::nn::Module& module) {
  return std::ranges::any_of(module.parameters(),
                             [](const at::Tensor& parameter) { return parameter.requires_grad(); });
}

std::string group_table(System& system, const Optimizer& optimizer, const StageOptions& stage) {
  struct Line {
    int64_t trained = 0, frozen = 0;
    double lr = 0, decay = 0;
  };
  std::map<std::string, Line> lines;
  std::map<std::string, const NamedParameter*> trained;
  for (const auto& parameter : optimizer.parameters()) trained[parameter.name] = &parameter;
  for (const auto& item : system.named_parameters()) {
    Line& line = lines[component_of(item.key())];
    const auto it = trained.find(item.key());
    (it == trained.end() ? line.frozen : line.trained) += item.value().numel();
    if (it == trained.end()) continue;
    line.lr = std::max(line.lr, optimizer.base_lr() * it->second->lr_multiplier);
    line.decay = std::max(line.decay, optimizer.base_weight_decay() * it->second->decay_multiplier);
  }
  std::string out = concat("stage '", stage.name, "' (", optimizer.type(), "):\n");
  for (const auto& [name, line] : lines)
    out += concat("  ", name, ": ", line.trained, " parameters train, ", line.frozen, " frozen",
                  line.trained > 0 ? concat(", lr ", line.lr, ", weight decay ", line.decay)
                                   : std::string(", BatchNorm statistics frozen"),
                  "\n");
  return out;
}

std::string sample_ids(const Corpus& corpus, const Batch& batch) {
  const auto shown = std::min<int64_t>(batch.caption_row.size(0), 8);
  std::string out;
  for (int64_t i = 0; i < shown; ++i) {
    const auto image = static_cast<size_t>(batch.image_row[i].item<int64_t>());
    out += concat(i ? ", " : "", escape_for_log(corpus.images[image].id),
                  batch.target_row.defined() ? " (modification " : " (caption ", batch.caption_row[i].item<int64_t>(),
                  ")");
  }
  return batch.caption_row.size(0) > shown ? out + ", ..." : out;
}

void check_labels(const System& system, const DataBundle& data, const Batch& batch) {
  if (!system.objective->classifies()) return;
  const int64_t classes = data.corpus.train_classes();
  const int64_t low = batch.label.min().item<int64_t>(), high = batch.label.max().item<int64_t>();
  if (low < 0 || high >= classes)
    throw DataError(data.corpus.name,
                    concat("labels ", low, " to ", high, " do not fit a classifier of ", classes, " classes"));
}

bool has_validation(const Corpus& corpus) {
  if (!corpus.modifications.empty()) return !corpus.modification_rows(Split::val).empty();
  return !corpus.image_rows(Split::val).empty();
}

}  // namespace diptych
