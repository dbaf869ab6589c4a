#include "diptych/report/report.h"

#include <algorithm>

#include "diptych/core/io/fs.h"
#include "diptych/core/log.h"
#include "diptych/core/signals.h"
#include "diptych/core/text.h"
#include "report/metrics_csv.h"
#include "report/parts.h"

namespace diptych::report {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kFewestQueries = 2;
constexpr uint64_t kMostSweepBytes = 256u << 20;
constexpr int64_t kSideOfMany = 208;  // pictures on a page of several runs, which has more of them
constexpr size_t kFewRuns = 4;        // up to which all pairs are compared

/// The run's own protocol on test; otherwise the first evaluation there is.
const RecordedEvaluation* main_evaluation(const RunRecord& record) {
  const std::string* protocol = record.find_config("evaluate.protocol.type");
  if (protocol)
    if (const RecordedEvaluation* found = record.find_evaluation(*protocol, "test")) return found;
  return record.evaluations.empty() ? nullptr : &record.evaluations.front();
}

/// Folders named by the program itself, after time and configuration, tell nothing alone.
bool is_given_name(const std::string& folder) { return !folder.empty() && (folder[0] < '0' || folder[0] > '9'); }

/// Experiment names where they differ; otherwise the runs' folders where these differ, and a number if nothing does.
std::vector<std::string> run_names(const std::vector<RunRecord>& records) {
  std::vector<std::string> names;
  for (const RunRecord& record : records) {
    const auto same = std::ranges::count(records, record.experiment, &RunRecord::experiment);
    const std::string folder = record.path.filename().string();
    const auto twins =
        std::ranges::count_if(records, [&](const RunRecord& each) { return each.path.filename().string() == folder; });
    std::string name = same == 1                             ? record.experiment
                       : twins == 1 && is_given_name(folder) ? folder
                                                             : concat(record.experiment, " / ", folder);
    if (name.empty()) name = folder;
    const std::string base = name;
    for (int k = 2; std::ranges::count(names, name); ++k) name = concat(base, " (", k, ")");
    names.push_back(std::move(name));
  }
  return names;
}

std::vector<ReportRun> load_runs(const std::vector<fs::path>& paths) {
  std::vector<RunRecord> records;
  for (const fs::path& path : paths) records.push_back(read_run_record(path));
  const std::vector<std::string> names = run_names(records);
  std::vector<ReportRun> runs;
  for (size_t i = 0; i < records.size(); ++i) {
    signals::throw_if_pending();
    ReportRun run;
    run.name = names[i], run.record = std::move(records[i]);
    const RecordedEvaluation* chosen = main_evaluation(run.record);
    if (!chosen) {
      run.evaluation_problem = "not evaluated yet: diptych evaluate RUN";
    } else if (!fs::exists(run.record.path / "eval" / chosen->folder / "embeddings.safetensors")) {
      run.evaluation_problem = "evaluated by an older program, without embeddings: diptych evaluate RUN";
    } else {
      log::info(concat("reading ", run.name, ": eval/", chosen->folder));
      run.evaluation = read_evaluation_record(run.record.path / "eval" / chosen->folder);
    }
    for (const RecordedEvaluation& each : run.record.evaluations)
      if (const fs::path folder = run.record.path / "eval" / each.folder; fs::exists(folder / "pairs.jsonl"))
        run.opposites = read_evaluation_record(folder), run.opposites_folder = folder;
    runs.push_back(std::move(run));
  }
  return runs;
}

bool is_sweep(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path / "sweep.json", ignored) || fs::exists(path / "sweep.yaml", ignored);
}

/// Of the job read last, unless its setting has some.
void load_opposites(ReportSweep& sweep, size_t setting) {
  if (std::ranges::count(sweep.opposites, setting, &ReportSweep::Opposites::setting)) return;
  const RunRecord& record = sweep.jobs.back().second;
  for (const RecordedEvaluation& each : record.evaluations)
    if (const fs::path folder = record.path / "eval" / each.folder; fs::exists(folder / "pairs.jsonl")) {
      sweep.opposites.push_back({setting, read_evaluation_record(folder), folder});
      return;
    }
}

std::vector<ReportSweep> load_sweeps(const std::vector<fs::path>& paths) {
  std::vector<ReportSweep> out;
  for (const fs::path& path : paths) {
    const fs::path file = path / "sweep.json";
    if (!fs::exists(file))
      throw CheckpointError(escape_for_log(path.string(), 200), "is a sweep without results",
                            "go on with it, its table is written at the end: diptych sweep SPEC.yaml");
    ReportSweep sweep{sweep_from_json(load_json(file, kMostSweepBytes, ErrorClass::ckp), file.string()), {}, {}};
    for (size_t i = 0; i < sweep.results.jobs.size(); ++i) {
      const fs::path job = path / "jobs" / sweep.results.jobs[i].name;
      if (sweep.results.jobs[i].state != "finished" || !fs::exists(job)) continue;
      signals::throw_if_pending();
      sweep.jobs.emplace_back(i, read_run_record(job));
      load_opposites(sweep, sweep.results.jobs[i].setting);
    }
    out.push_back(std::move(sweep));
  }
  return out;
}

void analyse(ReportRun& run, const ReportOptions& options) {
  if (!run.evaluation) return;
  const EmbeddingMapOptions map{.pairs = std::max<int64_t>(options.map_points / 2, 1)};
  run.map = embedding_map(*run.evaluation, map, [&](int64_t iteration) {
    signals::throw_if_pending();
    log::progress(concat("embedding map of ", run.name, ": iteration ", iteration));
  });
  log::progress("", true);
  run.image_spectrum = singular_spectrum(run.evaluation->x_points);
  run.caption_spectrum = singular_spectrum(run.evaluation->y_points);
  run.gap = modality_gap(run.evaluation->x_points, run.evaluation->y_points);
}

/// Every run against the first, and each further pair while there are few.
std::vector<RunComparison> compare(const std::vector<ReportRun>& runs) {
  std::vector<RunComparison> out;
  for (size_t a = 0; a < runs.size(); ++a)
    for (size_t b = a + 1; b < runs.size() && (a == 0 || runs.size() <= kFewRuns); ++b) {
      if (!runs[a].evaluation || !runs[b].evaluation) continue;
      signals::throw_if_pending();
      RunComparison each{runs[a].name, runs[b].name, {}, ""};
      try {
        const ProtocolResult &before = runs[a].evaluation->result, &after = runs[b].evaluation->result;
        ComparisonOptions options;
        options.precision = before.by_identity;
        each.comparison = compare_ranks(before.ranks, after.ranks, each.a, each.b, options);
      } catch (const UsageError& error) {
        each.problem = error.issues().front().message;
      }
      out.push_back(std::move(each));
    }
  return out;
}

struct Contents {
  std::vector<ReportRun> runs;
  std::vector<ReportSweep> sweeps;
  std::vector<RunComparison> comparisons;
};

std::string page_title(const Contents& contents) {
  std::vector<std::string> names;
  for (const ReportRun& run : contents.runs) names.push_back(run.name);
  for (const ReportSweep& sweep : contents.sweeps) names.push_back("sweep " + sweep.results.name);
  return names.empty() ? "Report" : names.size() <= 3 ? join(names, ", ") : concat(names.size(), " runs and sweeps");
}

void add_unavailable(Parts& parts) {
  if (parts.unavailable.empty()) return;
  std::vector<std::pair<std::string, Html>> rows;
  for (const auto& [section, reason] : parts.unavailable) rows.emplace_back(section, Html::text(shown(parts, reason)));
  parts.page.section("not-available", "Not available", facts(rows));
}

/// "Diptych report on 3 runs and 1 sweep."
std::string lead_text(const Contents& contents) {
  const auto counted = [](size_t count, const std::string& word) {
    return concat(count, " ", word, count == 1 ? "" : "s");
  };
  std::vector<std::string> parts;
  if (!contents.runs.empty()) parts.push_back(counted(contents.runs.size(), "run"));
  if (!contents.sweeps.empty()) parts.push_back(counted(contents.sweeps.size(), "sweep"));
  return concat("Diptych report on ", join(parts, " and "), ".");
}

/// In the order of the page; those of runs are left out of a page on sweeps alone.
struct SectionMaker {
  void (*add)(Parts&);
  bool needs_runs = true;
};
constexpr SectionMaker kSections[] = {
    {add_overview},      {add_results},         {add_warnings},         {add_curves},       {add_ranks},
    {add_galleries},     {add_false_negatives}, {add_scores},           {add_hubness},      {add_breakdowns},
    {add_map},           {add_spectrum},        {add_positions, false}, {add_explanations}, {add_comparison},
    {add_sweeps, false}, {add_reproduce, false}};

struct Built {
  std::string html;
  std::vector<Table> summary;
  std::vector<std::pair<std::string, std::string>> unavailable;
};

Built build(const Contents& contents, const ReportOptions& options, Thumbnails& thumbnails, int64_t queries) {
  Built out;
  Page page(page_title(contents));
  page.lead(element("p", {{"class", "muted"}}, Html::text(lead_text(contents))));
  if (!options.assets.empty()) page.allow_pictures_beside();
  Parts parts{contents.runs, contents.sweeps, contents.comparisons, options, thumbnails, queries,
              page,          out.unavailable, out.summary};
  for (const auto& [add, needs_runs] : kSections) {
    signals::throw_if_pending();
    if (!needs_runs || !contents.runs.empty()) add(parts);
  }
  add_unavailable(parts);
  page.footer(Html::text(concat("Made by ", options.command.empty() ? "diptych report" : shown(parts, options.command),
                                options.date.empty() ? "" : concat(" on ", options.date), ".")));
  page.definitions(thumbnails.definitions());
  out.html = page.html();
  return out;
}

std::string summary_text(const Built& built, const std::string& title) {
  std::string out = concat("# ", escape_for_markdown(title), "\n\n");
  for (const Table& table : built.summary) out += to_markdown(table) + "\n";
  if (!built.unavailable.empty()) out += "Not available:\n\n";
  for (const auto& [section, reason] : built.unavailable)
    out += concat("- ", escape_for_markdown(section), ": ", escape_for_markdown(without_folders(reason)), "\n");
  return out;
}

/// Folder of the pictures as the page addresses it.
std::string assets_url(const ReportOptions& options) {
  if (options.assets.empty()) return "";
  const fs::path base = fs::absolute(options.output).parent_path();
  const fs::path relative = fs::absolute(options.assets).lexically_normal().lexically_relative(base.lexically_normal());
  const std::string text = relative.empty() ? options.assets.filename().string() : relative.string();
  return percent_encoded(text == "." ? "." : text);
}

/// Before anything long is computed.
void check_output(const ReportOptions& options) {
  std::error_code ignored;
  if (options.output.filename().empty() || fs::is_directory(options.output, ignored))
    throw OutputError(options.output.string(), "is a folder, not a file", "name the page: -o FILE.html");
  if (options.output.has_parent_path()) make_directories(options.output.parent_path());
  if (!options.assets.empty()) make_directories(options.assets);
}

}  // namespace

ReportOutcome write_report(const std::vector<fs::path>& inputs, const ReportOptions& options) {
  if (inputs.empty()) throw UsageError::command_line("no run given", "diptych report RUN -o FILE.html");
  check_output(options);
  std::vector<fs::path> run_paths, sweep_paths;
  for (const fs::path& path : inputs) (is_sweep(path) ? sweep_paths : run_paths).push_back(path);
  Contents contents{load_runs(run_paths), load_sweeps(sweep_paths), {}};
  for (ReportRun& run : contents.runs) analyse(run, options);
  contents.comparisons = compare(contents.runs);
  ThumbnailOptions thumbnail_options;
  if (contents.runs.size() > 1) thumbnail_options.side_px = kSideOfMany;
  thumbnail_options.budget_bytes = options.max_bytes * 2 / 3;
  thumbnail_options.assets_url = assets_url(options);
  Thumbnails thumbnails(options.reader, thumbnail_options);
  Built built;
  for (int64_t queries = options.queries;; queries = std::max(kFewestQueries, queries * 2 / 3)) {
    thumbnails.restart();
    built = build(contents, options, thumbnails, queries);
    if (built.html.size() <= options.max_bytes && thumbnails.fits()) break;
    if (queries <= kFewestQueries) {
      log::warn(concat("the page has ", bytes_text(static_cast<double>(built.html.size())), ", more than the limit of ",
                       bytes_text(static_cast<double>(options.max_bytes))));
      break;
    }
    log::info(concat("the page is too large with ", queries, " queries a group: fewer are shown"));
  }
  ReportOutcome outcome;
  outcome.unavailable = built.unavailable;
  outcome.page_bytes = built.html.size();
  const auto write = [&](const fs::path& path, const std::string& bytes) {
    write_file_atomically(path, bytes);
    outcome.files.push_back(path);
  };
  for (const auto& [name, bytes] : thumbnails.files()) write_file_atomically(options.assets / name, bytes);
  write(options.output, built.html);
  write(options.output.parent_path() / "summary.md", summary_text(built, page_title(contents)));
  for (size_t i = 0; options.csv && i < contents.runs.size(); ++i)
    write(options.output.parent_path() / (contents.runs.size() > 1 ? concat("metrics-", i + 1, ".csv") : "metrics.csv"),
          metrics_csv(contents.runs[i].record));
  return outcome;
}

}  // namespace diptych::report
