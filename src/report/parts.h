#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "diptych/eval/evaluation_record.h"
#include "diptych/report/aggregate.h"
#include "diptych/report/comparison.h"
#include "diptych/report/embedding_map.h"
#include "diptych/report/modality_gap.h"
#include "diptych/report/page.h"
#include "diptych/report/report.h"
#include "diptych/report/run_record.h"
#include "diptych/report/spectrum.h"
#include "diptych/report/table.h"

namespace diptych::report {

/// A run with the evaluation that the detailed sections describe: the run's own protocol on test, or the first there
/// is.
struct ReportRun {
  std::string name;  // short and unique on the page
  RunRecord record;
  std::optional<EvaluationRecord> evaluation;
  std::string evaluation_problem;             // why there is none
  std::optional<EvaluationRecord> opposites;  // the evaluation under "positions", if there is one, and its folder
  std::filesystem::path opposites_folder;
  // Of the evaluation; computed once, however often the page is built.
  std::optional<EmbeddingMap> map;
  Spectrum image_spectrum, caption_spectrum;
  ModalityGap gap;
};

/// Run b against run a, under the protocol of both; `problem` when that cannot be computed.
struct RunComparison {
  std::string a, b;
  Comparison comparison;
  std::string problem;
};

/// A sweep and the records of those of its jobs that can be read, by index into results.jobs.
struct ReportSweep {
  SweepResults results;
  std::vector<std::pair<size_t, RunRecord>> jobs;
  struct Opposites {
    size_t setting;
    EvaluationRecord evaluation;
    std::filesystem::path folder;
  };
  std::vector<Opposites> opposites;  // of each setting's first job that was evaluated under "positions"
};

/// What the sections write into.
struct Parts {
  const std::vector<ReportRun>& runs;
  const std::vector<ReportSweep>& sweeps;
  const std::vector<RunComparison>& comparisons;
  const ReportOptions& options;
  Thumbnails& thumbnails;
  int64_t queries;  // shown in each gallery group
  Page& page;
  std::vector<std::pair<std::string, std::string>>& unavailable;
  std::vector<Table>& summary;  // tables of summary.md
  void not_available(const std::string& section, const std::string& reason) const {
    unavailable.emplace_back(section, reason);
  }
};

// The sections in the order of the page; one source file each. Each adds its section, or says why it cannot.
void add_overview(Parts& parts);         // run, protocol in words, checkpoint, commit, device, wall time
void add_results(Parts& parts);          // main table with intervals and published numbers
void add_warnings(Parts& parts);         // what weakens the numbers
void add_curves(Parts& parts);           // loss terms, lr, gradient norm, validation, throughput, memory
void add_ranks(Parts& parts);            // rank histogram and recall curve
void add_galleries(Parts& parts);        // best, median, worst, random
void add_false_negatives(Parts& parts);  // rank-1 "errors" above the true pair
void add_scores(Parts& parts);           // true pairs, hardest and random negatives
void add_hubness(Parts& parts);          // items that crowd the lists
void add_breakdowns(Parts& parts);       // caption length, unknown words, identity size
void add_map(Parts& parts);              // t-SNE of both views, true pairs joined
void add_spectrum(Parts& parts);         // singular values, modality gap
void add_positions(Parts& parts);        // opposites: accuracy by relation, examples
void add_explanations(Parts& parts);     // what speaks for a pair, in picture and words
void add_comparison(Parts& parts);       // paired bootstrap, queries won and lost, configuration
void add_sweeps(Parts& parts);           // tables, settings beside one another, jobs
void add_reproduce(Parts& parts);        // command, configuration, environment, rows for papers

/// "image to text", "text to image", or "changed image to image" for composed queries.
std::string direction_words(const ProtocolResult& result, const std::string& direction);

/// without_folders, unless --include-host.
std::string shown(const Parts& parts, std::string_view text);

/// "Flickr8k" heads of one run's part where there are several runs.
Html by_run(const Parts& parts, const std::string& id, const std::vector<Panel>& panels);

/// "CMPM", or "margin=0.2 dim=256": a setting of a sweep in short.
std::string setting_name(const SweepResults& results, size_t setting);

/// Text of at most `limit` bytes, cut between characters, with the full length said.
std::string cut_text(std::string_view text, size_t limit);
/// A caption in its box: direction isolated, long ones scroll.
Html caption_box(std::string_view text);

/// HTML of a plain table, bold cells marked.
Html html_table(const Table& table, const std::string& id, bool filterable = false);

/// "27.8", "n/a (gallery=37)"; and with the interval on a line of its own.
std::string metric_text(const std::string& name, const Metric& metric);
TableCell metric_cell(const std::string& name, const Metric& metric);

}  // namespace diptych::report
