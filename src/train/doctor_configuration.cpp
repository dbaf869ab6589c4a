#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "diptych/core/log.h"
#include "diptych/core/text.h"
#include "diptych/data/image/check.h"
#include "diptych/data/published.h"
#include "diptych/model/weights.h"
#include "diptych/train/experiment.h"
#include "diptych/train/system.h"
#include "train/doctor_checks.h"

namespace diptych::doctor {

namespace fs = std::filesystem;

int64_t cutoff_of(const std::string& metric) {
  if (metric == "rsum" || metric == "mean-recall") return 10;
  const size_t at = metric.rfind("R@");
  return at == std::string::npos ? 0 : parse_integer(metric.substr(at + 2)).value_or(0);
}

namespace configuration {

constexpr int64_t kDecoded = 100;
constexpr double kManyUnknown = 0.1;   // share of unknown words on val from which a vocabulary is worth a thought
constexpr double kBytesPerWeight = 3;  // a checkpoint holds the weights and two slots of the optimiser

/// Everything that is looked at, as it becomes known.
struct Patient {
  Diagnoses& out;
  const Catalog& catalog;
  const DoctorRequest& request;
  std::string command(const std::string& what) const {
    std::string line = concat("diptych ", what, " --config ", escape_for_log(request.config.string(), 300));
    for (const std::string& each : request.overrides) line += " '" + escape_for_log(each, 300) + "'";
    return line;
  }
};

std::string first_issue(const Error& error) {
  const Issue& issue = error.issues().front();
  std::string out = issue.where.empty() ? issue.message : issue.where + ": " + issue.message;
  if (error.issues().size() > 1) out += concat(" (and ", error.issues().size() - 1, " more)");
  return out;
}

/// Runs one check; an Error becomes a fail.
template <class Check>
bool attempt(Patient& patient, const std::string& name, const std::string& remedy, Check&& check) {
  log::progress("doctor: " + name);
  try {
    check();
    return true;
  } catch (const Error& error) {
    patient.out.fail(name, first_issue(error), remedy);
    return false;
  }
}

bool check_files(Patient& patient, const Experiment& experiment) {
  std::vector<fs::path> files = experiment.data.corpus.make()->needed_files();
  if (!experiment.data.text.word_vectors.empty()) files.emplace_back(experiment.data.text.word_vectors);
  if (const auto weights = experiment.model.image.make()->weights(); !weights.empty()) files.emplace_back(weights);
  bool all = true;
  for (const fs::path& file : files) {
    std::error_code error;
    if (fs::is_regular_file(file, error)) continue;
    all = false;
    patient.out.fail(
        "paths",
        concat(escape_for_log(file.string(), 300), fs::exists(file, error) ? " is not a regular file" : " is missing"),
        patient.command("config show --origin") + "   # says where the path comes from");
  }
  if (all) patient.out.ok("paths", concat(files.size(), " files are there"));
  return all;
}

void check_counts(Patient& patient, const Corpus& corpus) {
  const auto train = corpus.image_rows(Split::train).size(), val = corpus.image_rows(Split::val).size(),
             test = corpus.image_rows(Split::test).size();
  std::string text = concat(escape_for_log(corpus.name), ": ", train, " / ", val, " / ", test,
                            " images in train / val / test, ", corpus.captions.size(), " captions");
  if (corpus.has_identities) text += concat(", ", corpus.label_names.size(), " identities");
  const auto known = published_sets();
  if (std::ranges::find(known, corpus.name) == known.end()) return patient.out.ok("counts", text);
  const auto differences = published_differences(corpus, corpus.name);
  if (differences.empty()) return patient.out.ok("counts", text + ", as published");
  for (const std::string& each : differences) patient.out.warn("counts", each);
}

void check_samples(Patient& patient, const Corpus& corpus) {
  const CheckReport report = check_corpus(corpus, {.decode = kDecoded, .compare_content = false});
  for (const Finding& finding : report.findings)
    if (finding.is_error)
      patient.out.fail("samples",
                       concat(finding.examples.size(), " ", finding.meaning, ", first: ", finding.examples.front()),
                       patient.command("data check") + " --decode all");
  if (!report.has_errors()) patient.out.ok("samples", concat(report.decoded, " images decode"));
}

void check_words(Patient& patient, const Corpus& corpus, const TextOptions& text) {
  if (text.unit == TextUnit::character)
    return patient.out.ok("words", "captions are read by characters; there is no vocabulary of words");
  const CorpusStats stats =
      stats_of(corpus, {.min_counts = {text.min_count}, .word_vectors = text.word_vectors, .decode = 0});
  const VocabularyStats& vocabulary = stats.vocabulary.front();
  const auto percent = [](double share) { return concat(number_text(std::round(1000 * share) / 10), " %"); };
  std::string line =
      concat(vocabulary.words, " words occur at least ", text.min_count, " times; unknown are ",
             percent(vocabulary.unknown_val), " of val's and ", percent(vocabulary.unknown_test), " of test's words");
  if (const auto& vectors = stats.word_vectors)
    line += concat("; word vectors cover ", percent(vectors->training_tokens_covered), " of the training words");
  if (vocabulary.words == 0)
    patient.out.fail("words", line, patient.command("train") + " data.text.min_count=1");
  else if (vocabulary.unknown_val > kManyUnknown)
    patient.out.warn("words", line, patient.command("data stats"));
  else
    patient.out.ok("words", line);
}

void check_weights(Patient& patient, const Experiment& experiment) {
  const auto encoder = experiment.model.image.make();
  if (experiment.model.feature_file())
    return patient.out.ok("weights", "the image encoder has none: it takes features");
  if (encoder->weights().empty()) return patient.out.ok("weights", "the image encoder starts from random weights");
  const WeightReport report = match_weights(*encoder, encoder->weights());
  const std::string text = concat(escape_for_log(encoder->weights(), 300), ": ", report.brief());
  constexpr double kNeeded = 0.9;
  if (report.mismatched.empty() && report.matched_share() >= kNeeded && report.used_share() >= kNeeded)
    return patient.out.ok("weights", text);
  patient.out.fail("weights", text,
                   concat("diptych describe ", escape_for_log(encoder->weights(), 300), " --match ",
                          escape_for_log(patient.request.config.string(), 300)));
}

void check_batches(Patient& patient, const Experiment& experiment, const DataBundle& data) {
  for (const StageOptions& stage : experiment.train.stages) {
    if (stage.fits()) {
      patient.out.ok("batches", concat("stage ", escape_for_log(stage.name), ": fit ", stage.fit.type(), ", ",
                                       data.training_captions(experiment.train.limit_images).size(), " pairs once"));
      continue;
    }
    const SamplerContext context{data.corpus, data.training_captions(experiment.train.limit_images),
                                 experiment.batch_size(stage), static_cast<uint64_t>(experiment.seed)};
    const int64_t batches = experiment.data.sampler.make(context)->batches_per_epoch();
    const std::string text = concat("stage ", escape_for_log(stage.name), ": ", batches, " batches of ",
                                    context.batch_size, " pairs an epoch, ", stage.epochs, " epochs");
    if (batches < experiment.train.accumulate)
      patient.out.fail("batches", concat(text, "; train.accumulate = ", experiment.train.accumulate, " needs more"),
                       patient.command("train") + " train.accumulate=1");
    else
      patient.out.ok("batches", text);
  }
}

void check_gallery(Patient& patient, const Experiment& experiment, const Corpus& corpus) {
  const auto images = static_cast<int64_t>(corpus.image_rows(Split::val).size());
  const std::string metric = experiment.selection_metric();
  if (images == 0) return patient.out.warn("gallery", "no val split: nothing is selected, the last checkpoint counts");
  if (metric.empty()) return patient.out.ok("gallery", concat(images, " images in val; the last checkpoint counts"));
  if (cutoff_of(metric) > images)
    return patient.out.fail("gallery",
                            concat("val/", metric, " needs ", cutoff_of(metric), " images, val has ", images),
                            patient.command("train") + " evaluate.select=last");
  patient.out.ok("gallery", concat("val/", metric, " on ", images, " images selects the checkpoint"));
}

void check_space(Patient& patient, const Experiment& experiment, const DataBundle& data) {
  const auto system = build_system(experiment, data, /*load_pretrained=*/false);
  double bytes = 0;
  for (const at::Tensor& tensor : system->parameters()) bytes += static_cast<double>(tensor.nbytes());
  const double checkpoint = kBytesPerWeight * bytes;
  const double needed = 2 * checkpoint * static_cast<double>(experiment.train.checkpoint.keep + 1);
  const int64_t space = free_bytes(patient.request.run_root);
  const std::string text = concat("a checkpoint takes about ", bytes_text(checkpoint), ", ",
                                  experiment.train.checkpoint.keep, " and the best are kept");
  if (space >= 0 && static_cast<double>(space) < needed)
    patient.out.fail(
        "space", concat(text, ": ", bytes_text(needed), " wanted, ", bytes_text(static_cast<double>(space)), " free"),
        patient.command("train") + " --run-dir DIR   # on another disk");
  else
    patient.out.ok("space", text);
}

}  // namespace configuration

void examine_configuration(Diagnoses& out, const Catalog& catalog, const DoctorRequest& request) {
  using namespace configuration;
  Patient patient{out, catalog, request};
  std::optional<Experiment> experiment;
  const std::string shown = escape_for_log(request.config.string(), 300);
  const fs::path folder = request.config.has_parent_path() ? request.config.parent_path() : fs::path(".");
  if (std::error_code error; !fs::exists(request.config, error))
    return out.fail("config", shown + " is not there", "ls " + escape_for_log(folder.string(), 300));
  if (!attempt(patient, "config", patient.command("config show"), [&] {
        experiment.emplace(read_experiment(catalog, load_experiment_source(request.config, request.overrides).tree));
        out.ok("config", concat(shown, " is complete and every key is known"));
      }))
    return;
  bool files = false;
  attempt(patient, "paths", patient.command("config show --origin"),
          [&] { files = check_files(patient, *experiment); });
  if (!files) return;
  DataBundle data;
  if (!attempt(patient, "data", patient.command("data check"), [&] { data = load_data(*experiment); })) return;
  const std::string check = patient.command("data check"), dry_run = patient.command("train") + " --dry-run";
  attempt(patient, "counts", check, [&] { check_counts(patient, data.corpus); });
  if (data.features)
    out.ok("samples",
           concat("no picture is needed: ", data.features->file().path(), " has the features of all images"));
  else
    attempt(patient, "samples", check, [&] { check_samples(patient, data.corpus); });
  attempt(patient, "words", check, [&] { check_words(patient, data.corpus, experiment->data.text); });
  attempt(patient, "weights", patient.command("config show --origin"), [&] { check_weights(patient, *experiment); });
  attempt(patient, "batches", dry_run, [&] { check_batches(patient, *experiment, data); });
  attempt(patient, "gallery", dry_run, [&] { check_gallery(patient, *experiment, data.corpus); });
  attempt(patient, "space", dry_run, [&] { check_space(patient, *experiment, data); });
  log::progress("", true);
}

}  // namespace diptych::doctor
