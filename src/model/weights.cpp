#include "diptych/model/weights.h"

#include <torch/torch.h>

#include <map>
#include <numeric>

#include "diptych/core/error.h"
#include "diptych/core/tensor/safetensors.h"
#include "diptych/core/text.h"

namespace diptych {
namespace {

constexpr double kNeededShare = 0.9;
constexpr size_t kListed = 20;

using Tensors = std::map<std::string, at::Tensor>;

Tensors tensors_of(const torch::nn::Module& module) {
  Tensors out;
  for (const auto& each : module.named_parameters()) out.emplace(each.key(), each.value());
  for (const auto& each : module.named_buffers()) out.emplace(each.key(), each.value());
  return out;
}

// Stripped name -> name in the file.
std::map<std::string, std::string> file_names(const TensorFileInfo& file, const std::string& where) {
  std::map<std::string, std::string> out;
  for (const auto& [name, info] : file.tensors)
    if (const auto [it, fresh] = out.emplace(without_wrappers(name), name); !fresh)
      throw CheckpointError(where,
                            concat("'", escape_for_log(it->second), "' and '", escape_for_log(name),
                                   "' both stand for '", escape_for_log(it->first), "'"),
                            "keep one of them");
  return out;
}

const char* dtype_text(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return "F32";
    case at::kDouble:
      return "F64";
    case at::kHalf:
      return "F16";
    case at::kBFloat16:
      return "BF16";
    case at::kLong:
      return "I64";
    case at::kInt:
      return "I32";
    case at::kBool:
      return "BOOL";
    default:
      return c10::toString(type);
  }
}

std::string shape_text(at::IntArrayRef shape, const std::string& dtype) {
  std::vector<std::string> sizes;
  for (const int64_t size : shape) sizes.push_back(std::to_string(size));
  return concat("[", join(sizes, ","), "] ", dtype);
}

// Exporters write the batch counter of BatchNorm as [] or as [1].
bool is_counter(const std::string& name) { return name.ends_with("num_batches_tracked"); }
bool fits(const std::string& name, const TensorInfo& info, const at::Tensor& tensor) {
  if (info.dtype != dtype_text(tensor.scalar_type())) return false;
  return tensor.sizes() == info.shape || (is_counter(name) && info.shape == std::vector<int64_t>{1});
}

bool is_classifier(const std::string& name) { return name.starts_with("classifier.") || name.starts_with("fc."); }

WeightReport compare(const Tensors& model, const TensorFileInfo& file,
                     const std::map<std::string, std::string>& names) {
  WeightReport report;
  for (const auto& [name, tensor] : model) {
    const auto found = names.find(name);
    if (found == names.end()) {
      if (!is_counter(name)) report.missing.push_back(name);
      continue;
    }
    const TensorInfo& info = file.tensors.at(found->second);
    if (fits(name, info, tensor))
      report.matched.push_back(name);
    else
      report.mismatched.push_back(concat(name, ": file ", shape_text(info.shape, info.dtype), ", model ",
                                         shape_text(tensor.sizes(), dtype_text(tensor.scalar_type()))));
  }
  for (const auto& [name, original] : names)
    if (!model.contains(name)) (is_classifier(name) ? report.leftover : report.unexpected).push_back(name);
  return report;
}

double share(size_t part, size_t rest) {
  return part + rest == 0 ? 1 : static_cast<double>(part) / static_cast<double>(part + rest);
}

void require_fit(const WeightReport& report, const std::string& where) {
  if (report.mismatched.empty() && report.matched_share() >= kNeededShare && report.used_share() >= kNeededShare)
    return;
  throw CheckpointError(
      where,
      concat("does not fit the encoder: ", number_text(std::floor(1000 * report.matched_share()) / 10),
             " % of the encoder's tensors and ", number_text(std::floor(1000 * report.used_share()) / 10),
             " % of the file's match, needed are 90 % and no mis-shaped one; ", report.full()),
      report.mismatched.empty() ? "choose the encoder whose weights these are, or convert the names to torchvision's"
                                : "choose the encoder, width and depth whose weights these are; the dtype must be F32");
}

void require_finite(const Tensors& tensors, const std::string& where) {
  for (const auto& [name, tensor] : tensors) {
    if (!tensor.is_floating_point()) continue;
    const int64_t bad = tensor.numel() - at::isfinite(tensor).sum().item<int64_t>();
    if (bad > 0)
      throw NumericError(where, concat("'", escape_for_log(name), "' holds ", bad, " values that are NaN or infinite"),
                         "get the file again, or weights from before the training diverged");
  }
}

}  // namespace

std::string without_wrappers(std::string name) {
  for (bool again = true; std::exchange(again, false);)
    for (const std::string prefix : {"module.", "_orig_mod.", "backbone.", "visual.trunk."})
      if (name.starts_with(prefix)) {
        name.erase(0, prefix.size());
        again = true;
      }
  return name;
}

double WeightReport::matched_share() const { return share(matched.size(), missing.size() + mismatched.size()); }
double WeightReport::used_share() const { return share(matched.size(), unexpected.size() + mismatched.size()); }

std::string WeightReport::brief() const {
  std::string text = concat(matched.size(), " matched, ", missing.size(), " missing, ", unexpected.size(),
                            " unexpected, ", mismatched.size(), " mis-shaped");
  if (!leftover.empty()) text += concat(" (", leftover.size(), " classifier tensors left over)");
  return text;
}

std::string WeightReport::full() const {
  std::string text = brief();
  const auto list = [&](const char* title, const std::vector<std::string>& names) {
    for (size_t i = 0; i < std::min(names.size(), kListed); ++i)
      text += concat("\n  ", title, "  ", escape_for_log(names[i], 200));
    if (names.size() > kListed) text += concat("\n  ", title, "  ... and ", names.size() - kListed, " more");
  };
  list("mis-shaped", mismatched);
  list("missing   ", missing);
  list("unexpected", unexpected);
  list("left over ", leftover);
  return text;
}

WeightReport match_weights(const torch::nn::Module& module, const std::filesystem::path& file) {
  const TensorFileInfo info = read_safetensors_header(file);
  return compare(tensors_of(module), info, file_names(info, file.string()));
}

WeightReport load_weights(torch::nn::Module& module, const std::filesystem::path& file) {
  const std::string where = file.string();
  const TensorFile content = read_safetensors(file);
  TensorFileInfo info;  // of what was read, not of what the path names by now
  for (const auto& [name, tensor] : content.tensors)
    info.tensors[name] = {dtype_text(tensor.scalar_type()), tensor.sizes().vec()};
  const auto names = file_names(info, where);
  const Tensors model = tensors_of(module);
  const WeightReport report = compare(model, info, names);
  require_fit(report, where);
  Tensors chosen;
  for (const auto& name : report.matched) chosen[name] = content.tensors.at(names.at(name));
  require_finite(chosen, where);
  const at::NoGradGuard no_grad;
  for (const auto& [name, tensor] : chosen) model.at(name).copy_(tensor.view(model.at(name).sizes()));
  return report;
}

}  // namespace diptych
