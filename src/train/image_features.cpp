#include "diptych/train/image_features.h"

#include <torch/torch.h>

#include "diptych/core/log.h"
#include "diptych/core/tensor/scope.h"
#include "diptych/core/text.h"
#include "diptych/model/joint_model.h"
#include "diptych/model/weights.h"
#include "diptych/train/run_directory.h"
#include "diptych/train/system.h"
#include "diptych/train/trained_model.h"
#include "train/feature_store.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;

FeatureModel of_run(TrainedModel trained) {
  FeatureModel out;
  const std::shared_ptr<JointModel> model = trained.model;
  out.image = std::shared_ptr<ImageEncoder>(model, &model->image());
  out.experiment = std::move(trained.experiment);
  out.device = trained.device, out.run = trained.run, out.checkpoint = trained.checkpoint;
  return out;
}

FeatureModel of_configuration(const Catalog& catalog, const fs::path& file, const std::vector<std::string>& overrides,
                              int64_t threads) {
  FeatureModel out;
  out.experiment = std::make_unique<Experiment>(read_experiment(catalog, load_experiment_source(file, overrides).tree));
  const Experiment& experiment = *out.experiment;
  configure_torch(static_cast<int>(threads > 0 ? threads : experiment.threads), experiment.deterministic);
  log::set_progress_interval(experiment.log.interval_s);
  out.device = resolve_device(experiment.device);
  out.run = fs::absolute(file).lexically_normal();
  seed_torch(static_cast<uint64_t>(experiment.seed));
  out.image = experiment.model.image.make();
  if (const std::string& weights = out.image->weights(); !weights.empty())
    log::info(concat("weights ", weights, ": ", load_weights(*out.image, weights).brief()));
  else if (!out.image->parameters().empty())
    log::warn("the image encoder has random weights: give model.image.weights, or a run instead of a configuration");
  out.image->to(out.device);
  to_channels_last(*out.image);
  return out;
}

/// Four corners and the centre of [B, 3, h, w], each [B, 3, height, width].
std::vector<at::Tensor> five_crops(const at::Tensor& images, int64_t height, int64_t width) {
  const int64_t down = images.size(2) - height, right = images.size(3) - width;
  const auto cut = [&](int64_t top, int64_t left) {
    return images.narrow(2, top, height).narrow(3, left, width).contiguous(at::MemoryFormat::ChannelsLast);
  };
  return {cut(0, 0), cut(0, right), cut(down, 0), cut(down, right), cut(down / 2, right / 2)};
}

at::Tensor mirrored(const at::Tensor& images) { return images.flip({3}).contiguous(at::MemoryFormat::ChannelsLast); }

at::Tensor one_view(const FeatureModel& model, const FeatureViews& views, const at::Tensor& images) {
  const AutocastScope autocast(model.experiment->precision, model.device.type());
  const Encoded encoded = model.image->forward(images);
  return (views.regions ? encoded.local : encoded.global).to(at::kFloat);
}

}  // namespace

FeatureModel load_feature_model(const Catalog& catalog, const fs::path& source, const std::string& checkpoint,
                                const std::vector<std::string>& overrides, int64_t threads) {
  std::error_code error;
  const std::string ending = lower_ascii(source.extension().string());
  const bool is_config = fs::is_regular_file(source, error) && (ending == ".yaml" || ending == ".yml");
  FeatureModel out = is_config ? of_configuration(catalog, source, overrides, threads)
                               : of_run(load_trained_model(catalog, source, checkpoint, overrides, threads));
  out.image->eval();
  out.fingerprint = image_encoder_fingerprint(*out.image, *out.experiment);
  return out;
}

void FeatureViews::validate() const {
  if (crops != 1 && crops != 5 && crops != 10)
    throw UsageError::command_line(concat("--crops ", crops, ": expected 1, 5 or 10"));
  if (flip && crops == 10)
    throw UsageError::command_line("--crops 10 holds the mirror images already", "leave --flip out, or use --crops 5");
  if (regions && (crops > 1 || flip))
    throw UsageError::command_line("--regions gives the places of one view", "leave --crops and --flip out");
}

std::string FeatureViews::describe() const {
  if (regions) return "regions";
  const std::string out = crops == 1 ? "one view" : concat(crops, " crops, mean");
  return flip ? out + ", mirrored image added" : out;
}

ImageOptions options_for(const FeatureViews& views, const ImageOptions& options) {
  ImageOptions out = options;
  if (views.crops == 1) return out;
  out.height = (options.height * 8 + 6) / 7, out.width = (options.width * 8 + 6) / 7;  // rounded up
  out.short_side = std::max({options.short_side, out.height, out.width});
  return out;
}

at::Tensor image_features(const FeatureModel& model, const FeatureViews& views, const at::Tensor& images) {
  const EvalScope scope(*model.image);
  model.image->want_local(views.regions);
  const at::Tensor input = images.to(model.device);
  if ((views.crops > 1 || views.flip) && input.dim() != 4)
    throw UsageError::command_line("features of a file have no crops and no mirror image");
  const ImageOptions& options = model.experiment->data.image;
  const std::vector<at::Tensor> crops =
      views.crops == 1 ? std::vector{input} : five_crops(input, options.height, options.width);
  const bool both = views.flip || views.crops == 10;
  at::Tensor sum;
  for (const at::Tensor& crop : crops) {
    at::Tensor one = one_view(model, views, crop);
    if (both) one = one + one_view(model, views, mirrored(crop));
    sum = sum.defined() ? sum + one : one;
  }
  return (views.crops == 1 ? sum : sum / views.crops).cpu();
}

std::vector<int64_t> feature_row(const FeatureModel& model, const FeatureViews& views) {
  if (const FeatureFileOptions* file = model.experiment->model.feature_file()) {
    if (!views.regions) return {model.image->features()};
    const FeatureFile features(*file);
    return {std::max<int64_t>(1, features.regions()), features.features()};
  }
  const ImageOptions& options = model.experiment->data.image;
  FeatureViews one = views;
  one.crops = 1, one.flip = false;
  const at::Tensor black = at::zeros({1, 3, options.height, options.width}).contiguous(at::MemoryFormat::ChannelsLast);
  return image_features(model, one, black)[0].sizes().vec();
}

}  // namespace diptych
