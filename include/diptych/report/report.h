#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "diptych/report/thumbnails.h"

namespace diptych::report {

struct ReportOptions {
  std::filesystem::path output;  // FILE.html; summary.md is written beside it
  std::filesystem::path assets;  // folder for the pictures; empty: inside the page
  bool csv = false;              // also metrics.jsonl of each run as CSV, beside the page
  bool include_host = false;     // show absolute paths and host names
  uint64_t max_bytes = 15'000'000;
  int64_t queries = 12;       // shown in each gallery group; fewer when the page would be too large
  int64_t map_points = 1000;  // points of the embedding map, half of them images
  std::string date;           // shown in the footer; the only part that is not a function of the runs
  std::string command;        // how this page was made
  PictureReader reader;
};

struct ReportOutcome {
  std::vector<std::filesystem::path> files;
  uint64_t page_bytes = 0;
  std::vector<std::pair<std::string, std::string>> unavailable;  // section, reason
};

/// One page from run directories and sweep directories, in the order given. A section that lacks its data is listed
/// under "not available" with the reason; nothing else is lost. The page, summary.md and the CSV files are written
/// atomically, pictures first, then the page.
/// throws UsageError (no input, or one that is neither run nor sweep), CheckpointError (a run or sweep whose files are
/// damaged or of another version), OutputError (not writable, disk full; an existing page stays as it was).
ReportOutcome write_report(const std::vector<std::filesystem::path>& inputs, const ReportOptions& options);

}  // namespace diptych::report
