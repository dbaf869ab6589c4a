#include <torch/torch.h>

#include <charconv>

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

void require_fit(const EvaluationRecord& record) {
  const auto require_rows = [](const at::Tensor& rows, size_t count, const char* name) {
    if (!rows.defined() || rows.dim() != 2 || rows.size(0) != static_cast<int64_t>(count) ||
        rows.scalar_type() != at::kFloat)
      throw ShapeError(concat("write_evaluation_record: ", name, " is no [", count, ", D] float32"));
  };
  const bool by_vectors = record.x.defined();
  require_rows(by_vectors ? record.x : record.x_points, record.images.size(), by_vectors ? "x" : "x_points");
  require_rows(by_vectors ? record.y : record.y_points, record.captions.size(), by_vectors ? "y" : "y_points");
  if (record.top.size() != record.result.ranks.size())
    throw ShapeError("write_evaluation_record: the directions of top and of the ranks differ");
  for (size_t d = 0; d < record.top.size(); ++d)
    if (record.top[d].size() != record.result.ranks[d].query.size())
      throw ShapeError(concat("write_evaluation_record: ", record.top[d].size(), " top lists for ",
                              record.result.ranks[d].query.size(), " queries"));
  for (const EvaluatedCaption& caption : record.captions)
    if ((caption.target >= 0) != record.result.composed)
      throw ShapeError(concat("write_evaluation_record: '", escape_for_log(caption.id), "' has ",
                              record.result.composed ? "no target label, but is a composed query"
                                                     : "a target label, but is no composed query"));
}

/// The shortest decimal that reads back as the same float, rather than the 17 digits of its double.
double shortest(float value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  return parse_number({text, end}).value_or(value);
}

std::string items_text(const EvaluationRecord& record) {
  std::string out = dump_line({{"v", evaluation_files::kVersion},
                               {"corpus", record.corpus},
                               {"split", record.result.split},
                               {"image_root", record.image_root},
                               {"scorer", record.scorer},
                               {"images", record.images.size()},
                               {"captions", record.captions.size()}}) +
                    "\n";
  for (const EvaluatedImage& image : record.images) {
    Json line{{"image", image.id}, {"path", image.path}, {"label", image.label}, {"fold", image.fold}};
    if (!image.identity.empty()) line["identity"] = image.identity;
    out += dump_line(line) + "\n";
  }
  for (const EvaluatedCaption& caption : record.captions) {
    Json line{{"caption", caption.id},      {"of", caption.image}, {"text", caption.text}, {"tokens", caption.tokens},
              {"unknown", caption.unknown}, {"cut", caption.cut},  {"fold", caption.fold}};
    if (caption.target >= 0) line["target"] = caption.target;
    out += dump_line(line) + "\n";
  }
  return out;
}

std::string ranks_bytes(const ProtocolResult& result) {
  NpzWriter npz;
  for (const DirectionRanks& ranks : result.ranks) {
    npz.add(ranks.name + "_query", ranks.query_id);
    npz.add(ranks.name + "_first", ranks.first);
    npz.add(ranks.name + "_first_stable", ranks.first_stable);
    npz.add(ranks.name + "_tied", ranks.first_tied);
    npz.add(ranks.name + "_positives", ranks.positives);
    npz.add(ranks.name + "_offsets", ranks.offsets);
  }
  return npz.finish();
}

std::string queries_text(const EvaluationRecord& record) {
  std::string out;
  for (size_t d = 0; d < record.top.size(); ++d) {
    const DirectionRanks& ranks = record.result.ranks[d];
    const auto gallery_id = [&](int64_t row) -> const std::string& {
      const auto i = static_cast<size_t>(row);
      return ranks.name == "i2t" ? record.captions[i].id : record.images[i].id;
    };
    for (size_t q = 0; q < ranks.query.size(); ++q) {
      Json line{
          {"direction", ranks.name}, {"query", ranks.query_id[q]}, {"top", Json::array()}, {"relevant", Json::array()}};
      for (const Scored& item : record.top[d][q]) line["top"].push_back({gallery_id(item.index), shortest(item.score)});
      for (auto i = static_cast<size_t>(ranks.offsets[q]); i < static_cast<size_t>(ranks.offsets[q + 1]); ++i)
        line["relevant"].push_back(
            {gallery_id(ranks.positive_items[i]), ranks.positives[i], shortest(ranks.positive_scores[i])});
      out += dump_line(line) + "\n";
    }
  }
  return out;
}

TensorFile embeddings_file(const EvaluationRecord& record, const std::string& items) {
  TensorFile file{{}, {{"items", xxh128(items)}, {"scorer", record.scorer}}};
  const bool by_vectors = record.x.defined();
  if (by_vectors) file.tensors["x"] = record.x, file.tensors["y"] = record.y;
  if (!by_vectors || (record.x_points.defined() && record.x_points.size(1) != record.x.size(1)))
    file.tensors["x_points"] = record.x_points, file.tensors["y_points"] = record.y_points;
  return file;
}

}  // namespace

void write_evaluation_record(const std::filesystem::path& directory, const EvaluationRecord& record) {
  require_fit(record);
  make_directories(directory);
  const std::string items = items_text(record);
  write_file_atomically(directory / evaluation_files::kItems, items);
  write_safetensors(embeddings_file(record, items), directory / evaluation_files::kEmbeddings);
  write_file_atomically(directory / evaluation_files::kRanks, ranks_bytes(record.result));
  write_file_atomically(directory / evaluation_files::kQueries, queries_text(record));
  write_file_atomically(directory / evaluation_files::kMetrics, to_json(record.result).dump(1) + "\n");
}

}  // namespace diptych
