#include "command.h"
#include "diptych/core/log.h"
#include "diptych/core/text.h"
#include "diptych/train/encode_files.h"

namespace diptych::tools {
namespace {

struct EncodeArguments {
  std::string source, checkpoint = "best", texts, split, view = "image", out;
  std::vector<std::string> images;
  bool skip_bad = false, overwrite = false;
  int64_t part_size = 0;
  bool features = false;
  FeatureViews views;
};

EncodeItems items_of(const EncodeArguments& arguments, const Experiment& experiment) {
  if (!arguments.images.empty()) return list_pictures(arguments.images);
  if (!arguments.texts.empty()) return read_captions(arguments.texts);
  for (const Split split : {Split::train, Split::val, Split::test})
    if (arguments.split == enum_text(split))
      return items_of_split(experiment.data.corpus.make()->read(), split,
                            arguments.view == "text" ? View::text : View::image);
  throw UsageError::command_line("--split " + escape_for_log(arguments.split) + ": expected train, val or test",
                                 did_you_mean(arguments.split, {"train", "val", "test"}));
}

/// A configuration holds no trained model whose embeddings could be written, but an image encoder.
void complete(EncodeArguments& arguments) {
  if (arguments.source.ends_with(".yaml") || arguments.source.ends_with(".yml")) arguments.features = true;
}

void check(const EncodeArguments& arguments) {
  const char* usage = "diptych encode RUN --images FOLDER -o GALLERY.safetensors";
  if (arguments.source.empty()) throw UsageError::command_line("no run given", usage);
  if (arguments.out.empty()) throw UsageError::command_line("no output given (-o)", usage);
  if (!arguments.images.empty() + !arguments.texts.empty() + !arguments.split.empty() != 1)
    throw UsageError::command_line("expected one of --images, --texts and --split", usage);
  if (arguments.view != "image" && arguments.view != "text")
    throw UsageError::command_line("--view " + escape_for_log(arguments.view) + ": expected image or text",
                                   did_you_mean(arguments.view, {"image", "text"}));
  const char* features = "diptych encode RUN|CONFIG --features --images FOLDER -o FEATURES.safetensors";
  if (!arguments.features && (arguments.views.crops != 1 || arguments.views.flip || arguments.views.regions))
    throw UsageError::command_line(
        "--crops, --flip and --regions are for --features: embeddings are made as the run "
        "evaluates them",
        features);
  if (arguments.features && (!arguments.texts.empty() || arguments.view == "text"))
    throw UsageError::command_line("--features are those of pictures", features);
  arguments.views.validate();
}

std::string summary(const EncodeOutcome& outcome, const std::string& out, bool features) {
  if (outcome.already_complete) return concat(out, ": already complete, ", outcome.items, " items\n");
  std::string text = concat(out, ": ", outcome.items, features ? " features of " : " embeddings of ",
                            outcome.regions ? concat(outcome.regions, " x ") : "", outcome.dimension, " numbers",
                            outcome.resumed ? ", " : "",
                            outcome.resumed ? concat(outcome.resumed, " from before the interruption") : "", "\n");
  if (outcome.unknown > 0)
    text += concat(outcome.unknown, " of ", outcome.words, " words are unknown to the model, such as ",
                   escape_for_log(join(outcome.unknown_examples, ", "), 200), "\n");
  if (!outcome.skipped.empty()) text += concat(outcome.skipped.size(), " items were skipped:\n");
  for (size_t i = 0; i < std::min<size_t>(outcome.skipped.size(), 20); ++i) text += "  " + outcome.skipped[i] + "\n";
  if (outcome.skipped.size() > 20) text += concat("  ... and ", outcome.skipped.size() - 20, " more\n");
  return text;
}

}  // namespace

Command add_encode(CLI::App& app) {
  auto arguments = std::make_shared<EncodeArguments>();
  CLI::App* command = app.add_subcommand("encode", "embeddings of pictures or captions, with their ids");
  command->add_option("RUN", arguments->source,
                      "run directory, or a checkpoint folder inside one; or a configuration (.yaml): the features of "
                      "its image encoder with its pretrained weights, as with --features");
  command->add_option("--images", arguments->images,
                      "folders (searched at all depths), pictures, or lists of them (a path a line, or ID<TAB>PATH; "
                      "- reads standard input)");
  command->add_option("--texts", arguments->texts, "captions, one a line, or ID<TAB>CAPTION; - reads standard input");
  command->add_option("--split", arguments->split, "a split of the run's own corpus: train, val or test");
  command->add_option("--view", arguments->view, "with --split: image or text");
  command->add_option("-o,--out", arguments->out, "OUT.safetensors (what search reads) or OUT.npz (for numpy)");
  command->add_flag("--features", arguments->features,
                    "the image encoder's features, before the head: what model.image: {type: features} reads");
  command->add_option("--crops", arguments->views.crops,
                      "with --features: 5 = mean over corners and centre, 10 = and their mirror images (default 1)");
  command->add_flag("--flip", arguments->views.flip, "with --features: add the features of the mirrored picture");
  command->add_flag("--regions", arguments->views.regions,
                    "with --features: a row for each place of the last feature map");
  command->add_option("--checkpoint", arguments->checkpoint, "best, latest, or a name such as step-00001234");
  command->add_flag("--skip-bad", arguments->skip_bad,
                    "leave unreadable pictures and empty captions out, and count them");
  command->add_flag("--overwrite", arguments->overwrite, "replace an output that holds something else");
  command
      ->add_option("--part-size", arguments->part_size,
                   "items a part; an interrupted encoding goes on behind the last whole part (default 16 batches)")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 30));
  const auto run = [arguments](const Globals& globals, const Catalog& catalog,
                               const std::vector<std::string>& overrides) {
    complete(*arguments);
    check(*arguments);
    const EncodeRequest request{arguments->out, arguments->skip_bad, arguments->overwrite, arguments->part_size};
    std::string fingerprint;
    const auto listed = [&](const Experiment& experiment) {
      EncodeItems items = items_of(*arguments, experiment);
      for (const std::string& note : items.notes) log::info(note);
      return items;
    };
    EncodeOutcome outcome;
    if (arguments->features) {
      const FeatureModel model =
          load_feature_model(catalog, arguments->source, arguments->checkpoint, overrides, globals.threads);
      outcome = encode_features(model, arguments->views, listed(*model.experiment), request);
      fingerprint = model.fingerprint;
    } else {
      const TrainedModel trained =
          load_trained_model(catalog, arguments->source, arguments->checkpoint, overrides, globals.threads);
      outcome = encode_items(trained, listed(*trained.experiment), request);
      fingerprint = trained.fingerprint;
    }
    print(globals, summary(outcome, arguments->out, arguments->features));
    return Json{{"diptych", "encode/1"},
                {"ok", true},
                {"exit", 0},
                {"out", arguments->out},
                {"items", outcome.items},
                {"dimension", outcome.dimension},
                {"regions", outcome.regions},
                {"resumed", outcome.resumed},
                {"already_complete", outcome.already_complete},
                {"skipped", outcome.skipped},
                {"unknown_words", outcome.unknown_examples},
                {"model", fingerprint}};
  };
  return {command, run, true};
}

}  // namespace diptych::tools
