#include <algorithm>

#include "command.h"
#include "diptych/core/io/fs.h"
#include "diptych/core/log.h"
#include "diptych/core/text.h"
#include "diptych/data/image/pipeline.h"
#include "diptych/report/search_page.h"
#include "diptych/train/checkpoint.h"
#include "diptych/train/search.h"

namespace diptych::tools {
namespace {

struct SearchArguments {
  std::string gallery, model, checkpoint, queries, out;
  std::vector<std::string> texts, images, changes;
  int64_t k = 10;
};

std::vector<SearchQuery> queries_of(const SearchArguments& arguments) {
  std::vector<SearchQuery> queries;
  for (const std::string& text : arguments.texts) queries.push_back({View::text, text, "the query"});
  const size_t changes = arguments.changes.size();
  if (changes > 1 && arguments.images.size() > 1 && changes != arguments.images.size())
    throw UsageError::command_line(
        concat(arguments.images.size(), " pictures and ", changes, " texts: expected one of either, or as many"),
        "--image A.jpg --text \"...\" --image B.jpg --text \"...\"");
  for (size_t i = 0; i < std::max(arguments.images.size(), changes); ++i) {
    const auto at = [&](const std::vector<std::string>& list) { return list.size() == 1 ? list[0] : list[i]; };
    if (arguments.images.empty())
      queries.push_back({View::text, at(arguments.changes), "the query"});
    else if (changes == 0)
      queries.push_back({View::image, at(arguments.images), at(arguments.images)});
    else
      queries.push_back({View::image, at(arguments.images), "the query", at(arguments.changes)});
  }
  if (!arguments.queries.empty())
    for (SearchQuery& query : read_queries(arguments.queries)) queries.push_back(std::move(query));
  return queries;
}

/// The gallery's checkpoint, if the run has it; otherwise the best one, which will not fit, and the message says why.
std::string checkpoint_of(const SearchArguments& arguments, const GalleryHeader& header, const std::string& run) {
  if (!arguments.checkpoint.empty()) return arguments.checkpoint;
  const auto names = list_checkpoints(locate_run(run, "best").first / "checkpoints");
  return std::ranges::count(names, header.checkpoint) > 0 ? header.checkpoint : "best";
}

std::string page_of(const SearchOutcome& outcome, const Gallery& gallery) {
  const bool pictures = gallery.header.view == View::image;
  std::vector<report::SearchedFor> queries;
  for (const SearchAnswer& answer : outcome.answers) {
    const bool by_text = answer.query.view == View::text;
    queries.push_back({by_text ? answer.query.content : answer.query.change,
                       by_text ? "" : answer.query.content,
                       answer.unknown,
                       {}});
    for (const Scored& found : answer.best) {
      const std::string& content = gallery.content[static_cast<size_t>(found.index)];
      queries.back().hits.push_back({found.score, gallery.ids[static_cast<size_t>(found.index)],
                                     pictures ? "" : content, pictures ? content : ""});
    }
  }
  return report::search_page(outcome.scorer, queries,
                             {{"gallery", concat(gallery.ids.size(), pictures ? " pictures" : " captions")},
                              {"experiment", gallery.header.experiment},
                              {"run", report::without_folders(gallery.header.run)},
                              {"checkpoint", gallery.header.checkpoint}},
                             [](const std::filesystem::path& file) { return decode_image(file, ImageOptions{}); });
}

void warn_of_unknown_words(const SearchOutcome& outcome) {
  for (const SearchAnswer& answer : outcome.answers)
    if (!answer.unknown.empty())
      log::warn(concat("'", escape_for_log(answer.query.content), "': the model does not know ",
                       answer.all_unknown ? "any of its words, so that the result means nothing: " : "",
                       escape_for_log(join(answer.unknown, ", "), 200)));
}

}  // namespace

Command add_search(CLI::App& app) {
  auto arguments = std::make_shared<SearchArguments>();
  CLI::App* command =
      app.add_subcommand("search", "the pictures or captions of a gallery nearest to a text or picture");
  command->add_option("GALLERY", arguments->gallery, "embeddings that `diptych encode` wrote (.safetensors)");
  command->add_option("TEXT", arguments->texts, "what to look for; several in quotes of their own");
  command->add_option("--image", arguments->images, "a picture to look for (repeatable)")->allow_extra_args(false);
  command->add_option("--text", arguments->changes, "with --image: how the picture is to be changed (model.composer)")
      ->allow_extra_args(false);
  command->add_option("--queries", arguments->queries, "a file of texts, one a line; - reads standard input");
  command->add_option("--model", arguments->model, "run that encoded the gallery (default: the run named in it)");
  command->add_option("--checkpoint", arguments->checkpoint, "default: the one that encoded the gallery");
  command->add_option("-k", arguments->k, "results a query")->check(CLI::Range(1, 100000));
  command->add_option("-o,--out", arguments->out, "write a page of thumbnails, PAGE.html");
  const auto run = [arguments](const Globals& globals, const Catalog& catalog, const std::vector<std::string>&) {
    if (arguments->gallery.empty())
      throw UsageError::command_line("no gallery given", "diptych search GALLERY.safetensors \"TEXT\" --model RUN");
    if (!arguments->out.empty() && !arguments->out.ends_with(".html"))
      throw UsageError::command_line("-o " + escape_for_log(arguments->out) + ": expected a name ending in .html");
    const std::vector<SearchQuery> queries = queries_of(*arguments);
    if (queries.empty())
      throw UsageError::command_line(
          "no query given",
          "a text in quotes, --image FILE, both as --image FILE --text TEXT, or --queries FILE with a text a line");
    const Gallery gallery = read_gallery(arguments->gallery);
    const std::string model = arguments->model.empty() ? gallery.header.run : arguments->model;
    const TrainedModel trained =
        load_trained_model(catalog, model, checkpoint_of(*arguments, gallery.header, model), {}, globals.threads);
    const SearchOutcome outcome = search(gallery, trained, queries, arguments->k);
    warn_of_unknown_words(outcome);
    print(globals, to_text(outcome, gallery));
    Json document{{"diptych", "search/1"}, {"ok", true}, {"exit", 0}};
    document.update(to_json(outcome, gallery));
    if (arguments->out.empty()) return document;
    write_file_atomically(arguments->out, page_of(outcome, gallery));
    print(globals, concat("written to ", escape_for_log(arguments->out, 4096), "\n"));
    document["page"] = arguments->out;
    return document;
  };
  return {command, run, false};
}

}  // namespace diptych::tools
