#include "diptych/train/sweep.h"
#include <algorithm>
#include <utility>

#include "command.h"
#include "diptych/core/io/fs.h"
#include "diptych/core/log.h"
#include "diptych/core/text.h"
#include "report_options.h"

namespace diptych::tools {
namespace {

namespace fs = std::filesystem;

struct Arguments {
  std::string spec, config, run_dir;
  std::vector<std::string> multi;
  SweepRequest request;
  bool print_lines = false, status = false, aggregate = false, no_report = false, expect_recipe = false;
};

/// The specification: a file, a sweep's own directory, or -m words over a recipe.
SweepSpec spec_of(Arguments& arguments) {
  if (!arguments.spec.empty() && !arguments.config.empty())
    throw UsageError::command_line("SPEC and --config are both given", "diptych sweep SPEC.yaml, or --config with -m");
  const std::string given = arguments.spec.empty() ? arguments.config : arguments.spec;
  if (given.empty())
    throw UsageError::command_line("no specification given",
                                   "diptych sweep SPEC.yaml, or diptych sweep --config FILE -m KEY=A,B -m seed=1..3");
  std::error_code ignored;
  if (fs::is_regular_file(fs::path(given) / "sweep.yaml", ignored)) {
    if (arguments.run_dir.empty()) arguments.run_dir = given;
    return read_sweep_spec(fs::path(given) / "sweep.yaml");
  }
  if (fs::is_directory(given, ignored))
    throw UsageError(given, "holds no sweep.yaml: it is no directory of a sweep, or has lost it",
                     "name the specification: diptych sweep SPEC.yaml --run-dir " + given);
  return arguments.multi.empty() ? read_sweep_spec(given) : sweep_spec_of_words(given, arguments.multi);
}

void print_lines(const Globals& globals, const SweepPlan& plan, const SweepRequest& request) {
  for (const SweepPoint& point : plan.points) {
    std::vector<std::string> steps;
    for (const auto& words : job_commands(plan, request, point)) steps.push_back(shell_line(words));
    print(globals, join(steps, " && ") + "\n");
  }
}

Json lines_json(const SweepPlan& plan, const SweepRequest& request) {
  Json out = Json::array();
  for (const SweepPoint& point : plan.points)
    out.push_back({{"job", point.name()}, {"steps", job_commands(plan, request, point)}});
  return out;
}

/// Tables on disk and on the terminal. A table that cannot be written costs nothing but itself.
SweepResults aggregate(const Globals& globals, const SweepPlan& plan, const fs::path& directory,
                       const SweepRequest& request) {
  SweepResults results = collect_sweep(plan, request);
  for (const Table& table : sweep_tables(results)) print(globals, to_text(table));
  try {
    write_sweep_tables(results, directory);
  } catch (const OutputError& error) {
    std::vector<Issue> issues = error.issues();
    for (Issue& issue : issues)
      issue.hint = "no job is lost; after making room: diptych sweep " + directory.string() + " --aggregate";
    throw OutputError(std::move(issues));
  }
  print(globals, "tables: " + (directory / "sweep.{csv,md,tex,json}").string() + "\n");
  return results;
}

/// report.html beside the tables. A page that cannot be made costs nothing but itself.
void write_page(const Globals& globals, const SweepResults& results, const fs::path& directory) {
  if (std::ranges::none_of(results.jobs, [](const SweepJob& job) { return job.state == "finished"; })) return;
  try {
    report::ReportOptions options = report_options();
    options.output = directory / "report.html";
    report::write_report({directory}, options);
    print(globals, "page: " + options.output.string() + "\n");
  } catch (const Interrupted&) {
    throw;
  } catch (const Error& error) {
    log::warn(concat("no report.html: ", error.what(), "; once mended: diptych report ", directory.string(), " -o ",
                     (directory / "report.html").string()));
  }
}

/// --expect-recipe: means over seeds against the recipe's block `published`.
void check_recipe(const Globals& globals, const SweepPlan& plan, const SweepResults& results, const fs::path& sweep) {
  const auto finished = std::ranges::count(results.jobs, "finished", &SweepJob::state);
  if (static_cast<size_t>(finished) < plan.points.size())
    throw CheckFailed(plan.spec.base,
                      concat("--expect-recipe: ", finished, " of ", plan.points.size(), " jobs have finished"),
                      "diptych sweep SPEC --status says how they stand");
  const SweepReproduction found =
      check_reproduction(results, read_run_record(sweep / "jobs" / results.jobs.front().name).published);
  for (const std::string& line : found.lines) print(globals, line + "\n");
  if (found.lines.empty())
    throw UsageError(plan.spec.base,
                     "--expect-recipe: no published number and tolerance for " + join(plan.protocols, ", "),
                     "a recipe's block `published` names protocols, their numbers and a tolerance in points");
  if (!found.holds) throw CheckFailed(plan.spec.base, "the recipe's numbers were not reproduced", "see above");
}

}  // namespace

Command add_sweep(CLI::App& app) {
  auto arguments = std::make_shared<Arguments>();
  CLI::App* command =
      app.add_subcommand("sweep", "run a recipe with several settings and seeds; tables of mean ± standard deviation");
  command->footer(
      "SPEC.yaml: base, name, set, grid, list, seeds, select, report, jobs (configs/sweeps/ has examples). Started "
      "again, "
      "it skips finished jobs and resumes interrupted ones. KEY=VALUE words override the recipe in all jobs.");
  command->add_option("SPEC", arguments->spec, "specification, or the directory of a sweep that was started");
  command->add_option("-c,--config", arguments->config, "specification; with -m: the recipe");
  command->add_option("-m,--multi", arguments->multi, "KEY=A,B or KEY=1..3: one axis of the sweep (with --config)")
      ->allow_extra_args(false);
  command->add_option("--run-dir", arguments->run_dir, "directory of the sweep (default runs/sweeps/<name>)");
  command->add_option("-j,--jobs", arguments->request.jobs, "jobs at once; the threads are divided among them")
      ->check(CLI::Range(1, 1024));
  CLI::Option* job = command
                         ->add_option("--job", arguments->request.only,
                                      "run job K alone (for job arrays), with all threads and without tables")
                         ->check(CLI::Range(1, 10000));
  command->add_flag("--retry-failed", arguments->request.retry_failed, "repeat the jobs that failed");
  command->add_flag("--fail-fast", arguments->request.fail_fast, "stop at the first failure");
  CLI::Option* lines =
      command->add_flag("--print", arguments->print_lines, "print one shell line a job and run nothing");
  CLI::Option* status = command->add_flag("--status", arguments->status, "how every job stands; nothing is run");
  command->add_flag("--aggregate", arguments->aggregate,
                    "rebuild the tables from the jobs' directories; nothing is run");
  command->add_flag("--no-report", arguments->no_report, "leave out report.html");
  command
      ->add_flag("--expect-recipe", arguments->expect_recipe,
                 "compare means over seeds with the recipe's block `published`; exit 9 if a number is missed by more "
                 "than its tolerance")
      ->excludes(job)
      ->excludes(lines)
      ->excludes(status);
  const auto run = [arguments](const Globals& globals, const Catalog& catalog, std::vector<std::string> overrides) {
    if (!arguments->config.empty() && arguments->spec.find('=') != std::string::npos)  // an override, not a SPEC
      overrides.insert(overrides.begin(), std::exchange(arguments->spec, ""));
    const SweepPlan plan = plan_sweep(catalog, spec_of(*arguments), overrides);
    SweepRequest request = arguments->request;
    request.directory = arguments->run_dir.empty() ? default_sweep_path(plan.spec) : fs::path(arguments->run_dir);
    request.program = globals.argv.front(), request.threads = globals.threads;
    Json document{{"diptych", "sweep/1"}, {"ok", true}, {"exit", 0}, {"directory", request.directory.string()}};
    if (request.only > plan.points.size())
      throw UsageError::command_line(concat("--job ", request.only, ": the sweep has ", plan.points.size(), " jobs"),
                                     "they are numbered from 1");
    if (arguments->print_lines) {
      print_lines(globals, plan, request);
      document["lines"] = lines_json(plan, request);
      return document;
    }
    if (arguments->status) {
      const SweepResults results = collect_sweep(plan, request);
      print(globals, to_text(status_table(plan, results)));
      document["diptych"] = "sweep-status/1";
      document["status"] = sweep_json(results);
      return document;
    }
    if (arguments->expect_recipe && plan.split != "test")
      throw UsageError(plan.spec.base,
                       "--expect-recipe: published numbers are of the test split, and evaluate.final = " + plan.split,
                       "evaluate.final=test");
    if (!arguments->aggregate) run_jobs(plan, request);
    SweepResults results;
    try {
      if (request.only == 0) {
        results = aggregate(globals, plan, request.directory, request);
        document["results"] = sweep_json(results);
        if (!arguments->no_report) write_page(globals, results, request.directory);
      }
    } catch (const OutputError& error) {
      if (!arguments->aggregate) throw_first_failure(plan, request);  // it came first
      throw;
    }
    if (!arguments->aggregate) throw_first_failure(plan, request);
    if (arguments->expect_recipe) check_recipe(globals, plan, results, request.directory);
    return document;
  };
  return {command, run, true};
}

}  // namespace diptych::tools
