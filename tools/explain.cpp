#include <algorithm>
#include <cstdio>

#include "command.h"
#include "diptych/core/io/fs.h"
#include "diptych/core/text.h"
#include "diptych/report/explanation.h"
#include "diptych/train/explain.h"

namespace diptych::tools {
namespace {

struct ExplainArguments {
  std::string run, checkpoint = "best", split = "test", image, text, out, pairs;
  bool has_image = false, has_text = false;  // given, if only as ""
  bool pointing = false;
};

std::string fixed(double value) {
  char text[48];
  std::snprintf(text, sizeof text, "%+.3f", value);
  return text;
}

/// The words and what they add, and where the picture speaks loudest.
std::string explanation_text(const Explanation& explanation) {
  std::string out = concat(explanation.scorer, " ", fixed(explanation.score), "\n",
                           "  word (score lost when it is left out; gradient x input)\n");
  for (const Explanation::Word& word : explanation.words)
    out += concat("  ", escape_for_log(word.word, 40), word.known ? "" : " (unknown)", "  ", fixed(word.left_out),
                  word.gradient ? "; " + fixed(*word.gradient) : "", "\n");
  if (explanation.words_cut > 0)
    out += concat("  ", explanation.words_cut, " more words, beyond data.text.max_length, were not read\n");
  if (std::ranges::none_of(explanation.words, &Explanation::Word::known))
    out += "  the vocabulary holds none of these words: the text said nothing to the model\n";
  if (explanation.relevance.max().item<float>() <= 0) return out + "no place of the picture speaks for this text\n";
  if (explanation.relevance.numel() == 1) return out;  // one place is no place
  const int64_t height = explanation.picture.size(0), width = explanation.picture.size(1);
  const auto [row, column] = most_relevant_pixel(explanation.relevance, height, width, explanation.first);
  return out + concat("most relevant place of the picture: ", 100 * column / width, " % from the left, ",
                      100 * row / height, " % from the top (", explanation.method, ", map of ",
                      explanation.relevance.size(0), " x ", explanation.relevance.size(1), ")\n");
}

Json explain_one(const Globals& globals, const LoadedRun& run, const ExplainArguments& arguments) {
  const Explanation explanation = explain(run, arguments.image, arguments.text);
  const Json record = to_json(explanation);
  print(globals, explanation_text(explanation));
  Json document{{"image", arguments.image}, {"explanation", record}};
  if (!arguments.out.empty()) {
    const std::string image = std::filesystem::path(arguments.image).filename().string();
    write_file_atomically(
        arguments.out, report::explanation_page(record, explanation.picture,
                                                {{"experiment", run.experiment->name},
                                                 {"checkpoint", run.checkpoint},
                                                 {"image", image},
                                                 {"score", concat(explanation.scorer, " ", fixed(explanation.score))},
                                                 {"method", explanation.method}}));
    print(globals, "written to " + arguments.out + "\n");
    document["page"] = arguments.out;
  }
  return document;
}

Json explain_chosen(const Globals& globals, const LoadedRun& run, const ExplainArguments& arguments, Split split) {
  const auto pairs = explain_pairs(run, split, parse_pair_choice(arguments.pairs));
  const auto folder = evaluation_folder(std::filesystem::path(arguments.run) / "eval",
                                        run.experiment->evaluate.protocol.type(), arguments.split) /
                      "explain";
  make_directories(folder.parent_path());
  write_explanations(folder, pairs, arguments.pairs);
  print(globals, concat(pairs.size(), " explanations written to ", folder.string(), "; diptych report shows them\n"));
  return Json{{"pairs", pairs.size()}, {"folder", folder.string()}};
}

Json point(const Globals& globals, const LoadedRun& run, Split split) {
  const PointingResult result = measure_pointing(run, split);
  print(globals, to_text(result));
  return Json{{"pointing", to_json(result)}};
}

void check(const ExplainArguments& arguments) {
  if (arguments.run.empty())
    throw UsageError::command_line("no run given", "diptych explain RUN --image FILE --text TEXT -o PAGE.html");
  if (arguments.split != "val" && arguments.split != "test")
    throw UsageError::command_line("--split " + escape_for_log(arguments.split) + ": expected val or test",
                                   did_you_mean(arguments.split, {"val", "test"}));
  const bool one = arguments.has_image || arguments.has_text;
  if (one + !arguments.pairs.empty() + arguments.pointing != 1)
    throw UsageError::command_line("expected one of --image with --text, --pairs and --pointing",
                                   "diptych explain RUN --image FILE --text TEXT -o PAGE.html");
  if (one && arguments.has_image != arguments.has_text)
    throw UsageError::command_line(arguments.has_text ? "--text needs --image" : "--image needs --text");
  if (!one && !arguments.out.empty()) throw UsageError::command_line("-o goes with --image and --text");
  if (std::error_code absent; std::filesystem::equivalent(arguments.out, arguments.image, absent))
    throw UsageError::command_line("-o " + escape_for_log(arguments.out, 200) + " is the picture itself",
                                   "-o PAGE.html");
  if (!arguments.pairs.empty()) parse_pair_choice(arguments.pairs);
  if (!is_run_directory(arguments.run))
    throw CheckpointError(escape_for_log(arguments.run, 200), "is no run directory: it has no config.resolved.yaml");
}

}  // namespace

Command add_explain(CLI::App& app) {
  auto arguments = std::make_shared<ExplainArguments>();
  CLI::App* command = app.add_subcommand("explain", "why a run finds an image and a text similar: places and words");
  command->add_option("RUN", arguments->run, "run directory");
  command->add_option("--image", arguments->image, "picture to explain, with --text");
  command->add_option("--text", arguments->text, "text to explain, with --image");
  command->add_option("-o,--out", arguments->out, "page to write: picture with heat, words with their weight");
  command->add_option(
      "--pairs", arguments->pairs,
      "explain captions of the split into RUN/eval, for the report: worst:N, best:N, random:N (by the rank "
      "of their image) or ids, ID#0,ID#1");
  command->add_flag("--pointing", arguments->pointing,
                    "generated corpora: how often the heat of 'the red circle' points at the red circle");
  command->add_option("--checkpoint", arguments->checkpoint, "best, latest, or a name such as step-00001234");
  command->add_option("--split", arguments->split, "val or test, for --pairs and --pointing");
  const auto run = [arguments, command](const Globals& globals, const Catalog& catalog,
                                        const std::vector<std::string>& overrides) {
    arguments->has_image = command->count("--image") > 0, arguments->has_text = command->count("--text") > 0;
    check(*arguments);
    const Split split = arguments->split == "val" ? Split::val : Split::test;
    const LoadedRun loaded = load_run(catalog, arguments->run, arguments->checkpoint, overrides, globals.threads);
    Json document{{"diptych", "explain/1"},
                  {"ok", true},
                  {"exit", 0},
                  {"run", arguments->run},
                  {"checkpoint", loaded.checkpoint}};
    document.update(arguments->pointing         ? point(globals, loaded, split)
                    : !arguments->pairs.empty() ? explain_chosen(globals, loaded, *arguments, split)
                                                : explain_one(globals, loaded, *arguments));
    return document;
  };
  return {command, run, true};
}

}  // namespace diptych::tools
