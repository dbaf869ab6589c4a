#include "diptych/data/import.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "data/id_order.h"
#include "diptych/core/io/fs.h"
#include "diptych/data/published.h"
#include "diptych/data/vocabulary.h"

namespace diptych {
namespace importing {

namespace fs = std::filesystem;

void refuse_existing(const fs::path& set) {
  if (std::error_code error; fs::exists(fs::symlink_status(set, error)))
    throw UsageError::command_line(concat("-o ", escape_for_log(set.string(), 200), ": is there already"),
                                   "name another file, or remove this one");
}

void require_published_counts(const Corpus& corpus, const std::string& known) {
  if (known.empty()) return;
  const auto names = published_sets();
  if (std::ranges::find(names, known) == names.end())
    throw UsageError::command_line("--known " + escape_for_log(known) + ": no such set", did_you_mean(known, names));
  std::vector<Issue> issues;
  for (const std::string& each : published_differences(corpus, known))
    issues.push_back({ErrorClass::chk, corpus.source, each, ""});
  if (issues.empty()) return;
  issues.back().hint = "get the annotation file of the published split, or import without --known; nothing was written";
  throw CheckFailed(std::move(issues));
}

Json record_of(const Corpus& corpus, int64_t row, const std::vector<int64_t>& captions) {
  const CorpusImage& image = corpus.images[static_cast<size_t>(row)];
  Json record{{"id", image.id}, {"image", image.path}, {"split", enum_text(image.split)}, {"captions", Json::array()}};
  for (const int64_t caption : captions)
    record["captions"].push_back(corpus.captions[static_cast<size_t>(caption)].text);
  if (!corpus.has_identities) return record;
  const std::string& name = corpus.label_names[static_cast<size_t>(image.label)];
  const auto number = parse_integer(name);
  if (number && *number >= 0 && number_text(*number) == name)
    record["identity"] = *number;
  else
    record["identity"] = name;
  return record;
}

ImportedSplit count(const Corpus& corpus, const std::vector<std::vector<int64_t>>& captions, Split split) {
  ImportedSplit out{split};
  std::vector<int64_t> counts;
  std::set<int64_t> labels;
  for (const int64_t row : corpus.image_rows(split)) {
    counts.push_back(static_cast<int64_t>(captions[static_cast<size_t>(row)].size()));
    labels.insert(corpus.images[static_cast<size_t>(row)].label);
  }
  if (counts.empty()) return out;
  std::sort(counts.begin(), counts.end());
  out.images = static_cast<int64_t>(counts.size());
  out.captions = std::accumulate(counts.begin(), counts.end(), int64_t{0});
  out.identities = corpus.has_identities ? static_cast<int64_t>(labels.size()) : 0;
  out.fewest_captions = counts.front(), out.median_captions = counts[counts.size() / 2];
  out.most_captions = counts.back();
  return out;
}

/// A path for YAML, in quotes that keep every character.
std::string yaml_text(const fs::path& path) { return Json(path.string()).dump(); }

}  // namespace importing

ImportReport write_jsonl_set(const Corpus& corpus, const std::filesystem::path& set, const std::string& known) {
  importing::refuse_existing(set);
  importing::require_published_counts(corpus, known);
  const auto captions = corpus.captions_of_images();
  std::vector<int64_t> order(corpus.images.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return id_before(corpus.images[static_cast<size_t>(a)].id, corpus.images[static_cast<size_t>(b)].id);
  });
  if (const auto folder = set.parent_path(); !folder.empty()) make_directories(folder);
  write_file_atomically(set, [&](const ByteSink& sink) {
    for (const int64_t row : order) {
      const std::string line = dump_line(importing::record_of(corpus, row, captions[static_cast<size_t>(row)])) + "\n";
      sink(line.data(), line.size());
    }
  });
  ImportReport report{corpus.name, corpus.source, set, corpus.image_root, {}, corpus.notes, 0};
  for (const auto& [split, name] : enum_names(Split{}))
    if (const auto each = importing::count(corpus, captions, split); each.images > 0) report.splits.push_back(each);
  report.other_words = std::ranges::count_if(
      corpus.captions, [](const CorpusCaption& caption) { return tokenize(caption.text) != caption.tokens; });
  return report;
}

std::string to_text(const ImportReport& report) {
  std::string out;
  for (const ImportedSplit& each : report.splits) {
    out += concat(enum_text(each.split), ": ", each.images, " images, ", each.captions, " captions (",
                  each.fewest_captions, " / ", each.median_captions, " / ", each.most_captions,
                  " per image: min / median / max)");
    out += each.identities > 0 ? concat(", ", each.identities, " identities\n") : "\n";
  }
  for (const std::string& note : report.notes) out += "note: " + note + "\n";
  if (report.other_words > 0)
    out += concat("note: ", report.other_words,
                  " captions are cut into words otherwise than in the source, whose own "
                  "list of words is not stored\n");
  const auto folder = std::filesystem::absolute(report.set).parent_path();
  const auto images = std::filesystem::absolute(report.image_root).lexically_normal();
  out += concat("written: ", escape_for_log(report.set.string(), 300),
                "\nread it with\n  data:\n    corpus: {type: jsonl, root: ", importing::yaml_text(folder),
                ", annotations: ", importing::yaml_text(report.set.filename()),
                ", name: ", importing::yaml_text(report.corpus), ", images: ", importing::yaml_text(images),
                "}\ncheck it with\n  diptych data check ", escape_for_log(report.set.string(), 300),
                " images=", importing::yaml_text(images), "\n");
  return out;
}

Json to_json(const ImportReport& report) {
  Json out{{"corpus", report.corpus},    {"source", report.source},
           {"set", report.set.string()}, {"images", report.image_root.string()},
           {"notes", report.notes},      {"other_words", report.other_words}};
  out["splits"] = Json::object();
  for (const ImportedSplit& each : report.splits)
    out["splits"][enum_text(each.split)] = {
        {"images", each.images},
        {"captions", each.captions},
        {"identities", each.identities},
        {"captions_per_image",
         {{"min", each.fewest_captions}, {"median", each.median_captions}, {"max", each.most_captions}}}};
  return out;
}

}  // namespace diptych
