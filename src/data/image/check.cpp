#include "diptych/data/image/check.h"

#include <fstream>
#include <map>
#include <set>
#include <unordered_map>

#include "data/image/format.h"
#include "data/image/jpeg.h"
#include "data/image/sampled.h"
#include "diptych/core/io/fs.h"
#include "diptych/core/io/hash.h"
#include "diptych/data/image/pipeline.h"

namespace diptych {
namespace fs = std::filesystem;
namespace checking {

constexpr uint64_t kMaxImageBytes = 1 << 30;
constexpr size_t kMagicBytes = 64;

// The finding kinds in the order of the report.
struct Kind {
  const char* name;
  bool is_error;
  const char* meaning;
  const char* remedy;
};
constexpr Kind kKinds[] = {
    {"outside_root", true, "paths that leave the image folder",
     "images=FOLDER (data.corpus.images with --config), which holds all images; links may not lead out of it"},
    {"missing_image", true, "images without a file",
     "put the files back, or name their folder: images=FOLDER (data.corpus.images with --config)"},
    {"unreadable_image", true, "images that cannot be decoded",
     "fetch them again, or train without them: data.loader.on_bad_sample=skip data.loader.max_bad_fraction=0.01"},
    {"content_in_two_splits", false, "files of val or test whose bytes another split has too",
     "leave them out of the training split: results count them as unseen"},
    {"wrong_extension", false, "files whose content is of another format than their name says", ""},
    {"exif_orientation", false, "images with an EXIF orientation other than 1", "data.image.exif=apply turns them"},
    {"equal_content", false, "files with the same bytes under different ids",
     "keep one of each, with all its captions: they count as different images"},
    {"repeated_caption", false, "captions that an image has twice", "remove one of them from the annotation"},
    {"unused_file", false, "files of the image folder that no record names", ""},
    {"identity_gap", false, "numbers missing between the identities as annotated", ""},
    {"single_image_identity", false, "training identities with a single image",
     "a sampler that draws several images per identity cannot use them: data.sampler.type=shuffled_pairs"},
    {"note", false, "noticed while reading", ""},
};

class Findings {
 public:
  void add(const std::string& kind, std::string example) { examples_[kind].push_back(std::move(example)); }
  std::vector<Finding> sorted() {
    std::vector<Finding> out;
    for (const Kind& kind : kKinds)
      if (auto found = examples_.find(kind.name); found != examples_.end())
        out.push_back({kind.name, kind.is_error, kind.meaning, kind.remedy, std::move(found->second)});
    return out;
  }

 private:
  std::map<std::string, std::vector<std::string>> examples_;
};

std::string first_line(const Error& error) {
  const Issue& issue = error.issues().front();
  return issue.message + (issue.hint.empty() ? "" : concat("; ", issue.hint));
}

// What one look at one image gives.
struct Look {
  fs::path file;  // empty if it could not be resolved
  uint64_t bytes = 0;
  std::string kind, fault;  // a finding, if any
  std::string extension_fault;
  int orientation = 1;
};

std::string read_head(const fs::path& path) {
  std::string head(kMagicBytes, '\0');
  std::ifstream in(path, std::ios::binary);
  in.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<size_t>(in.gcount()));
  return head;
}

std::string extension_fault(const fs::path& path, image::Format format) {
  static const std::map<std::string, image::Format> kMeant = {{".jpg", image::Format::jpeg},
                                                              {".jpeg", image::Format::jpeg},
                                                              {".png", image::Format::png},
                                                              {".webp", image::Format::webp}};
  static const char* names[] = {"JPEG", "PNG", "WebP"};
  const auto found = kMeant.find(lower_ascii(path.extension().string()));
  if (found == kMeant.end() || found->second == format) return "";
  return concat("content is ", names[static_cast<size_t>(format)]);
}

void look_inside(Look& look, bool decode) {
  try {
    const image::Format format = image::recognise(read_head(look.file));
    look.extension_fault = extension_fault(look.file, format);
    if (!decode) return;
    if (format == image::Format::jpeg) {
      const std::string bytes = read_file(look.file, kMaxImageBytes);
      look.orientation = image::JpegReader(bytes).orientation();
    }
    decode_image(look.file, ImageOptions{});
  } catch (const Error& error) {
    look.kind = "unreadable_image", look.fault = first_line(error);
  } catch (const image::BadImage& error) {
    look.kind = "unreadable_image", look.fault = error.what();
  }
}

Look look_at(const Corpus& corpus, const CorpusImage& image, bool decode) {
  Look look;
  try {
    look.file = resolve_inside(corpus.image_root, image.path);
    look.bytes = fs::file_size(look.file);
  } catch (const Error& failure) {
    look.kind = failure.issues().front().error_class == ErrorClass::sec ? "outside_root" : "missing_image";
    look.fault = first_line(failure);
    return look;
  } catch (const fs::filesystem_error& failure) {
    look.kind = "missing_image", look.fault = failure.code().message();  // removed between the two calls
    return look;
  }
  look_inside(look, decode);
  return look;
}

std::string example(const Corpus& corpus, int64_t row, const std::string& fault) {
  const CorpusImage& image = corpus.images[row];
  const std::string path = image.path == image.id ? "" : ": " + escape_for_log(image.path, 200);
  return concat(place_of(corpus, image), path, fault.empty() ? "" : ": ", fault);
}

void report_looks(const Corpus& corpus, const std::vector<Look>& looks, Findings& findings) {
  for (size_t row = 0; row < looks.size(); ++row) {
    const Look& look = looks[row];
    const auto add = [&](const std::string& kind, const std::string& fault) {
      findings.add(kind, example(corpus, static_cast<int64_t>(row), fault));
    };
    if (!look.kind.empty()) add(look.kind, look.fault);
    if (!look.extension_fault.empty()) add("wrong_extension", look.extension_fault);
    if (look.orientation != 1) add("exif_orientation", concat("orientation ", look.orientation));
  }
}

// Only files of equal size can be equal: only they are read.
void find_equal_content(const Corpus& corpus, const std::vector<Look>& looks, Findings& findings) {
  std::unordered_map<uint64_t, std::vector<int64_t>> rows_of_size;
  for (size_t row = 0; row < looks.size(); ++row)
    if (!looks[row].file.empty()) rows_of_size[looks[row].bytes].push_back(static_cast<int64_t>(row));
  std::vector<int64_t> suspects;
  for (const auto& [size, rows] : rows_of_size)
    if (rows.size() > 1) suspects.insert(suspects.end(), rows.begin(), rows.end());
  std::sort(suspects.begin(), suspects.end());

  std::vector<std::string> hashes(suspects.size());
  visit_in_parallel(static_cast<int64_t>(suspects.size()), "comparing files of equal size", [&](int64_t i) {
    try {
      hashes[i] = xxh128(read_file(looks[suspects[i]].file, kMaxImageBytes));
    } catch (const Error&) {
      hashes[i].clear();  // unreadable: reported by the look at it
    }
  });
  std::unordered_map<std::string, int64_t> first;
  for (size_t i = 0; i < suspects.size(); ++i) {
    if (hashes[i].empty()) continue;
    const auto [known, is_new] = first.emplace(hashes[i], suspects[i]);
    if (is_new) continue;
    const CorpusImage& other = corpus.images[known->second];
    const bool leak = other.split != corpus.images[suspects[i]].split;
    findings.add(leak ? "content_in_two_splits" : "equal_content",
                 example(corpus, suspects[i],
                         concat("as ", escape_for_log(other.path, 200),
                                other.id == other.path ? "" : concat(" (id ", escape_for_log(other.id), ")"),
                                leak ? concat(", in another split: ", enum_text(other.split)) : "")));
  }
}

void find_repeated_captions(const Corpus& corpus, Findings& findings) {
  const auto captions = corpus.captions_of_images();
  for (size_t row = 0; row < captions.size(); ++row) {
    std::set<std::string> seen;
    for (const int64_t caption : captions[row])
      if (const std::string& text = corpus.captions[caption].text; !seen.insert(text).second)
        findings.add("repeated_caption",
                     example(corpus, static_cast<int64_t>(row), concat("'", escape_for_log(text), "'")));
  }
}

bool is_image_name(const fs::path& path) {
  static const std::set<std::string> kKnown = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"};
  return kKnown.count(lower_ascii(path.extension().string())) > 0;
}

void find_unused_files(const Corpus& corpus, Findings& findings) {
  std::set<fs::path> used;
  for (const CorpusImage& image : corpus.images) used.insert(fs::path(image.path).lexically_normal());
  std::vector<std::string> unused;
  std::error_code error;
  fs::recursive_directory_iterator each(corpus.image_root, fs::directory_options::skip_permission_denied, error), end;
  for (; !error && each != end; each.increment(error)) {
    if (std::error_code unreadable; !each->is_regular_file(unreadable) || !is_image_name(each->path())) continue;
    const fs::path path = each->path().lexically_relative(corpus.image_root);
    if (used.count(path) == 0) unused.push_back(escape_for_log(path.string(), 200));
  }
  std::sort(unused.begin(), unused.end());
  for (std::string& path : unused) findings.add("unused_file", std::move(path));
}

void find_identity_faults(const Corpus& corpus, Findings& findings) {
  if (!corpus.has_identities) return;
  std::vector<int64_t> numbers;
  for (const std::string& name : corpus.label_names)
    if (const auto number = parse_integer(name)) numbers.push_back(*number);
  std::sort(numbers.begin(), numbers.end());
  if (numbers.size() == corpus.label_names.size())
    for (size_t i = 1; i < numbers.size(); ++i)
      if (numbers[i] > numbers[i - 1] + 1)
        findings.add("identity_gap", concat("none between ", numbers[i - 1], " and ", numbers[i]));
  std::map<int64_t, int64_t> images;
  for (const CorpusImage& image : corpus.images)
    if (image.split == Split::train) ++images[image.label];
  for (const auto& [label, count] : images)
    if (count == 1 && label < static_cast<int64_t>(corpus.label_names.size()))
      findings.add("single_image_identity", concat("identity ", escape_for_log(corpus.label_names[label])));
}

}  // namespace checking

bool CheckReport::has_errors() const {
  return std::any_of(findings.begin(), findings.end(), [](const Finding& finding) { return finding.is_error; });
}

CheckReport check_corpus(const Corpus& corpus, const CheckOptions& options) {
  const auto images = static_cast<int64_t>(corpus.images.size());
  std::vector<bool> decode(images, false);
  const auto sample = evenly_spread(images, options.decode);
  for (const int64_t row : sample) decode[row] = true;
  std::vector<checking::Look> looks(images);
  visit_in_parallel(images, "looking at images",
                    [&](int64_t row) { looks[row] = checking::look_at(corpus, corpus.images[row], decode[row]); });

  checking::Findings findings;
  checking::report_looks(corpus, looks, findings);
  if (options.compare_content) {
    checking::find_equal_content(corpus, looks, findings);
    checking::find_unused_files(corpus, findings);
  }
  checking::find_repeated_captions(corpus, findings);
  checking::find_identity_faults(corpus, findings);
  for (const std::string& note : corpus.notes) findings.add("note", note);
  return {corpus.name, images, static_cast<int64_t>(corpus.captions.size()), static_cast<int64_t>(sample.size()),
          findings.sorted()};
}

std::string to_text(const CheckReport& report) {
  constexpr size_t kShown = 10;
  std::string out = concat(escape_for_log(report.corpus), ": ", report.images, " images, ", report.captions,
                           " captions; ", report.decoded, " images decoded\n");
  for (const Finding& finding : report.findings) {
    out += concat(finding.is_error ? "error" : "warning", "  ", finding.kind, ": ", finding.examples.size(), " ",
                  finding.meaning, "\n");
    for (size_t i = 0; i < std::min(kShown, finding.examples.size()); ++i) out += "  " + finding.examples[i] + "\n";
    if (finding.examples.size() > kShown) out += concat("  ... and ", finding.examples.size() - kShown, " more\n");
    if (!finding.remedy.empty()) out += "  mend: " + finding.remedy + "\n";
  }
  return out + (report.has_errors()       ? "the data has errors\n"
                : report.findings.empty() ? "no findings\n"
                                          : "no errors\n");
}

Json to_json(const CheckReport& report) {
  Json findings = Json::array();
  for (const Finding& finding : report.findings)
    findings.push_back({{"kind", finding.kind},
                        {"error", finding.is_error},
                        {"meaning", finding.meaning},
                        {"remedy", finding.remedy},
                        {"count", finding.examples.size()},
                        {"examples", finding.examples}});
  return {{"corpus", report.corpus},   {"images", report.images},       {"captions", report.captions},
          {"decoded", report.decoded}, {"errors", report.has_errors()}, {"findings", findings}};
}

}  // namespace diptych
