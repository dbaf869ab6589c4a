#include "diptych/train/experiment.h"

#include <algorithm>

#include "diptych/core/text.h"

namespace diptych {
namespace {

StageOptions default_stage(const Catalog& catalog) { return StageOptions(catalog); }

void complain_unless(bool holds, const std::string& message, const std::string& hint, const Origin& origin,
                     Complaints& complaints) {
  if (!holds) complaints.add(origin, message, hint);
}

// It becomes a folder below runs/.
bool is_folder_name(const std::string& name) {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  return !name.empty() && name.size() <= 200 && name.find_first_not_of('.') != std::string::npos &&
         std::ranges::all_of(name, is_allowed);
}

// The weights that a stage's terms have: its own list, or what stands beside the terms.
bool has_a_weight(const List<TermOptions>& objective, const StageOptions& stage) {
  if (!stage.term_weights.empty()) return std::ranges::any_of(stage.term_weights, [](double w) { return w > 0; });
  return std::ranges::any_of(objective, [](const TermOptions& term) { return term.weight > 0; });
}

// A stage that takes no gradient steps has no use for what describes them.
void validate_fit(const StageOptions& stage, const std::string& at, const Origin& origin, Complaints& complaints) {
  complain_unless(
      stage.epochs == 1,
      concat(at, ".epochs = ", stage.epochs, ", but with fit = ", stage.fit.type(), " the training split is read once"),
      at + ".epochs: 1", origin, complaints);
  complain_unless(
      stage.freeze.empty() && stage.freeze_statistics.empty() && stage.groups.empty() && stage.term_weights.empty() &&
          !stage.text_weight && stage.warmup_epochs == 0,
      concat(at,
             ": freeze, freeze_statistics, groups, term_weights, text_weight and warmup_epochs are for gradient "
             "steps; a stage with fit = ",
             stage.fit.type(), " takes none"),
      "leave them out", origin, complaints);
}

}  // namespace

DataOptions::DataOptions(const Catalog& catalog)
    : corpus(catalog.corpora, "karpathy"), sampler(catalog.samplers, "shuffled_pairs") {}

ModelOptions::ModelOptions(const Catalog& catalog)
    : image(catalog.image_encoders, "mobilenet_v2"),
      text(catalog.text_encoders, "bilstm"),
      image_head(catalog.heads, "linear_bn"),
      text_head(catalog.heads, "linear_bn"),
      scorer(catalog.scorers, "cosine"),
      composer(catalog.composers, "none") {}

void TermOptions::read(const ConfigNode& node, const std::string& path, Complaints& complaints) {
  if (!node.is_map()) return detail::complain_kind(node, path, "a map with a type, {type: NAME, ...}", complaints);
  ConfigNode rest = node;
  std::erase_if(rest.entries, [](const auto& entry) { return entry.key == "weight"; });
  if (const ConfigNode* given = node.find("weight"))
    detail::convert(*given, path + ".weight", Field{.lo = 0, .hi = 1e6}, weight, complaints);
  loss.read(rest, path, complaints);
}

void TermOptions::list(Lister& lister) const {
  loss.list(lister);
  lister.add("weight", detail::value_text(weight), "factor of this term in the objective", "number",
             Field{.lo = 0, .hi = 1e6, .resume = Resume::warn});
}

StageOptions::StageOptions(const Catalog& catalog)
    : optim(catalog.optimizers, "adam"), schedule(catalog.schedules, "constant"), fit(catalog.fits, "none") {}

TrainOptions::TrainOptions(const Catalog& catalog) : stages(default_stage(catalog), {default_stage(catalog)}) {}

EvaluateOptions::EvaluateOptions(const Catalog& catalog) : protocol(catalog.protocols, "image-retrieval") {}

Experiment::Experiment(const Catalog& catalog)
    : data(catalog),
      model(catalog),
      objective(TermOptions(catalog), {TermOptions(catalog)}),
      train(catalog),
      evaluate(catalog) {}

void Experiment::validate(const std::string&, const Origin& origin, Complaints& complaints) const {
  complain_unless(is_folder_name(name),
                  concat("experiment = \"", escape_for_log(name, 200),
                         "\": expected letters, digits, '.', '_' and '-': it names the folder of the runs"),
                  "choose the folder itself with --run-dir", origin, complaints);
  const bool trains = std::ranges::any_of(train.stages, [](const StageOptions& stage) { return !stage.fits(); });
  complain_unless(!objective.empty() || !trains, "objective: the list is empty; at least one loss is needed",
                  "objective: [{type: cmpm}]", origin, complaints);
  complain_unless(!train.stages.empty(), "train.stages: the list is empty; at least one stage is needed", "", origin,
                  complaints);
  for (size_t i = 0; i < train.stages.size(); ++i) {
    const StageOptions& stage = train.stages[i];
    const std::string at = concat("train.stages.", i);
    if (stage.fits()) {
      validate_fit(stage, at, origin, complaints);
      continue;
    }
    complain_unless(stage.term_weights.empty() || stage.term_weights.size() == objective.size(),
                    concat(at, ".term_weights has ", stage.term_weights.size(), " values, objective has ",
                           objective.size(), " terms"),
                    "give one weight for each term of the objective", origin, complaints);
    if (!objective.empty())
      complain_unless(has_a_weight(objective, stage),
                      concat(at, ": every term of the objective has weight 0, nothing would be trained"),
                      stage.term_weights.empty() ? "objective.0.weight=1" : at + ".term_weights: one above 0", origin,
                      complaints);
    complain_unless(!model.feature_file() || stage.augment != Augment::flip,
                    concat(at, ".augment = flip mirrors pictures, but model.image takes rows of a feature file"),
                    "augment: none", origin, complaints);
    complain_unless(
        evaluate.select != "last" || stage.schedule.type() != "plateau",
        concat(at, ".schedule.type = plateau watches the selection metric, but evaluate.select = last has none"),
        "evaluate.select: auto, or another schedule", origin, complaints);
    complain_unless(
        stage.warmup_epochs <= static_cast<double>(stage.epochs),
        concat(at, ".warmup_epochs = ", stage.warmup_epochs, " is longer than ", at, ".epochs = ", stage.epochs), "",
        origin, complaints);
  }
  complain_unless(!model.feature_file() || !evaluate.flip_sum,
                  "evaluate.flip_sum = true mirrors pictures, but model.image takes rows of a feature file",
                  "add the mirrored images' features when the file is made: diptych encode --flip", origin, complaints);
  complain_unless(model.text.type() != "char_cnn_rnn" || data.text.unit == TextUnit::character,
                  "model.text.type = char_cnn_rnn reads characters, but data.text.unit = word",
                  "data.text: {unit: character, max_length: 201, start_end: false}", origin, complaints);
  const auto words = {"test", "val", "none"};
  complain_unless(std::ranges::find(words, evaluate.final_split) != words.end(),
                  concat("evaluate.final = \"", escape_for_log(evaluate.final_split), "\": expected test, val or none"),
                  "", origin, complaints);
  const std::string& select = evaluate.select;
  complain_unless(select != "last" || evaluate.patience == 0,
                  concat("evaluate.patience = ", evaluate.patience,
                         " counts evaluations without a better value, but evaluate.select = last compares none"),
                  "evaluate.select: auto, or evaluate.patience: 0", origin, complaints);
  complain_unless(evaluate.min_gain == 0 || evaluate.patience > 0,
                  concat("evaluate.min_gain = ", evaluate.min_gain, " is for evaluate.patience, which is 0"),
                  "evaluate.patience: 10, or leave min_gain out", origin, complaints);
  if (select.starts_with("test/"))
    complaints.add(origin,
                   concat("evaluate.select = \"", escape_for_log(select), "\": nothing is selected on the test split"),
                   "use val/" + select.substr(5));
  else if (select != "auto" && select != "last") {
    const auto names = evaluate.protocol.make()->metric_names();
    std::vector<std::string> choices;
    for (const std::string& each : names) choices.push_back("val/" + each);
    const std::string metric = select.starts_with("val/") ? select.substr(4) : select;
    if (!select.starts_with("val/") || std::ranges::find(names, metric) == names.end())
      complaints.add(origin,
                     concat("evaluate.select = \"", escape_for_log(select),
                            "\": expected auto, last or val/METRIC of evaluate.protocol = ", evaluate.protocol.type()),
                     did_you_mean("val/" + metric, choices));
  }
}

std::string Experiment::selection_metric() const {
  if (evaluate.select == "last") return "";
  if (evaluate.select == "auto") return evaluate.protocol.make()->main_metric();
  return evaluate.select.substr(4);
}

ExperimentSource load_experiment_source(const std::filesystem::path& file, const std::vector<std::string>& overrides) {
  LoadedConfig loaded = load_config(file);
  ExperimentSource source{std::move(loaded.tree), std::move(loaded.files), {}};
  source.echoes = apply_overrides(source.tree, overrides);
  interpolate(source.tree);
  return source;
}

Experiment read_experiment(const Catalog& catalog, const ConfigNode& tree) {
  Experiment experiment(catalog);
  Complaints complaints;
  Reader(tree, "", complaints).fill(experiment);
  complaints.throw_if_any();
  return experiment;
}

}  // namespace diptych
