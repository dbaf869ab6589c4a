#include "diptych/model/joint_model.h"

#include <torch/torch.h>

#include "diptych/core/text.h"

namespace diptych {

JointModel::JointModel(std::shared_ptr<ImageEncoder> image, std::shared_ptr<TextEncoder> text,
                       std::shared_ptr<Head> image_head, std::shared_ptr<Head> text_head,
                       std::shared_ptr<Scorer> scorer, std::shared_ptr<Composer> composer)
    : image_(register_module("image", std::move(image))),
      text_(register_module("text", std::move(text))),
      image_head_(register_module("image_head", std::move(image_head))),
      text_head_(register_module("text_head", std::move(text_head))),
      scorer_(register_module("scorer", std::move(scorer))),
      composer_(composer ? register_module("composer", std::move(composer)) : nullptr),
      pair_scorer_(dynamic_cast<PairScorer*>(scorer_.get())) {
  image_->want_local(compares_places()), text_->want_local(compares_places());
  if (image_head_->dimension() != text_head_->dimension())
    throw UsageError("",
                     concat("model.image_head.dim = ", image_head_->dimension(), " and model.text_head.dim = ",
                            text_head_->dimension(), " differ: both views need one joint space"),
                     "give both heads the same dim; a head of type identity has its encoder's width");
  if (composer_ && pair_scorer_)
    throw UsageError(
        "",
        concat("model.scorer: ", scorer_->describe(), " compares words and places, and a composed query has neither"),
        "model.scorer: cosine or norm_scale");
  if (const int64_t made = query_dimension(), read = scorer_->query_dimension(dimension()); made != read)
    throw UsageError(
        "",
        concat("model.scorer: ", scorer_->describe(), " reads queries of ", read, " numbers, but ",
               composer_ ? "model.composer makes them of " : "without model.composer there are texts of ", made),
        "model.composer: {type: artemis} and model.scorer: {type: artemis} go together, and with nothing "
        "else");
}

at::Tensor JointModel::image_features(const at::Tensor& image) {
  const Encoded encoded = image_->forward(image);
  if (!compares_places()) return encoded.global;
  return encoded.lines == 0 ? encoded.local : encoded.local.unflatten(1, {encoded.lines, -1}).flatten(2);
}
at::Tensor JointModel::features_of_map(const at::Tensor& map) {
  return compares_places() ? map.permute({0, 2, 3, 1}).flatten(2) : image_->pool(map);
}
at::Tensor JointModel::image_embedding(const at::Tensor& features) {
  return image_head_->forward(features.dim() == 3 ? image_->pool_lines(features) : features);
}
at::Tensor JointModel::text_embedding(const at::Tensor& tokens, const at::Tensor& length) {
  return text_head_->forward(text_->forward(tokens, length).global);
}

Encoded JointModel::image_view(const at::Tensor& features) {
  Encoded out{image_embedding(features), {}, {}};
  if (!compares_places()) return out;
  out.local = features.flatten(1).unflatten(1, {-1, image_->local_features()});
  out.mask = at::ones({out.local.size(0), out.local.size(1)}, features.options().dtype(at::kBool));
  return out;
}
Encoded JointModel::text_view(const at::Tensor& tokens, const at::Tensor& length) {
  const Encoded encoded = text_->forward(tokens, length);
  return {text_head_->forward(encoded.global), encoded.local, encoded.mask};
}
Encoded JointModel::words_view(const at::Tensor& words, const at::Tensor& length) {
  const Encoded encoded = text_->encode_words(words, length);
  return {text_head_->forward(encoded.global), encoded.local, encoded.mask};
}
at::Tensor JointModel::scores(const Encoded& x, const Encoded& y) {
  return pair_scorer_ ? pair_scorer_->pairs(x, y).scores : scorer_->forward(x.global, y.global);
}

bool JointModel::composes_pictures() const {
  return composer_ && (composer_->needs().map || composer_->needs().modulated_map);
}
ComposerSources JointModel::sources(const at::Tensor& image) {
  ComposerSources out;
  if (image.dim() < 4) {
    if (composes_pictures()) throw ShapeError("this composer reads the image encoder's map, features are not enough");
    out.features = image;
    return out;
  }
  out.image = image;
  if (!composer_->needs().map) {
    out.features = image_features(image);
    return out;
  }
  out.map = image_->feature_map(image);
  out.features = features_of_map(out.map);
  return out;
}
ComposerInput JointModel::composer_input(const ComposerSources& sources, const at::Tensor& index,
                                         const at::Tensor& tokens, const at::Tensor& length) {
  const ComposerNeeds needs = composer_->needs();
  const auto chosen = [&](const at::Tensor& of_sources) { return of_sources.index_select(0, index).to(at::kFloat); };
  ComposerInput input;
  input.image = chosen(sources.embedding);
  input.text = text_embedding(tokens, length).to(at::kFloat);
  input.length = length;
  if (needs.features) input.features = chosen(sources.features);
  if (needs.map) input.map = chosen(sources.map);
  if (needs.words) {
    const at::Tensor words = text_->embed_words(tokens);
    input.words = words.masked_fill((tokens == 0).unsqueeze(2), 0).to(at::kFloat);
  }
  if (needs.modulated_map)
    input.modulated_map = [this, image = sources.image, index](const std::vector<BlockModulation>& blocks) {
      const at::Tensor images = image.index_select(0, index);
      return image_->modulated_map(images.contiguous(at::MemoryFormat::ChannelsLast), blocks);
    };
  return input;
}
at::Tensor JointModel::compose(const ComposerInput& input) {
  const Composed composed = composer_->forward(input);
  return composed.map.defined() ? image_embedding(features_of_map(composed.map)) : composed.embedding;
}

int64_t JointModel::dimension() const { return image_head_->dimension(); }
int64_t JointModel::query_dimension() const {
  return composer_ ? composer_->query_dimension(dimension()) : dimension();
}

bool name_matches(const std::string& pattern, const std::string& name) {
  if (pattern.find('*') == std::string::npos) return name == pattern || name.starts_with(pattern + ".");
  return glob_match(pattern, name) || glob_match(pattern + ".*", name);
}

namespace {

std::string joined(const std::string& prefix, const std::string& name) {
  return prefix.empty() || name.empty() ? prefix + name : prefix + "." + name;
}

bool matches_any(const std::vector<std::string>& patterns, const std::string& name) {
  return std::any_of(patterns.begin(), patterns.end(), [&](const auto& each) { return name_matches(each, name); });
}

// A pattern names parameters, buffers or components; a component may have no parameters (features of a file).
void require_matches(const torch::nn::Module& root, const std::string& prefix,
                     const std::vector<std::string>& patterns) {
  std::vector<std::string> names, known{prefix};
  for (const auto& each : root.named_parameters()) names.push_back(joined(prefix, each.key()));
  for (const auto& each : root.named_buffers()) names.push_back(joined(prefix, each.key()));
  for (const auto& each : root.named_modules("", /*include_self=*/false)) known.push_back(joined(prefix, each.key()));
  names.insert(names.end(), known.begin(), known.end());
  std::vector<Issue> issues;
  for (const auto& pattern : patterns)
    if (std::none_of(names.begin(), names.end(), [&](const auto& name) { return name_matches(pattern, name); }))
      issues.push_back({ErrorClass::cfg, "", concat("freeze: '", escape_for_log(pattern), "' matches no parameter"),
                        did_you_mean(pattern, known)});
  if (!issues.empty()) throw UsageError(issues);
}

// Whether eval mode belongs to the freezing: all parameters match, or, without parameters, all buffers.
bool is_frozen(const torch::nn::Module& module, const std::string& name, const std::vector<std::string>& patterns) {
  const auto parameters = module.named_parameters();
  const auto all = [&](const auto& tensors) {
    return std::all_of(tensors.begin(), tensors.end(),
                       [&](const auto& each) { return matches_any(patterns, joined(name, each.key())); });
  };
  if (!parameters.is_empty()) return all(parameters);
  const auto buffers = module.named_buffers();
  return !buffers.is_empty() && all(buffers);
}

// A BatchNorm itself, not a container of some.
bool has_statistics(const torch::nn::Module& module) {
  return module.named_buffers(/*recurse=*/false).contains("running_mean");
}

}  // namespace

Freezer::Freezer(torch::nn::Module& root, const std::string& prefix, const std::vector<std::string>& patterns,
                 const std::vector<std::string>& statistics)
    : root_(root) {
  require_matches(root, prefix, patterns);
  require_matches(root, prefix, statistics);
  for (auto& each : root.named_parameters())
    each.value().requires_grad_(!matches_any(patterns, joined(prefix, each.key())));
  if (is_frozen(root, prefix, patterns)) frozen_.push_back(&root);
  for (const auto& each : root.named_modules("", /*include_self=*/false))
    if (is_frozen(*each.value(), joined(prefix, each.key()), patterns) ||
        (has_statistics(*each.value()) && matches_any(statistics, joined(prefix, each.key()))))
      frozen_.push_back(each.value().get());
}

void Freezer::apply_modes() {
  root_.train();
  for (auto* module : frozen_) module->eval();
}

void to_channels_last(torch::nn::Module& module) {
  const at::NoGradGuard no_grad;
  for (auto& parameter : module.parameters())
    if (parameter.dim() == 4) parameter.set_data(parameter.contiguous(at::MemoryFormat::ChannelsLast));
}

}  // namespace diptych
