#include <torch/torch.h>

#include <algorithm>
#include <unordered_map>

#include "diptych/core/io/fs.h"
#include "diptych/core/io/hash.h"
#include "diptych/core/tensor/npz.h"
#include "diptych/core/tensor/safetensors.h"
#include "diptych/core/text.h"
#include "diptych/eval/evaluation_record.h"
#include "diptych/eval/result_json.h"
#include "eval/evaluation_files.h"

namespace diptych {
namespace {

constexpr const char* kRemedy = "write it anew: diptych evaluate RUN";

/// A text file of one JSON object a line, with the line in hand.
class JsonLines {
 public:
  explicit JsonLines(std::filesystem::path path)
      : path_(std::move(path)), text_(read_file(path_, evaluation_files::kMaxBytes, ErrorClass::ckp)) {}
  const std::string& text() const { return text_; }
  bool at_end() const { return begin_ == text_.size(); }
  /// The next line. throws if there is none, or if it has no end (a cut file).
  Json next() {
    if (at_end()) fail("ends too early");
    ++line_;
    const size_t end = text_.find('\n', begin_);
    if (end == std::string::npos) fail("the line is cut");
    const std::string_view line = std::string_view(text_).substr(begin_, end - begin_);
    begin_ = end + 1;
    return parse_json(line, place(), ErrorClass::ckp);
  }
  std::string place() const { return concat(escape_for_log(path_.string(), 300), ":", line_); }
  [[noreturn]] void fail(const std::string& message) const { throw CheckpointError(place(), message, kRemedy); }
  template <class T>
  T field(const Json& line, const char* key) const {
    return json_field<T>(line, key, place(), ErrorClass::ckp);
  }

 private:
  std::filesystem::path path_;
  std::string text_;
  size_t begin_ = 0;
  int64_t line_ = 0;
};

int64_t count_field(const JsonLines& lines, const Json& head, const char* key) {
  const auto count = lines.field<int64_t>(head, key);
  // A line takes more than a byte, so this also bounds what is allocated.
  if (count < 0 || count > static_cast<int64_t>(lines.text().size()))
    lines.fail(concat("'", key, "' is ", count, " in a file of ", lines.text().size(), " bytes"));
  return count;
}

EvaluatedImage image_of_line(const JsonLines& lines, const Json& line) {
  EvaluatedImage image{lines.field<std::string>(line, "image"),
                       lines.field<std::string>(line, "path"),
                       {},
                       lines.field<int64_t>(line, "label"),
                       lines.field<int32_t>(line, "fold")};
  if (line.contains("identity")) image.identity = lines.field<std::string>(line, "identity");
  return image;
}

EvaluatedCaption caption_of_line(const JsonLines& lines, const Json& line, int64_t images, bool composed) {
  EvaluatedCaption caption{lines.field<std::string>(line, "caption"), lines.field<std::string>(line, "text"),
                           lines.field<int64_t>(line, "of"),          lines.field<int64_t>(line, "tokens"),
                           lines.field<int64_t>(line, "unknown"),     lines.field<bool>(line, "cut"),
                           lines.field<int32_t>(line, "fold")};
  if (line.contains("target") != composed)
    lines.fail(composed ? "a composed query has no 'target'" : "has a 'target', but metrics.json is of captions");
  if (composed && (caption.target = lines.field<int64_t>(line, "target")) < 0)
    lines.fail(concat("'target' is ", caption.target, "; labels are not negative"));
  if (caption.image < 0 || caption.image >= images)
    lines.fail(concat("'of' is ", caption.image, ", but there are ", images, " images"));
  if (caption.unknown < 0 || caption.tokens < 0) lines.fail("a count of words is negative");
  return caption;
}

/// Returns the hash of the file.
std::string read_items(const std::filesystem::path& file, EvaluationRecord& record) {
  JsonLines lines(file);
  const Json head = lines.next();
  if (const auto version = lines.field<int64_t>(head, "v"); version != evaluation_files::kVersion)
    lines.fail(concat("has format version ", version, "; this program reads ", evaluation_files::kVersion));
  const int64_t images = count_field(lines, head, "images"), captions = count_field(lines, head, "captions");
  record.corpus = lines.field<std::string>(head, "corpus");
  record.image_root = lines.field<std::string>(head, "image_root");
  record.scorer = lines.field<std::string>(head, "scorer");
  if (const auto split = lines.field<std::string>(head, "split"); split != record.result.split)
    lines.fail(
        concat("is of the ", escape_for_log(split), " split, metrics.json of ", escape_for_log(record.result.split)));
  for (int64_t i = 0; i < images; ++i) record.images.push_back(image_of_line(lines, lines.next()));
  for (int64_t i = 0; i < captions; ++i)
    record.captions.push_back(caption_of_line(lines, lines.next(), images, record.result.composed));
  if (!lines.at_end()) lines.fail("more lines follow than the first line says");
  return xxh128(lines.text());
}

void read_embeddings(const std::filesystem::path& path, const std::string& items_hash, EvaluationRecord& record) {
  TensorFile file = read_safetensors(path, ErrorClass::ckp);
  const std::string where = escape_for_log(path.string(), 300);
  const auto take = [&](const std::string& name, size_t rows) {
    const auto found = file.tensors.find(name);
    if (found == file.tensors.end()) throw CheckpointError(where, concat("has no tensor '", name, "'"), kRemedy);
    const at::Tensor& tensor = found->second;
    if (tensor.dim() != 2 || tensor.size(0) != static_cast<int64_t>(rows) || tensor.scalar_type() != at::kFloat)
      throw CheckpointError(where,
                            concat("tensor '", name, "' is ", tensor.sizes(), " ", tensor.scalar_type(),
                                   ", needed is [", rows, ", D] Float"),
                            kRemedy);
    if (!tensor.isfinite().all().item<bool>())
      throw CheckpointError(where, concat("tensor '", name, "' holds values that are not finite"), kRemedy);
    return tensor;
  };
  const bool places = file.tensors.contains("x_points"), by_vectors = file.tensors.contains("x") || !places;
  if (by_vectors) record.x = take("x", record.images.size()), record.y = take("y", record.captions.size());
  record.x_points = places ? take("x_points", record.images.size()) : record.x;
  record.y_points = places ? take("y_points", record.captions.size()) : record.y;
  if ((by_vectors && record.x.size(1) != record.y.size(1)) || record.x_points.size(1) != record.y_points.size(1))
    throw CheckpointError(where, "images and captions have embeddings of different sizes", kRemedy);
  if (file.metadata["items"] != items_hash)
    throw CheckpointError(where, "belongs to another items.jsonl than the one beside it", kRemedy);
}

void require_consistent(const DirectionRanks& ranks, const std::string& where) {
  const size_t queries = ranks.query_id.size();
  const auto fail = [&](const std::string& message) {
    throw CheckpointError(where, concat(ranks.name, ": ", message), kRemedy);
  };
  if (ranks.first.size() != queries || ranks.first_stable.size() != queries || ranks.first_tied.size() != queries ||
      ranks.offsets.size() != queries + 1)
    fail(concat("the arrays do not fit ", queries, " queries"));
  if (ranks.offsets.front() != 0 || ranks.offsets.back() != static_cast<int64_t>(ranks.positives.size()))
    fail("the offsets do not fit the ranks");
  for (size_t q = 0; q < queries; ++q) {
    const int32_t begin = ranks.offsets[q], end = ranks.offsets[q + 1];
    if (begin >= end || end > ranks.offsets.back()) fail("a query has no rank");
    int32_t last = 0;
    for (int32_t i = begin; i < end; ++i) {
      if (ranks.positives[static_cast<size_t>(i)] <= last) fail("ranks are not ascending from 1");
      last = ranks.positives[static_cast<size_t>(i)];
    }
    if (ranks.first[q] != ranks.positives[static_cast<size_t>(begin)] || ranks.first_stable[q] < 1 ||
        ranks.first_tied[q] < 0)
      fail(concat("the first rank of query ", q, " is none of its ranks"));
  }
}

/// Rows by id. The place of the first line that repeats an id goes into the complaint.
using Rows = std::unordered_map<std::string, int64_t>;
template <class Item>
Rows rows_by_id(const std::vector<Item>& items, const std::string& where) {
  Rows rows;
  for (const Item& item : items)
    if (!rows.emplace(item.id, static_cast<int64_t>(rows.size())).second)
      throw CheckpointError(where, concat("the id ", escape_for_log(item.id), " is there twice"), kRemedy);
  return rows;
}

/// Lines of per_query.jsonl, matched with the ranks.
class QueryReader {
 public:
  QueryReader(const std::filesystem::path& directory, EvaluationRecord& record)
      : lines_(directory / evaluation_files::kQueries),
        record_(record),
        images_(rows_by_id(record.images, escape_for_log((directory / evaluation_files::kItems).string(), 300))),
        captions_(rows_by_id(record.captions, escape_for_log((directory / evaluation_files::kItems).string(), 300))) {}

  void read() {
    for (DirectionRanks& ranks : record_.result.ranks) {
      auto& lists = record_.top.emplace_back();
      const bool from_images = ranks.name == "i2t";
      const Rows &queries = from_images ? images_ : captions_, &gallery = from_images ? captions_ : images_;
      for (size_t q = 0; q < ranks.query_id.size(); ++q) {
        const Json line = lines_.next();
        if (lines_.field<std::string>(line, "direction") != ranks.name ||
            lines_.field<std::string>(line, "query") != ranks.query_id[q])
          lines_.fail(concat("is not query ", escape_for_log(ranks.query_id[q]), " of ", ranks.name,
                             ", which ranks.npz has in this place"));
        ranks.query.push_back(row(queries, ranks.query_id[q]));
        read_top(line, gallery, lists.emplace_back());
        read_relevant(line, gallery, q, ranks);
      }
    }
    if (!lines_.at_end()) lines_.fail("more lines follow than ranks.npz has queries");
  }

 private:
  int64_t row(const Rows& rows, const std::string& id) const {
    const auto found = rows.find(id);
    if (found == rows.end()) lines_.fail(concat("names ", escape_for_log(id), ", which items.jsonl lacks"));
    return found->second;
  }
  float score(const Json& value) const {
    if (!value.is_number()) lines_.fail(concat(escape_for_log(dump_line(value)), " is no score"));
    return value.get<float>();
  }
  const Json& list(const Json& line, const char* key) const {
    const auto found = line.find(key);
    if (found == line.end() || !found->is_array()) lines_.fail(concat("'", key, "' is missing or no list"));
    return *found;
  }
  void read_top(const Json& line, const Rows& gallery, std::vector<Scored>& out) const {
    for (const Json& item : list(line, "top")) {
      if (!item.is_array() || item.size() != 2 || !item[0].is_string()) lines_.fail("'top' is no list of [id, score]");
      out.push_back({row(gallery, item[0].get<std::string>()), score(item[1])});
      if (out.size() > 1 && out.back().score > out[out.size() - 2].score) lines_.fail("'top' is not in order");
    }
  }
  void read_relevant(const Json& line, const Rows& gallery, size_t q, DirectionRanks& ranks) const {
    const Json& items = list(line, "relevant");
    const auto begin = static_cast<size_t>(ranks.offsets[q]), end = static_cast<size_t>(ranks.offsets[q + 1]);
    if (items.size() != end - begin)
      lines_.fail(concat("has ", items.size(), " relevant items, ranks.npz has ", end - begin));
    for (size_t i = begin; i < end; ++i) {
      const Json& item = items[i - begin];
      if (!item.is_array() || item.size() != 3 || !item[0].is_string() || item[1] != ranks.positives[i])
        lines_.fail(concat("a relevant item is not [id, rank, score] with rank ", ranks.positives[i]));
      ranks.positive_items.push_back(row(gallery, item[0].get<std::string>()));
      ranks.positive_scores.push_back(score(item[2]));
    }
  }

  JsonLines lines_;
  EvaluationRecord& record_;
  Rows images_, captions_;
};

void take_folds(EvaluationRecord& record) {
  for (const EvaluatedImage& image : record.images) record.result.x_fold.push_back(image.fold);
  for (const EvaluatedCaption& caption : record.captions) record.result.y_fold.push_back(caption.fold);
}

}  // namespace

int64_t EvaluationRecord::image_of(const std::string& direction, int64_t query) const {
  return direction == "i2t" ? query : captions[static_cast<size_t>(query)].image;
}

bool EvaluationRecord::relevant(int64_t image, int64_t caption) const {
  const EvaluatedCaption& item = captions[static_cast<size_t>(caption)];
  const int64_t described = item.image;
  if (item.target >= 0) return images[static_cast<size_t>(image)].label == item.target && meets(image, caption);
  if (!result.by_identity) return described == image;
  return images[static_cast<size_t>(described)].label == images[static_cast<size_t>(image)].label;
}

bool EvaluationRecord::meets(int64_t image, int64_t caption) const {
  const EvaluatedCaption& item = captions[static_cast<size_t>(caption)];
  if (item.target < 0) return true;
  const EvaluatedImage& source = images[static_cast<size_t>(item.image)];
  return image != item.image && (source.fold >= 0 || images[static_cast<size_t>(image)].label != source.label);
}

bool EvaluationRecord::relevant(size_t direction, int64_t query, int64_t item) const {
  return from_images(direction) ? relevant(query, item) : relevant(item, query);
}

int64_t EvaluationRecord::gallery(size_t direction) const {
  const auto takes_part = [](const auto& item) { return item.fold >= 0; };
  return from_images(direction) ? std::ranges::count_if(captions, takes_part)
                                : std::ranges::count_if(images, takes_part);
}

std::vector<DirectionRanks> read_ranks(const std::filesystem::path& file) {
  const NpzReader npz(file, ErrorClass::ckp);
  const std::string where = escape_for_log(file.string(), 300);
  std::vector<DirectionRanks> out;
  for (const char* name : {"i2t", "t2i"}) {
    const std::string start = concat(name, "_");
    if (!npz.has(start + "query")) continue;
    if (!npz.has(start + "tied"))
      throw CheckpointError(where, concat("was written by an older version: it has no ", start, "tied"), kRemedy);
    DirectionRanks ranks;
    ranks.name = name;
    ranks.query_id = npz.strings(start + "query");
    ranks.first = npz.int32s(start + "first"), ranks.first_stable = npz.int32s(start + "first_stable");
    ranks.first_tied = npz.int32s(start + "tied");
    ranks.positives = npz.int32s(start + "positives"), ranks.offsets = npz.int32s(start + "offsets");
    require_consistent(ranks, where);
    out.push_back(std::move(ranks));
  }
  if (out.empty()) throw CheckpointError(where, "has the ranks of no direction", kRemedy);
  return out;
}

EvaluationRecord read_evaluation_record(const std::filesystem::path& directory) {
  EvaluationRecord record;
  const auto metrics = directory / evaluation_files::kMetrics;
  record.result = result_from_json(load_json(metrics, evaluation_files::kMaxBytes, ErrorClass::ckp),
                                   escape_for_log(metrics.string(), 300), ErrorClass::ckp);
  std::error_code ignored;
  const auto items = directory / evaluation_files::kItems;
  if (!std::filesystem::exists(items, ignored))
    throw CheckpointError(escape_for_log(directory.string(), 300),
                          "has no items.jsonl: the evaluation is incomplete, or of an older version", kRemedy);
  const std::string items_hash = read_items(items, record);
  read_embeddings(directory / evaluation_files::kEmbeddings, items_hash, record);
  record.result.ranks = read_ranks(directory / evaluation_files::kRanks);
  QueryReader(directory, record).read();
  take_folds(record);
  return record;
}

}  // namespace diptych
