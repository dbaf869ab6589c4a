#pragma once
#include <torch/torch.h>

#include <fstream>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <string>

#include "diptych/train/checkpoint.h"
#include "diptych/train/run_directory.h"
#include "diptych/train/system.h"
#include "support/temp_dir.h"

namespace diptych::testing {

inline const char* const kSmallModel =
    "  image: {type: mobilenet_v2, width: 0.1}\n"
    "  text: {type: bilstm, word_dim: 8, hidden: 8}\n"
    "  image_head: {type: linear_bn, dim: 12}\n"
    "  text_head: {type: linear_bn, dim: 12}\n";

/// A configuration of 32 x 32 pictures whose corpus does not exist: using a model must not need it.
inline std::string use_config(const std::string& model = kSmallModel, const std::string& image = "",
                              const std::string& evaluate = "") {
  return "experiment: own\nseed: 4\ndevice: cpu\nthreads: 1\n"
         "data:\n  corpus: {type: csv, root: nowhere}\n"
         "  image: {height: 32, width: 32, normalise: half" +
         image + "}\n  text: {min_count: 1, max_length: 6}\n  loader: {workers: 1}\nmodel:\n" + model +
         "objective: [{type: cmpm}]\ntrain: {stages: [{name: all, epochs: 1}]}\n"
         "evaluate: {batch_size: 4, protocol: {type: image-retrieval}" +
         evaluate + "}\n";
}

/// Normalises by the statistics of the next batch, and keeps them.
template <class BatchNorm>
void take_next_statistics(torch::nn::Module& module) {
  if (auto* norm = module.as<BatchNorm>()) norm->options.momentum(1.0);
}

/// The statistics of some pictures and captions in every BatchNorm, as training would have gathered them. With
/// arbitrary ones an untrained network gives nearly the same embedding for everything, and no test could tell items
/// apart.
inline void gather_statistics(JointModel& model) {
  for (const auto& module : model.modules()) {
    take_next_statistics<torch::nn::BatchNorm1d>(*module);
    take_next_statistics<torch::nn::BatchNorm2d>(*module);
  }
  model.train();
  const at::Tensor coarse = at::upsample_bilinear2d(at::randn({24, 3, 5, 5}), {40, 40}, false);
  model.image_embedding(model.image_features(coarse + at::randn({24, 3, 40, 40})));
  model.text_embedding(at::randint(4, 10, {24, 5}, at::kLong), at::arange(24, at::kLong).remainder(5) + 1);
  model.eval();
  for (const auto& item : model.named_buffers())  // no channel that hardly varied becomes a loudspeaker of rounding
    if (item.key().ends_with("running_var")) item.value().clamp_min_(0.1 * item.value().mean().item<double>());
}

/// Fits a text encoder that asks for it to some captions, with word vectors out of the air where it needs any.
inline void fit_text_encoder(JointModel& model) {
  auto* text = dynamic_cast<FittedText*>(&model.text());
  if (!text || !text->needs_fit()) return;
  const auto buffers = model.named_buffers();  // `words` lies in it
  if (const auto* words = buffers.find("text.words")) words->slice(0, 4).normal_();
  const at::Tensor tokens = at::randint(4, 10, {48, 5}, at::kLong), length = at::arange(48, at::kLong).remainder(5) + 1;
  text->fit([&](const auto& visit) { visit(tokens, length); }, 1);
}

/// A run as a training would have left it: configuration, vocabulary, one checkpoint of random weights with BatchNorm
/// statistics that matter.
inline std::filesystem::path write_run(const Catalog& catalog, const std::filesystem::path& folder,
                                       const std::string& config, uint64_t seed = 1) {
  const TempDir source;
  const ExperimentSource loaded = load_experiment_source(source.write("c.yaml", config), {});
  const Experiment experiment = read_experiment(catalog, loaded.tree);
  DataBundle data;
  data.vocabulary =
      experiment.data.text.unit == TextUnit::character
          ? Vocabulary::alphabet()
          : Vocabulary::from_text("<pad>\n<unk>\n<start>\n<end>\na\nred\nblue\ncircle\nsquare\nit's\n", "test");
  data.corpus.images.push_back({"a.jpg", "a", Split::train, 0});
  const RunDirectory run = RunDirectory::create(folder, experiment, loaded, data, {"diptych"});
  const auto system = build_system(experiment, data);
  torch::manual_seed(seed);
  const at::NoGradGuard no_grad;
  for (const auto& item : system->named_parameters())
    item.value().add_(0.1 * item.value().abs().mean() * at::randn_like(item.value()));
  fit_text_encoder(*system->model);
  gather_statistics(*system->model);
  Checkpoint checkpoint;
  checkpoint.model.tensors = module_state(*system);
  checkpoint.state.step = 1;
  checkpoint.identity = Json::object();
  save_checkpoint(run.checkpoints(), checkpoint);
  point_to(run.checkpoints(), "best", checkpoint_name(1));
  return folder;
}

/// Noise, as a PNG.
inline std::filesystem::path write_noise(const std::filesystem::path& file, int seed, int height = 40, int width = 52) {
  cv::Mat pixels(height, width, CV_8UC3);
  cv::RNG random(static_cast<uint64_t>(seed) + 1);
  random.fill(pixels, cv::RNG::UNIFORM, 0, 256);
  std::filesystem::create_directories(file.parent_path());
  if (!cv::imwrite(file.string(), pixels)) throw std::runtime_error("cannot write " + file.string());
  return file;
}

}  // namespace diptych::testing
