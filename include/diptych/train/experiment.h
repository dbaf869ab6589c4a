#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "diptych/core/tensor/feature_file.h"
#include "diptych/core/tensor/scope.h"
#include "diptych/data/image/loader.h"
#include "diptych/data/image/pipeline.h"
#include "diptych/data/vocabulary.h"
#include "diptych/train/catalog.h"

namespace diptych {

constexpr auto enum_names(Precision) {
  return std::array{std::pair{Precision::fp32, "fp32"}, std::pair{Precision::bf16, "bf16"}};
}
enum class OnCollapse { stop, warn };
constexpr auto enum_names(OnCollapse) {
  return std::array{std::pair{OnCollapse::stop, "stop"}, std::pair{OnCollapse::warn, "warn"}};
}

/// What happens to training images: random crops and mirroring as data.image says; mirroring alone; nothing.
enum class Augment { full, flip, none };
constexpr auto enum_names(Augment) {
  return std::array{std::pair{Augment::full, "full"}, std::pair{Augment::flip, "flip"},
                    std::pair{Augment::none, "none"}};
}

struct DataOptions {
  explicit DataOptions(const Catalog& catalog);
  Choice<CorpusRegistry> corpus;
  ImageOptions image;
  TextOptions text;
  LoaderOptions loader;
  Choice<SamplerRegistry> sampler;
  static void visit(auto& self, auto& field) {
    field("corpus", self.corpus, "where images and captions come from");
    field("image", self.image, "from file to tensor");
    field("text", self.text, "from caption to word ids");
    field("loader", self.loader, "threads and caches of the input");
    field("sampler", self.sampler, "which pairs meet in a batch");
  }
};

struct ModelOptions {
  explicit ModelOptions(const Catalog& catalog);
  Choice<ImageEncoderRegistry> image;
  Choice<TextEncoderRegistry> text;
  Choice<HeadRegistry> image_head, text_head;
  Choice<ScorerRegistry> scorer;
  Choice<ComposerRegistry> composer;
  /// Where the features lie that stand for pictures; null if the image encoder takes pictures.
  const FeatureFileOptions* feature_file() const { return feature_file_of(image.options()); }
  static void visit(auto& self, auto& field) {
    field("image", self.image, "image encoder");
    field("text", self.text, "text encoder");
    field("image_head", self.image_head, "from image features to the joint space");
    field("text_head", self.text_head, "from text features to the joint space");
    field("scorer", self.scorer, "how two embeddings are compared");
    field("composer", self.composer, "composed retrieval: from an image and a text that changes it to a query");
  }
};

/// One term of the objective: a loss and its weight, in one map: `{type: cmpm, weight: 1, ...}`.
struct TermOptions {
  explicit TermOptions(const Catalog& catalog) : loss(catalog.losses, "cmpm") {}
  double weight = 1.0;
  Choice<LossRegistry> loss;
  void read(const ConfigNode& node, const std::string& path, Complaints& complaints);
  void list(Lister& lister) const;
};

/// Multipliers for the parameters whose name matches.
struct GroupOptions {
  std::string match;
  double lr = 1.0, weight_decay = 1.0;
  static void visit(auto& self, auto& field) {
    field("match", self.match, "name pattern: \"model.image\" selects the component, * stands for any characters",
          Field{.resume = Resume::warn, .required = true});
    field("lr", self.lr, "factor on the learning rate", Field{.lo = 0, .hi = 1e6, .resume = Resume::warn});
    field("weight_decay", self.weight_decay, "factor on the weight decay",
          Field{.lo = 0, .hi = 1e6, .resume = Resume::warn});
  }
};

/// A part of the training with its own freezing, learning rate, objective weights and length.
struct StageOptions {
  explicit StageOptions(const Catalog& catalog);
  std::string name = "all";
  int64_t epochs = 10;
  std::vector<std::string> freeze, freeze_statistics;
  Choice<OptimizerRegistry> optim;
  Choice<ScheduleRegistry> schedule;
  double warmup_epochs = 0;
  List<GroupOptions> groups{GroupOptions{}};
  std::vector<double> term_weights;
  std::optional<double> text_weight;
  std::optional<int64_t> batch_size;
  Augment augment = Augment::full;
  Choice<FitRegistry> fit;
  static void visit(auto& self, auto& field) {
    field("name", self.name, "for logs");
    field("epochs", self.epochs, "passes over the sampler's epoch", Field{.lo = 1, .hi = 1e6, .resume = Resume::free});
    field("freeze", self.freeze, "name patterns of what does not train; BatchNorm statistics freeze with it");
    field("freeze_statistics", self.freeze_statistics,
          "name patterns of BatchNorms that train their scale and shift but keep their statistics");
    field("optim", self.optim, "optimiser and its base learning rate");
    field("schedule", self.schedule, "how the learning rate moves over the stage");
    field("warmup_epochs", self.warmup_epochs, "linear warm-up of the learning rate, in epochs",
          Field{.lo = 0, .hi = 1e6, .resume = Resume::warn});
    field("groups", self.groups, "parameter groups; the first pattern that matches a parameter counts");
    field("term_weights", self.term_weights,
          "weights of the objective's terms in this stage; empty = their own; 0 turns a term off",
          Field{.lo = 0, .hi = 1e6, .resume = Resume::warn});
    field("text_weight", self.text_weight,
          "weight of the text side of terms that weigh it (instance) in this stage; null = the terms' own text_weight",
          Field{.lo = 0, .hi = 1e3, .resume = Resume::warn});
    field("batch_size", self.batch_size, "pairs per step in this stage; null = train.batch_size",
          Field{.lo = 1, .hi = 1 << 20});
    field("augment", self.augment,
          "full: random crops and mirroring; flip, none: with a frozen image encoder each image (and its mirror image) "
          "is encoded once and its features are cached");
    field("fit", self.fit,
          "other than none: no gradient steps, but one reading of the training split that finds parameters in closed "
          "form; epochs is then 1, everything is frozen, and optim, schedule, groups and weights play no part");
  }
  bool fits() const { return fit.type() != "none"; }
};

struct EmaOptions {
  double decay = 0;
  bool warmup = true;
  std::vector<std::string> match = {"model"};
  static void visit(auto& self, auto& field) {
    field("decay", self.decay, "moving average of the weights, evaluated instead of them; 0 = off",
          Field{.lo = 0, .hi = 0.999999});
    field("warmup", self.warmup, "use min(decay, (1 + n) / (10 + n)) after n updates");
    field("match", self.match, "name patterns of what is averaged");
  }
};

struct CheckpointOptions {
  int64_t every_steps = 0;
  int64_t every_epochs = 1;
  int64_t keep = 1;
  static void visit(auto& self, auto& field) {
    field("every_steps", self.every_steps, "also save every N steps; 0 = only at epoch ends",
          Field{.lo = 0, .hi = 1e12, .resume = Resume::free});
    field("every_epochs", self.every_epochs, "save every N epochs", Field{.lo = 1, .hi = 1e9, .resume = Resume::free});
    field("keep", self.keep, "checkpoints kept beside the best one", Field{.lo = 1, .hi = 1e6, .resume = Resume::free});
  }
};

struct TrainOptions {
  explicit TrainOptions(const Catalog& catalog);
  int64_t batch_size = 64;
  int64_t accumulate = 1;
  double clip_norm = 0;
  EmaOptions ema;
  std::optional<int64_t> limit_images;
  int64_t feature_cache_mb = 2048;
  std::string feature_cache_dir;
  OnCollapse on_collapse = OnCollapse::stop;
  CheckpointOptions checkpoint;
  List<StageOptions> stages;
  static void visit(auto& self, auto& field) {
    field("batch_size", self.batch_size, "pairs per step", Field{.lo = 1, .hi = 1 << 20});
    field("accumulate", self.accumulate, "batches whose gradients are averaged before one optimiser step",
          Field{.lo = 1, .hi = 4096});
    field("clip_norm", self.clip_norm, "largest global gradient norm; 0 = no clipping",
          Field{.lo = 0, .hi = 1e12, .resume = Resume::warn});
    field("ema", self.ema, "moving average of the weights");
    field("limit_images", self.limit_images, "train on the first N training images only; null = all",
          Field{.lo = 2, .hi = 1e12});
    field("feature_cache_mb", self.feature_cache_mb,
          "memory for the features of a frozen image encoder; 0 = never cache",
          Field{.lo = 0, .hi = 1e9, .resume = Resume::free});
    field("feature_cache_dir", self.feature_cache_dir,
          "folder where those features are left for other runs with the same encoder, pictures, threads and "
          "evaluate.batch_size; empty = nowhere",
          Field{.resume = Resume::free, .path = true});
    field("on_collapse", self.on_collapse, "when all embeddings become alike");
    field("checkpoint", self.checkpoint, "what is saved, and when");
    field("stages", self.stages, "one after the other");
  }
};

struct EvaluateOptions {
  explicit EvaluateOptions(const Catalog& catalog);
  Choice<ProtocolRegistry> protocol;
  std::string select = "auto";
  int64_t every = 1;
  int64_t patience = 0;
  double min_gain = 0;
  bool flip_sum = false, text_to_text = false;
  RescoreOptions rescore;
  int64_t batch_size = 64;
  std::string final_split = "test";
  static void visit(auto& self, auto& field) {
    field("protocol", self.protocol, "how numbers are made");
    field("select", self.select,
          "validation metric that chooses the best checkpoint: val/rsum, val/t2i/R@1, ...; auto = the protocol's main "
          "metric; last = no selection");
    field("every", self.every, "evaluate on val every N epochs", Field{.lo = 1, .hi = 1e9, .resume = Resume::warn});
    field("patience", self.patience,
          "stop the stage after N evaluations without a better value than the stage has had; 0 = never",
          Field{.lo = 0, .hi = 1e9, .resume = Resume::warn});
    field("min_gain", self.min_gain,
          "patience: a value counts as better when it exceeds by more than this the last one that did",
          Field{.lo = 0, .hi = 1e6, .resume = Resume::warn});
    field("flip_sum", self.flip_sum, "image embedding = embedding of the image + embedding of its mirror image");
    field("rescore", self.rescore, "test-time scorer that looks at all queries at once");
    field("text_to_text", self.text_to_text,
          "also rank captions against captions: t2t/R@K, relevant are the other captions of the same image");
    field("batch_size", self.batch_size, "images or captions encoded at once",
          Field{.lo = 1, .hi = 65536, .resume = Resume::free});
    field("final", self.final_split, "split on which the best checkpoint is evaluated at the end: test, val or none",
          Field{.resume = Resume::free});
  }
};

struct LogOptions {
  int64_t every_steps = 20;
  double interval_s = 30;
  bool tensorboard = false;
  static void visit(auto& self, auto& field) {
    field("every_steps", self.every_steps, "a row of metrics.jsonl every N steps",
          Field{.lo = 1, .hi = 1e9, .resume = Resume::free});
    field("interval_s", self.interval_s, "a plain progress line every N seconds when stderr is no terminal",
          Field{.lo = 0.1, .hi = 1e6, .resume = Resume::free});
    field("tensorboard", self.tensorboard, "event files in RUN/tb, for `tensorboard --logdir`",
          Field{.resume = Resume::free});
  }
};

/// The whole configuration of an experiment. Every tool reads all of it.
struct Experiment {
  explicit Experiment(const Catalog& catalog);
  std::string name = "experiment";
  int64_t seed = 1;
  std::string device = "auto";
  Precision precision = Precision::fp32;
  int64_t threads = 0;
  bool deterministic = true;
  DataOptions data;
  ModelOptions model;
  List<TermOptions> objective;
  TrainOptions train;
  EvaluateOptions evaluate;
  LogOptions log;
  std::map<std::string, std::string> published;
  std::map<std::string, std::string> notes;
  static void visit(auto& self, auto& field) {
    field("experiment", self.name,
          "name, of letters, digits, '.', '_' and '-'; the run directory is runs/<name>/<time>-<hash>");
    field("seed", self.seed, "of everything random", Field{.lo = 0, .hi = 9007199254740992.0});
    field("device", self.device, "cpu, cuda, cuda:N, or auto", Field{.resume = Resume::warn});
    field("precision", self.precision, "fp32, or bf16 autocast (losses, ranks and optimiser stay fp32)");
    field("threads", self.threads, "compute threads, part of the run's identity; 0 = all cores",
          Field{.lo = 0, .hi = 1024, .resume = Resume::warn});
    field("deterministic", self.deterministic, "only deterministic kernels", Field{.resume = Resume::warn});
    field("data", self.data, "corpus, transforms, loader, sampler");
    field("model", self.model, "encoders, heads, scorer");
    field("objective", self.objective, "weighted list of losses");
    field("train", self.train, "stages and what they share");
    field("evaluate", self.evaluate, "protocol and selection");
    field("log", self.log, "progress and records");
    field("published", self.published, "what the literature reports for this recipe, by metric or free text",
          Field{.resume = Resume::free});
    field("notes", self.notes, "free text", Field{.resume = Resume::free});
  }
  void validate(const std::string& path, const Origin& origin, Complaints& complaints) const;

  int64_t batch_size(const StageOptions& stage) const { return stage.batch_size.value_or(train.batch_size); }
  /// "rsum" of "val/rsum", the protocol's main metric for auto, "" for last.
  std::string selection_metric() const;
};

/// A configuration as given: file, its bases, and the tree after overrides and interpolation.
struct ExperimentSource {
  ConfigNode tree;
  std::vector<std::filesystem::path> files;
  std::vector<std::string> echoes;  // one line per override
};
ExperimentSource load_experiment_source(const std::filesystem::path& file, const std::vector<std::string>& overrides);
/// throws UsageError with every complaint.
Experiment read_experiment(const Catalog& catalog, const ConfigNode& tree);

}  // namespace diptych
