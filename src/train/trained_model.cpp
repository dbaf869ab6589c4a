#include "diptych/train/trained_model.h"

#include <torch/torch.h>

#include <algorithm>
#include <numeric>

#include "diptych/core/io/hash.h"
#include "diptych/core/log.h"
#include "diptych/core/signals.h"
#include "diptych/core/tensor/scope.h"
#include "diptych/core/text.h"
#include "diptych/train/checkpoint.h"
#include "diptych/train/ema.h"
#include "diptych/train/run_directory.h"
#include "diptych/train/system.h"
#include "train/build_model.h"
#include "train/caption_batch.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;

/// Gives the parameters the names that they have in a checkpoint: model.image...
struct Named : torch::nn::Module {
  explicit Named(const std::shared_ptr<JointModel>& model) { register_module("model", model); }
};

void restore_weights(Named& named, const Checkpoint& checkpoint, const EmaOptions& average, const std::string& where) {
  std::map<std::string, at::Tensor> weights;
  for (const auto& [name, tensor] : checkpoint.model.tensors)
    if (name.starts_with("model.")) weights.emplace(name, tensor);
  restore_module(named, weights, where);
  Ema ema(named, average);
  ema.restore(checkpoint.optimizer.tensors);
  ema.apply();
}

std::string fingerprint_of(const TrainedModel& trained) {
  const ImageOptions& image = trained.experiment->data.image;
  const TextOptions& text = trained.experiment->data.text;
  std::string all = concat("diptych model 1\n", trained.vocabulary.hash(), "\n", trained.model->scorer().describe(),
                           "\n", image.height, " ", image.width, " ", enum_text(image.resize), " ", image.short_side,
                           " ", enum_text(image.normalise), " ", enum_text(image.exif), "\n", text.max_length, " ",
                           text.start_end, " ", trained.experiment->evaluate.flip_sum, "\n");
  if (trained.composes()) all += trained.experiment->model.composer.type() + "\n";
  for (const auto& [name, tensor] : module_state(*trained.model)) {
    const at::Tensor plain = tensor.contiguous();
    all += concat(name, " ", plain.sizes(), " ",
                  xxh128({static_cast<const char*>(plain.const_data_ptr()),
                          static_cast<size_t>(plain.numel()) * plain.element_size()}),
                  "\n");
  }
  return xxh128(all);
}

}  // namespace

at::Tensor TrainedModel::embed_images(const at::Tensor& images) const {
  EvalScope scope(*model);
  const auto embed = [&](const at::Tensor& view) {
    at::Tensor features;
    {
      AutocastScope autocast(experiment->precision, device.type());
      features = model->image_features(view).to(at::kFloat);
    }
    return model->image_embedding(features).to(at::kFloat).cpu();
  };
  const at::Tensor view = images.to(device);
  const at::Tensor plain = embed(view);
  if (!experiment->evaluate.flip_sum) return plain;
  return plain + embed(view.flip({3}).contiguous(at::MemoryFormat::ChannelsLast));
}

at::Tensor TrainedModel::embed_texts(const std::vector<std::vector<int64_t>>& token_ids) const {
  EvalScope scope(*model);
  std::vector<int64_t> order(token_ids.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, {}, [&](int64_t row) { return token_ids[static_cast<size_t>(row)].size(); });
  const auto block = static_cast<std::ptrdiff_t>(experiment->evaluate.batch_size) * 4;
  at::Tensor out = at::empty({static_cast<int64_t>(order.size()), model->dimension()}, at::kFloat);
  for (auto first = order.begin(); first != order.end();) {
    signals::throw_if_pending();
    const auto last = first + std::min(block, order.end() - first);
    const std::vector<int64_t> rows(first, last);
    const auto [tokens, lengths] = caption_batch(token_ids, rows);
    AutocastScope autocast(experiment->precision, device.type());
    const at::Tensor embedded = model->text_embedding(tokens.to(device), lengths.to(device)).to(at::kFloat).cpu();
    out.index_copy_(0, torch::tensor(rows, at::kLong), embedded);
    first = last;
  }
  return out;
}

at::Tensor TrainedModel::embed_queries(const at::Tensor& images,
                                       const std::vector<std::vector<int64_t>>& token_ids) const {
  if (!composes())
    throw UsageError::command_line("this model matches pictures and texts, it does not compose a query of both",
                                   "ask by the picture or by the text alone, or train with model.composer");
  EvalScope scope(*model);
  std::vector<int64_t> rows(token_ids.size());
  std::iota(rows.begin(), rows.end(), 0);
  const CaptionBatch texts = caption_batch(token_ids, rows);
  ComposerSources sources;
  {
    AutocastScope autocast(experiment->precision, device.type());
    sources = model->sources(images.to(device));
  }
  model->embed_sources(sources);
  AutocastScope autocast(experiment->precision, device.type());
  return model
      ->query_embedding(sources, torch::tensor(rows, at::kLong).to(device), texts.tokens.to(device),
                        texts.length.to(device))
      .to(at::kFloat)
      .cpu();
}

TrainedModel::Words TrainedModel::read_text(std::string_view text, const std::string& where) const {
  if (const auto bad = find_invalid_utf8(text))
    throw DataError(where, concat("invalid UTF-8 at byte ", *bad, " of '", escape_for_log(text), "'"));
  const std::vector<std::string> tokens = units_of(text, experiment->data.text.unit);
  if (tokens.empty()) throw DataError(where, concat("the text '", escape_for_log(text), "' holds no word"));
  return read_tokens(tokens);
}

TrainedModel::Words TrainedModel::read_tokens(const std::vector<std::string>& tokens) const {
  Words words{vocabulary.encode(tokens, experiment->data.text), {}, static_cast<int64_t>(tokens.size())};
  for (const std::string& token : tokens) {
    if (vocabulary.id(token) != Vocabulary::kUnknown) continue;
    ++words.unknown_count;
    if (!std::ranges::count(words.unknown, token)) words.unknown.push_back(token);
  }
  return words;
}

std::pair<fs::path, std::string> locate_run(const fs::path& run, const std::string& checkpoint) {
  const fs::path folder = run.has_filename() ? run : run.parent_path();
  if (is_run_directory(folder)) return {folder, checkpoint};
  if (folder.parent_path().filename() == "checkpoints" && is_run_directory(folder.parent_path().parent_path()))
    return {folder.parent_path().parent_path(), folder.filename().string()};
  std::error_code ignored;
  throw CheckpointError(
      escape_for_log(run.string(), 400),
      fs::exists(run, ignored) ? "is no run directory: it has no config.resolved.yaml" : "no such run directory",
      "give the folder that `diptych train` named, or a checkpoint folder inside one");
}

TrainedModel load_trained_model(const Catalog& catalog, const fs::path& run, const std::string& checkpoint,
                                const std::vector<std::string>& overrides, int64_t threads) {
  const auto [folder, which] = locate_run(run, checkpoint);
  const fs::path stored_at = find_checkpoint(folder, which);
  TrainedModel trained;
  trained.experiment = std::make_unique<Experiment>(read_experiment(catalog, load_run_source(folder, overrides).tree));
  const Experiment& experiment = *trained.experiment;
  configure_torch(static_cast<int>(threads > 0 ? threads : experiment.threads), experiment.deterministic);
  log::set_progress_interval(experiment.log.interval_s);
  trained.run = fs::absolute(folder).lexically_normal();
  trained.checkpoint = stored_at.filename().string();
  trained.device = resolve_device(experiment.device);
  trained.vocabulary = load_run_vocabulary(folder);
  trained.model = build_model(experiment, TextContext{trained.vocabulary.size(), {}}, /*load_pretrained=*/false);
  Named named(trained.model);
  restore_weights(named, load_checkpoint(stored_at), experiment.train.ema, stored_at.string());
  trained.model->to(trained.device);
  to_channels_last(*trained.model);
  trained.model->eval();
  trained.fingerprint = fingerprint_of(trained);
  return trained;
}

}  // namespace diptych
