#include "diptych/model/import_weights.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "diptych/core/error.h"
#include "diptych/core/io/fs.h"
#include "diptych/core/tensor/torch_archive.h"
#include "diptych/core/text.h"
#include "diptych/model/weights.h"

namespace diptych {
namespace weight_import {

/// The name with the first prefix of each pair that it has replaced.
std::string renamed(std::string name, const ImportWeightsOptions& options, std::vector<int64_t>& used) {
  if (!options.keep_names) name = without_wrappers(std::move(name));
  for (size_t i = 0; i < options.prefixes.size(); ++i) {
    const auto& [from, to] = options.prefixes[i];
    if (!name.starts_with(from)) continue;
    name = to + name.substr(from.size());
    ++used[i];
  }
  return name;
}

bool is_other_float(at::ScalarType type) { return type == at::kHalf || type == at::kBFloat16 || type == at::kDouble; }

constexpr size_t kShownNames = 10;
std::string first_of(const std::vector<std::string>& names) {
  const size_t shown = std::min(kShownNames, names.size());
  const std::string text = join({names.begin(), names.begin() + static_cast<int64_t>(shown)}, ", ");
  return shown < names.size() ? concat(text, ", ... (", names.size(), " in all)") : text;
}

}  // namespace weight_import

ImportedWeights import_weights(const std::filesystem::path& source, const std::filesystem::path& file,
                               const ImportWeightsOptions& options) {
  if (std::error_code error; std::filesystem::exists(std::filesystem::symlink_status(file, error)))
    throw UsageError::command_line(concat("-o ", escape_for_log(file.string(), 200), ": is there already"),
                                   "name another file, or remove this one");
  TorchArchive archive = read_torch_archive(source, {options.key});
  ImportedWeights out{source.string(), file.string(), archive.key, 0, 0, 0, 0, archive.dropped, archive.ties, {}};
  TensorFile result;
  std::vector<int64_t> used(options.prefixes.size());
  std::map<std::string, std::string> original;
  for (auto& [name, tensor] : archive.content.tensors) {
    const std::string now = weight_import::renamed(name, options, used);
    if (const auto [first, is_new] = original.emplace(now, name); !is_new)
      throw CheckpointError(source.string(),
                            concat("'", escape_for_log(first->second), "' and '", escape_for_log(name),
                                   "' would both be called '", escape_for_log(now), "'"),
                            "--keep-names leaves the names as they are; --prefix FROM=TO tells them apart");
    if (tensor.is_floating_point() && !tensor.isfinite().all().item<bool>())
      out.not_finite.push_back(escape_for_log(now));
    const bool convert = options.float32 && weight_import::is_other_float(tensor.scalar_type());
    result.tensors[now] = convert ? tensor.to(at::kFloat) : tensor;
    ++out.tensors, out.numbers += tensor.numel(), out.renamed += now != name, out.converted += convert;
    tensor = at::Tensor();  // give the memory back
  }
  for (size_t i = 0; i < used.size(); ++i)
    if (used[i] == 0)
      throw UsageError::command_line(
          concat("--prefix ", escape_for_log(options.prefixes[i].first), "=...: no name begins so"),
          concat("the first name is ", escape_for_log(original.begin()->first)));
  result.metadata = {{"format", "pt"}, {"imported_from", source.filename().string()}};
  if (const auto folder = file.parent_path(); !folder.empty()) make_directories(folder);
  write_safetensors(result, file);
  return out;
}

std::string to_text(const ImportedWeights& imported) {
  std::string out =
      concat(escape_for_log(imported.file, 300), ": ", imported.tensors, " tensors, ", imported.numbers, " numbers");
  if (!imported.key.empty()) out += concat(", from the entry ", escape_for_log(imported.key));
  out += "\n";
  if (imported.renamed > 0) out += concat("renamed: ", imported.renamed, " tensors\n");
  if (imported.converted > 0) out += concat("converted to F32: ", imported.converted, " tensors\n");
  if (!imported.ties.empty())
    out += concat("stored once more each, one tensor in the source: ", weight_import::first_of(imported.ties), "\n");
  if (!imported.dropped.empty()) out += concat("left out: ", weight_import::first_of(imported.dropped), "\n");
  if (!imported.not_finite.empty())
    out += concat("warning: NaN or infinite values in ", weight_import::first_of(imported.not_finite), "\n");
  return out + concat("compare it with an encoder: diptych describe ", escape_for_log(imported.file, 300),
                      " --match CONFIG\n");
}

Json to_json(const ImportedWeights& imported) {
  return {{"source", imported.source},        {"file", imported.file},       {"key", imported.key},
          {"tensors", imported.tensors},      {"numbers", imported.numbers}, {"renamed", imported.renamed},
          {"converted", imported.converted},  {"dropped", imported.dropped}, {"ties", imported.ties},
          {"not_finite", imported.not_finite}};
}

}  // namespace diptych
