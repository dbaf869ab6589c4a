#include "diptych/model/composer.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <cmath>
#include <map>

#include "../../support/cuda.h"
#include "../../support/gradcheck.h"
#include "../../support/tensor_near.h"
#include "diptych/core/tensor/scope.h"
#include "diptych/core/text.h"
#include "formula.h"
#include "model/composer_operator.h"
#include "registry_checks.h"

namespace diptych::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr int64_t kBatch = 4, kDimension = 3, kFeatures = 5, kChannels = 4, kWordDim = 2;

const ComposerRegistry& composers() {
  static const ComposerRegistry kRegistry = [] {
    ComposerRegistry out("composer");
    register_composers(out);
    return out;
  }();
  return kRegistry;
}
ComposerContext toy_context() { return {kDimension, kFeatures, kChannels, kWordDim, {2, kChannels}}; }

/// In float64, with values that the seed does not decide, in evaluation mode.
std::shared_ptr<Composer> filled(const std::string& yaml, const ComposerContext& context = toy_context()) {
  const auto made = make_from(composers(), yaml, context);
  made->to(at::kDouble);
  formula_fill(*made);
  made->eval();
  return made;
}

/// Every entry but none, with sizes that tests can afford.
std::map<std::string, std::string> every_composer() {
  std::map<std::string, std::string> out{{"artemis linear", "{type: artemis, unit_text: false}"},
                                         {"attr_operator full", "{type: attr_operator, rank: null}"},
                                         {"tirg_fc paper", "{type: tirg_fc, variant: paper}"},
                                         {"tirg_conv paper", "{type: tirg_conv, variant: paper}"},
                                         {"mrn fc_tanh", "{type: mrn, order: fc_tanh, blocks: 2, dropout: 0.3}"},
                                         {"relationship mean", "{type: relationship, hidden: 6, aggregate: mean}"}};
  const std::map<std::string, std::string> sizes{{"attr_operator", ", rank: 2"},
                                                 {"combiner", ", projection: 6, hidden: 7"},
                                                 {"compose_ae", ", channels: 4"},
                                                 {"param_hash", ", weights: 7"},
                                                 {"relationship", ", hidden: 6"}};
  for (const auto& name : composers().names())
    if (name != "none") out[name] = "{type: " + name + (sizes.contains(name) ? sizes.at(name) : "") + "}";
  return out;
}

/// A network of two blocks with 2 and kChannels channels, modulated behind both.
at::Tensor toy_modulated_map(const std::vector<BlockModulation>& by) {
  const at::Tensor maps = formula_centred({kBatch, 2, 2, 3}, 7).to(by.at(0).scale.device());
  const at::Tensor x = modulate(maps, by.at(0)).tanh();
  return modulate(at::cat({x, x.square()}, 1), by.at(1));
}
ComposerInput toy_views() {
  ComposerInput out;
  out.image = formula_centred({kBatch, kDimension}, 1);
  out.text = formula_centred({kBatch, kDimension}, 2);
  out.features = formula_centred({kBatch, kFeatures}, 3);
  out.map = formula_centred({kBatch, kChannels, 2, 3}, 4);
  out.length = torch::tensor({5, 3, 0, 1}, at::kLong);
  const at::Tensor real = at::arange(5) < out.length.unsqueeze(1);  // [B, 5]
  out.words = formula_centred({kBatch, 5, kWordDim}, 5) * real.unsqueeze(2);
  out.modulated_map = toy_modulated_map;
  return out;
}

at::Tensor result_of(Composer& composer, const ComposerInput& input) {
  const Composed out = composer.forward(input);
  return out.embedding.defined() ? out.embedding : out.map;
}
/// One number that depends on all of the result; dropout draws the same each time.
at::Tensor result_probe(Composer& composer, const ComposerInput& input) {
  at::manual_seed(9);
  const at::Tensor out = result_of(composer, input);
  return (out * formula_centred(out.sizes(), 98)).sum();
}

/// A composer's tensors by name, and what layers in evaluation make of them.
class ComposerWeights {
 public:
  explicit ComposerWeights(const Composer& composer) : tensors_(named_tensors(composer)) {}
  at::Tensor operator[](const std::string& name) const { return tensors_.at(name).detach(); }
  at::Tensor linear(const std::string& name, const at::Tensor& x) const {
    return x.matmul((*this)[name + ".weight"].t()) + (*this)[name + ".bias"];
  }
  at::Tensor normal(const std::string& name, const at::Tensor& x) const {
    const auto fitted = [&](const std::string& part) {
      const at::Tensor t = (*this)[name + part];
      return x.dim() == 4 ? t.view({1, -1, 1, 1}) : t;
    };
    return (x - fitted(".running_mean")) / (fitted(".running_var") + 1e-5).sqrt() * fitted(".weight") + fitted(".bias");
  }

 private:
  std::map<std::string, at::Tensor> tensors_;
};

void set_parameter(Composer& composer, const std::string& name, double value) {
  const at::NoGradGuard no_grad;
  auto parameters = composer.named_parameters();
  ASSERT_TRUE(parameters.contains(name)) << name;
  parameters[name].fill_(value);
}

TEST(ComposerRegistry, DocumentsEveryEntryAndOption) { expect_documented(composers()); }
TEST(ComposerRegistry, DefaultsSurviveYaml) { expect_defaults_survive_yaml(composers()); }

TEST(ComposerRegistry, HoldsTheTenOfThePaperAndLaterOnes) {
  EXPECT_THAT(composers().names(), ElementsAre("artemis", "attr_operator", "combiner", "compose_ae", "concat", "film",
                                               "image_only", "mrn", "none", "param_hash", "relationship", "rtic",
                                               "show_tell", "text_only", "tirg_conv", "tirg_fc"));
}

TEST(EveryComposer, GivesOneResultOfTheDocumentedShapeAndFiniteGradients) {
  for (const auto& [name, yaml] : every_composer()) {
    SCOPED_TRACE(name);
    const auto made = filled(yaml);
    const Composed out = made->forward(toy_views());
    ASSERT_NE(out.embedding.defined(), out.map.defined());
    if (out.embedding.defined()) {
      EXPECT_EQ(out.embedding.sizes(), (at::IntArrayRef{kBatch, made->query_dimension(kDimension)}));
      EXPECT_EQ(made->query_dimension(kDimension), name.starts_with("artemis") ? 4 * kDimension : kDimension);
    } else {
      EXPECT_EQ(out.map.sizes(), (at::IntArrayRef{kBatch, kChannels, 2, 3}));
    }
    if (made->parameters().empty()) continue;
    result_probe(*made, toy_views()).backward();
    expect_finite_gradients(*made);
  }
}

TEST(EveryComposer, NeedsWhatItSaysItNeeds) {
  for (const auto& [name, yaml] : every_composer()) {
    SCOPED_TRACE(name);
    const auto made = filled(yaml);
    const ComposerNeeds needs = made->needs();
    const ComposerInput full = toy_views();
    ComposerInput input;
    input.image = full.image, input.text = full.text;
    if (needs.features) input.features = full.features;
    if (needs.map) input.map = full.map;
    if (needs.words) input.words = full.words, input.length = full.length;
    if (needs.modulated_map) input.modulated_map = full.modulated_map;
    EXPECT_TRUE(result_of(*made, input).equal(result_of(*made, full)));
    if (!needs.features && !needs.map && !needs.words && !needs.modulated_map) continue;
    input.features = input.map = input.words = at::Tensor(), input.modulated_map = nullptr;
    EXPECT_THAT([&] { made->forward(input); }, ThrowsMessage<ShapeError>(HasSubstr("which was not given")));
  }
}

TEST(EveryComposer, RefusesViewsThatDoNotFit) {
  for (const auto& [name, yaml] : every_composer()) {
    SCOPED_TRACE(name);
    const auto made = filled(yaml);
    ComposerInput wide = toy_views(), short_one = toy_views();
    wide.image = at::zeros({kBatch, kDimension + 1}, at::kDouble);
    short_one.text = at::zeros({kBatch - 1, kDimension}, at::kDouble);
    EXPECT_THAT([&] { made->forward(wide); }, ThrowsMessage<ShapeError>(AllOf(HasSubstr("[4, 4]"), HasSubstr("3]"))));
    EXPECT_THAT([&] { made->forward(short_one); }, ThrowsMessage<ShapeError>(HasSubstr("[3, 3]")));
  }
}

TEST(EveryComposer, InputGradientsMatchDifferencesInBothModes) {
  for (const auto& [name, yaml] : every_composer())
    for (const bool training : {false, true}) {
      SCOPED_TRACE(concat(name, training ? " train" : " eval"));
      const auto made = filled(yaml);
      made->train(training);
      const auto check = [&](at::Tensor ComposerInput::*part) {
        expect_gradients(
            [&](const at::Tensor& x) {
              ComposerInput input = toy_views();
              input.*part = x;
              return result_probe(*made, input) + 0 * x.sum();  // a gradient also where the part is not read
            },
            toy_views().*part);
      };
      for (const auto part : {&ComposerInput::image, &ComposerInput::text, &ComposerInput::features,
                              &ComposerInput::map, &ComposerInput::words})
        check(part);
    }
}

// About eight elements of every parameter.
TEST(EveryComposer, ParameterGradientsMatchDifferencesInBothModes) {
  constexpr double kStep = 1e-6;
  for (const auto& [name, yaml] : every_composer())
    for (const bool training : {false, true}) {
      const auto made = filled(yaml);
      made->train(training);
      const ComposerInput input = toy_views();
      const at::Tensor loss = result_probe(*made, input);
      if (loss.requires_grad()) loss.backward();
      const at::NoGradGuard no_grad;
      for (const auto& each : made->named_parameters()) {
        SCOPED_TRACE(concat(name, training ? " train " : " eval ", each.key()));
        const at::Tensor flat = each.value().view(-1), gradient = each.value().grad();
        ASSERT_TRUE(gradient.defined());
        for (int64_t i = 0; i < flat.numel(); i += std::max<int64_t>(1, flat.numel() / 8)) {
          const double before = flat[i].item<double>();
          const auto moved = [&](double to) {
            flat[i].fill_(to);
            return result_probe(*made, input).item<double>();
          };
          const double slope = (moved(before + kStep) - moved(before - kStep)) / (2 * kStep);
          flat[i].fill_(before);
          EXPECT_NEAR(gradient.reshape(-1)[i].item<double>(), slope, 1e-6) << "element " << i;
        }
      }
    }
}

TEST(EveryComposer, ComputesInFloat32WhateverAutocastSays) {
  for (const auto& [name, yaml] : every_composer()) {
    if (name == "film") continue;  // its map is the encoder's
    SCOPED_TRACE(name);
    const auto made = filled(yaml);
    made->to(at::kFloat);
    ComposerInput input = toy_views();
    for (const auto part : {&ComposerInput::image, &ComposerInput::text, &ComposerInput::features, &ComposerInput::map,
                            &ComposerInput::words})
      input.*part = (input.*part).to(at::kBFloat16);
    const at::Tensor expected = result_of(*made, input);
    const AutocastScope half(Precision::bf16, at::kCPU);
    const at::Tensor out = result_of(*made, input);
    EXPECT_EQ(out.scalar_type(), at::kFloat);
    EXPECT_TRUE(out.equal(expected));
  }
}

TEST(EveryComposer, GivesTheSameOnTheGpu) {
  DIPTYCH_SKIP_WITHOUT_CUDA();
  for (const auto& [name, yaml] : every_composer()) {
    SCOPED_TRACE(name);
    const auto made = filled(yaml);
    expect_same_on_cuda(*made, [&](at::Device device) {
      ComposerInput input = toy_views();
      for (const auto part : {&ComposerInput::image, &ComposerInput::text, &ComposerInput::features,
                              &ComposerInput::map, &ComposerInput::words, &ComposerInput::length})
        input.*part = (input.*part).to(device);
      const at::Tensor out = result_of(*made, input);
      return (out * formula_centred(out.sizes(), 98).to(device)).sum();
    });
  }
}

TEST(NoComposer, IsNeverCalled) {
  EXPECT_THROW(make_from(composers(), "{type: none}", toy_context())->forward(toy_views()), std::logic_error);
}

TEST(OneSidedComposers, GiveOneSide) {
  const ComposerInput input = toy_views();
  EXPECT_TRUE(filled("{type: image_only}")->forward(input).embedding.equal(input.image));
  EXPECT_TRUE(filled("{type: text_only}")->forward(input).embedding.equal(input.text));
}

TEST(ComposerContexts, WithoutWhatAComposerReadsAreRefused) {
  const auto refusal = [](const std::string& yaml, const ComposerContext& context, const std::string& text) {
    SCOPED_TRACE(yaml);
    EXPECT_THAT([&] { make_from(composers(), yaml, context); }, ThrowsMessage<UsageError>(HasSubstr(text)));
  };
  ComposerContext without = toy_context();
  without.channels = 0, without.word_dim = 0, without.block_channels.clear();
  for (const std::string yaml : {"{type: relationship}", "{type: tirg_conv}", "{type: tirg_conv, variant: paper}"})
    refusal(yaml, without, "reads the image encoder's feature map");
  refusal("{type: show_tell}", without, "reads word vectors");
  refusal("{type: film}", without, "modulates the blocks of the image encoder");
  ComposerContext wide = toy_context();
  wide.dimension = 1024;
  refusal("{type: attr_operator, rank: null}", wide, "1024 dimensions");
  refusal("{type: tirg_fc, gate: false, residual: false}", toy_context(), "nothing is left");
}

TEST(ConcatComposer, EqualsItsFormula) {
  const auto made = filled("{type: concat}");
  const ComposerWeights w(*made);
  const ComposerInput input = toy_views();
  const at::Tensor both = at::cat({input.image, input.text}, 1);
  const at::Tensor hidden = w.linear("layers.2", at::relu(w.normal("layers.0", both)));
  EXPECT_THAT(made->forward(input).embedding, TensorNear(w.linear("layers.6", at::relu(w.normal("layers.3", hidden)))));
}

TEST(ShowTellComposer, ReadsTheImageThenTheWordsThatThereAre) {
  const auto made = filled("{type: show_tell}");
  const ComposerWeights w(*made);
  const ComposerInput input = toy_views();
  const at::Tensor out = made->forward(input).embedding;
  for (int64_t b = 0; b < kBatch; ++b) {
    std::vector<at::Tensor> read{w.linear("image", input.image[b])};
    for (int64_t i = 0; i < input.length[b].item<int64_t>(); ++i) read.push_back(input.words[b][i]);
    at::Tensor hidden = at::zeros({kDimension}, at::kDouble), cell = hidden;
    for (const at::Tensor& x : read) {
      const auto gates = (w["lstm.weight_ih_l0"].mv(x) + w["lstm.bias_ih_l0"] + w["lstm.weight_hh_l0"].mv(hidden) +
                          w["lstm.bias_hh_l0"])
                             .chunk(4);
      cell = gates[1].sigmoid() * cell + gates[0].sigmoid() * gates[2].tanh();
      hidden = gates[3].sigmoid() * cell.tanh();
    }
    EXPECT_THAT(out[b], TensorNear(hidden));
  }
  ComposerInput padded = input;
  padded.words = input.words + 5 * (at::arange(5) >= input.length.unsqueeze(1)).unsqueeze(2);
  EXPECT_TRUE(made->forward(padded).embedding.equal(out));
}

TEST(AttrOperatorComposer, StartsAsTheIdentity) {
  for (const std::string yaml : {"{type: attr_operator}", "{type: attr_operator, rank: null}"}) {
    const auto made = make_from(composers(), yaml, toy_context());
    made->to(at::kDouble);
    EXPECT_TRUE(made->forward(toy_views()).embedding.equal(toy_views().image));
  }
}

TEST(AttrOperatorComposer, AppliesTheMatrixThatTheTextMakes) {
  const ComposerInput input = toy_views();
  const auto full = filled("{type: attr_operator, rank: null}"), low = filled("{type: attr_operator, rank: 2}");
  const ComposerWeights of_full(*full), of_low(*low);
  const at::Tensor one = at::eye(kDimension, at::kDouble);
  for (int64_t b = 0; b < kBatch; ++b) {
    const at::Tensor matrix = one + of_full.linear("matrix", input.text[b]).view({kDimension, kDimension});
    EXPECT_THAT(full->forward(input).embedding[b], TensorNear(matrix.mv(input.image[b])));
    const at::Tensor left = of_low.linear("left", input.text[b]).view({kDimension, 2});
    const at::Tensor right = of_low.linear("right", input.text[b]).view({2, kDimension});
    EXPECT_THAT(low->forward(input).embedding[b], TensorNear((one + left.mm(right)).mv(input.image[b])));
  }
}

TEST(ParamHashComposer, EqualsTheLoopOverItsMatrix) {
  const auto made = filled("{type: param_hash, weights: 7}");
  const auto& hashed = dynamic_cast<const ParamHashComposer&>(*made);
  const ComposerInput input = toy_views();
  const at::Tensor few = ComposerWeights(*made).linear("fc", input.text);  // [B, 7]
  at::Tensor expected = at::zeros({kBatch, kDimension}, at::kDouble);
  for (int64_t b = 0; b < kBatch; ++b)
    for (int64_t i = 0; i < kDimension; ++i)
      for (int64_t j = 0; j < kFeatures; ++j) {
        const int64_t slot = hashed.slot(i, j);
        expected[b][i] += (slot < 7 ? 1 : -1) * few[b][slot % 7] * input.features[b][j];
      }
  EXPECT_THAT(made->forward(input).embedding, TensorNear(expected));
}

TEST(ParamHashComposer, SpreadsItsWeightsEvenlyAndAlwaysAlike) {
  const ComposerContext context{64, 64, 0, 0, {}};
  const ParamHashComposer made({.weights = 16}, context), again({.weights = 16}, context);
  std::vector<int> often(32);
  for (int64_t i = 0; i < 64; ++i)
    for (int64_t j = 0; j < 64; ++j) {
      ASSERT_EQ(made.slot(i, j), again.slot(i, j));
      ++often.at(static_cast<size_t>(made.slot(i, j)));
    }
  EXPECT_THAT(often, ::testing::Each(AllOf(Gt(128 - 60), ::testing::Lt(128 + 60))));  // 128 +- 11
}

TEST(RelationshipComposer, EqualsTheLoopOverPairsOfPlaces) {
  const ComposerInput input = toy_views();
  const at::Tensor places = input.map.flatten(2).transpose(1, 2);  // [B, 6, C]
  for (const std::string aggregate : {"sum", "mean"})
    for (const int64_t layers : {1, 3}) {
      SCOPED_TRACE(concat(aggregate, " ", layers));
      const auto made = filled(concat("{type: relationship, hidden: 6, aggregate: ", aggregate,
                                      ", pair_layers: ", layers, ", out_layers: ", layers, "}"));
      const ComposerWeights w(*made);
      const at::Tensor first = at::cat({w["first_a.weight"], w["first_b.weight"], w["first_text.weight"]}, 1);
      for (int64_t b = 0; b < kBatch; ++b) {
        at::Tensor sum = at::zeros({6}, at::kDouble);
        for (int64_t i = 0; i < 6; ++i)
          for (int64_t j = 0; j < 6; ++j) {
            at::Tensor g = first.mv(at::cat({places[b][i], places[b][j], input.text[b]})) + w["first_text.bias"];
            for (int64_t layer = 1; layer < layers; ++layer) g = w.linear(concat("pair", layer), at::relu(g));
            sum += at::relu(g);
          }
        at::Tensor f = w.linear("out0", aggregate == "mean" ? sum / 36 : sum);
        for (int64_t layer = 1; layer < layers; ++layer) f = w.linear(concat("out", layer), at::relu(f));
        EXPECT_THAT(made->forward(input).embedding[b], TensorNear(f));
      }
    }
}

// All linear maps of the blocks multiply by `factor`, the last one by 1; image 1, text 0.5.
double scalar_mrn(const std::string& order, int64_t blocks, double factor) {
  const auto made = filled(concat("{type: mrn, order: ", order, ", blocks: ", blocks, "}"), {1, 1, 1, 1, {}});
  for (const auto& each : made->named_parameters())
    set_parameter(*made, each.key(), !each.key().ends_with("weight") ? 0 : each.key() == "out.weight" ? 1 : factor);
  ComposerInput input;
  input.image = at::ones({1, 1}, at::kDouble), input.text = at::full({1, 1}, 0.5, at::kDouble);
  return made->forward(input).embedding.item<double>();
}

TEST(MrnComposer, GivesTheScalarValues) {
  EXPECT_NEAR(scalar_mrn("tanh_fc", 1, 1), 0.796686, 6e-7);
  EXPECT_NEAR(scalar_mrn("fc_tanh", 1, 1), 0.796686, 6e-7);
  EXPECT_NEAR(scalar_mrn("tanh_fc", 2, 1), 1.221816, 6e-7);
  EXPECT_NEAR(scalar_mrn("tanh_fc", 1, 2), 2.180723, 6e-7);
  EXPECT_NEAR(scalar_mrn("fc_tanh", 1, 2), 1.730046, 6e-7);
}

TEST(MrnComposer, EveryMapOfABlockHasItsOwnWeights) {
  const auto names = [](const std::string& yaml) {
    return make_from(composers(), yaml, toy_context())->named_parameters().size();
  };
  EXPECT_EQ(names("{type: mrn}"), 2u * (3 + 1));
  EXPECT_EQ(names("{type: mrn, order: fc_tanh}"), 2u * (4 + 1));
  EXPECT_EQ(names("{type: mrn, blocks: 3}"), 2u * (9 + 1));
}

TEST(Modulate, ScalesAndShiftsChannels) {
  const at::Tensor map = torch::tensor({1., 2.}, at::kDouble).view({1, 2, 1, 1});
  const BlockModulation by{torch::tensor({{2., -1.}}, at::kDouble), torch::tensor({{.5, 1.}}, at::kDouble)};
  EXPECT_THAT(modulate(map, by).flatten(), TensorNear(torch::tensor({2.5, -1.}, at::kDouble)));
  EXPECT_THAT(
      [&] {
        modulate(map, {by.scale, at::zeros({1, 3})});
      },
      ThrowsMessage<ShapeError>(AllOf(HasSubstr("[1, 3]"), HasSubstr("[1, 2, 1, 1]"))));
  EXPECT_EQ(modulate(map.to(at::kBFloat16), by).scalar_type(), at::kBFloat16);
}

TEST(FilmComposer, ModulatesEveryBlockByOnePlusWhatTheTextSays) {
  std::vector<BlockModulation> seen;
  ComposerInput input = toy_views();
  input.modulated_map = [&](const std::vector<BlockModulation>& by) {
    seen = by;
    return toy_modulated_map(by);
  };
  const auto fresh = make_from(composers(), "{type: film}", toy_context());
  fresh->to(at::kDouble);
  fresh->forward(input);
  ASSERT_EQ(seen.size(), 2u);
  for (const auto& each : seen) {
    EXPECT_TRUE(each.scale.equal(at::ones_like(each.scale)));
    EXPECT_TRUE(each.shift.equal(at::zeros_like(each.shift)));
  }
  const auto made = filled("{type: film}");
  const ComposerWeights w(*made);
  const at::Tensor out = made->forward(input).map;
  ASSERT_EQ(seen.size(), 2u);
  for (int64_t i = 0; i < 2; ++i) {
    const auto parts = w.linear(concat("block", i), input.text).chunk(2, 1);
    EXPECT_THAT(seen[i].scale, TensorNear(1 + parts[0]));
    EXPECT_THAT(seen[i].shift, TensorNear(parts[1]));
  }
  EXPECT_TRUE(out.equal(toy_modulated_map(seen)));
}

const std::vector<std::string>& tirg_forms() {
  static const std::vector<std::string> kForms{"tirg_fc, variant: code", "tirg_fc, variant: paper",
                                               "tirg_conv, variant: code", "tirg_conv, variant: paper"};
  return kForms;
}
at::Tensor untouched(const std::string& form) {
  return form.starts_with("tirg_fc") ? toy_views().image : toy_views().map;
}
void zero_networks(Composer& composer) {
  for (const auto& each : composer.named_parameters())
    if (each.key().starts_with("gate.") || each.key().starts_with("residual.")) set_parameter(composer, each.key(), 0);
}

TEST(Tirg, WithZeroNetworksIsHalfTheImage) {
  for (const std::string& form : tirg_forms()) {
    SCOPED_TRACE(form);
    const auto made = filled("{type: " + form + "}");
    zero_networks(*made);
    set_parameter(*made, "gate_weight", 0.7);
    EXPECT_THAT(result_of(*made, toy_views()), TensorNear(0.35 * untouched(form)));
  }
}

TEST(Tirg, WithAnOpenGateIsTheImage) {
  for (const std::string& form : tirg_forms()) {
    SCOPED_TRACE(form);
    const auto made = filled("{type: " + form + "}");
    zero_networks(*made);
    set_parameter(*made, "gate_weight", 0.7);
    std::string last;
    for (const auto& each : made->named_parameters())
      if (each.key().starts_with("gate.") && each.key().ends_with(".bias")) last = each.key();
    set_parameter(*made, last, 20);
    EXPECT_THAT(result_of(*made, toy_views()), TensorNear(0.7 * untouched(form), 0, 1e-6));
  }
}

TEST(Tirg, IsTheSumOfItsAblations) {
  for (const std::string& form : tirg_forms()) {
    SCOPED_TRACE(form);
    const auto both = filled("{type: " + form + "}"), gate = filled("{type: " + form + ", residual: false}"),
               residual = filled("{type: " + form + ", gate: false}");
    const auto source = named_tensors(*both);
    const at::NoGradGuard no_grad;
    for (const auto& part : {gate, residual})
      for (auto& [name, tensor] : named_tensors(*part)) tensor.copy_(source.at(name));
    EXPECT_EQ(gate->parameters().size() + residual->parameters().size(), both->parameters().size());
    EXPECT_THAT(result_of(*gate, toy_views()) + result_of(*residual, toy_views()),
                TensorNear(result_of(*both, toy_views())));
  }
}

TEST(Tirg, StartsWithTheWeightsOfItsOptions) {
  const auto made = make_from(composers(), "{type: tirg_fc}", toy_context());
  EXPECT_EQ(made->named_parameters()["gate_weight"].item<double>(), 1);
  EXPECT_EQ(made->named_parameters()["residual_weight"].item<double>(), 10);
  const auto other = make_from(composers(), "{type: tirg_conv, gate_weight: 2, residual_weight: 0.5}", toy_context());
  EXPECT_EQ(other->named_parameters()["gate_weight"].item<double>(), 2);
  EXPECT_EQ(other->named_parameters()["residual_weight"].item<double>(), 0.5);
}

TEST(TirgFcComposer, EqualsItsFormulas) {
  const ComposerInput input = toy_views();
  const at::Tensor z = at::cat({input.image, input.text}, 1);
  const auto code = filled("{type: tirg_fc}"), paper = filled("{type: tirg_fc, variant: paper}");
  const ComposerWeights c(*code), p(*paper);
  const auto mixed = [&](const ComposerWeights& w, const at::Tensor& gate, const at::Tensor& residual) {
    return w["gate_weight"] * gate.sigmoid() * input.image + w["residual_weight"] * residual;
  };
  const at::Tensor hidden = c.linear("residual.2", at::relu(c.normal("residual.0", z)));
  EXPECT_THAT(code->forward(input).embedding, TensorNear(mixed(c, c.linear("gate.2", at::relu(c.normal("gate.0", z))),
                                                               c.linear("residual.4", at::relu(hidden)))));
  const auto printed = [&](const std::string& name) {
    const at::Tensor inner = at::relu(p.normal(name + ".1", z.mm(p[name + ".0.weight"].t())));
    return p.normal(name + ".4", inner.mm(p[name + ".3.weight"].t()));
  };
  EXPECT_THAT(paper->forward(input).embedding, TensorNear(mixed(p, printed("gate"), printed("residual"))));
}

TEST(TirgConvComposer, EqualsItsFormulaWithTheTextAtEveryPlace) {
  const ComposerInput input = toy_views();
  at::Tensor z = at::zeros({kBatch, kChannels + kDimension, 2, 3}, at::kDouble);
  z.narrow(1, 0, kChannels).copy_(input.map);
  for (int64_t i = 0; i < 2; ++i)
    for (int64_t j = 0; j < 3; ++j) z.narrow(1, kChannels, kDimension).select(2, i).select(2, j).copy_(input.text);
  const auto code = filled("{type: tirg_conv}");
  const ComposerWeights w(*code);
  const auto conv = [&](const std::string& name, const at::Tensor& x) {
    return at::conv2d(x, w[name + ".weight"], w[name + ".bias"], /*stride=*/1, /*padding=*/1);
  };
  const auto branch = [&](const std::string& name) {
    return conv(name + ".3", at::relu(conv(name + ".1", w.normal(name + ".0", z))));
  };
  const at::Tensor expected =
      w["gate_weight"] * branch("gate").sigmoid() * input.map + w["residual_weight"] * branch("residual");
  EXPECT_THAT(code->forward(input).map, TensorNear(expected));
  ComposerInput last = input;  // the same with the memory order that image encoders give
  last.map = input.map.contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor out = code->forward(last).map;
  EXPECT_THAT(out, TensorNear(expected));
}

// sense: 1 turns by the phase, -1 by its conjugate.
at::Tensor compose_ae_by_formula(const ComposerWeights& w, const at::Tensor& image, const at::Tensor& text,
                                 double sense) {
  const auto layers = [&](const std::string& name, const at::Tensor& x) {
    return w.linear(name + ".2", at::relu(w.linear(name + ".0", x)));
  };
  const at::Tensor phase = layers("phase", text), magnitude = layers("magnitude", image);
  const at::Tensor re = magnitude * phase.cos(), im = sense * magnitude * phase.sin();
  const auto conv = [&](const std::string& name, const at::Tensor& x) {
    return at::conv1d(x, w[name + ".weight"], w[name + ".bias"], /*stride=*/1, /*padding=*/1);
  };
  const at::Tensor local = conv("conv.2", at::relu(conv("conv.0", at::stack({re, im}, 1)))).squeeze(1);
  return w["linear_weight"] * w.linear("linear", at::cat({re, im}, 1)) + w["conv_weight"] * local;
}

TEST(ComposeAeComposer, EqualsItsFormulaBothWays) {
  const auto made = filled("{type: compose_ae, channels: 4}");
  const ComposerWeights w(*made);
  const ComposerInput input = toy_views();
  const at::Tensor out = made->forward(input).embedding, back = made->undo(input.image, input.text);
  EXPECT_THAT(out, TensorNear(compose_ae_by_formula(w, input.image, input.text, 1)));
  EXPECT_THAT(back, TensorNear(compose_ae_by_formula(w, input.image, input.text, -1)));
  EXPECT_GT((out - back).abs().max().item<double>(), 1e-3);
  for (int64_t b = 0; b < kBatch; ++b)
    EXPECT_THAT(made->undo(input.image.slice(0, b, b + 1), input.text.slice(0, b, b + 1))[0], TensorNear(back[b]));
}

// Magnitude the identity, the convolutions silent, and the result the real parts or, if told, the imaginary ones.
std::shared_ptr<Composer> plain_compose_ae(bool imaginary) {
  const auto made = filled("{type: compose_ae, channels: 4}");
  const at::NoGradGuard no_grad;
  auto parameters = made->named_parameters();
  const auto set = [&](const std::string& name, const at::Tensor& value) { parameters[name].copy_(value); };
  const at::Tensor one = at::eye(kDimension, at::kDouble), none = at::zeros_like(one), ten = at::full({kDimension}, 10);
  set("magnitude.0.weight", one), set("magnitude.0.bias", ten);  // the ReLU lets all pass that is above -10
  set("magnitude.2.weight", one), set("magnitude.2.bias", -ten);
  set("linear.weight", imaginary ? at::cat({none, one}, 1) : at::cat({one, none}, 1));
  for (const char* name : {"linear.bias", "conv_weight"}) parameters[name].zero_();
  parameters["linear_weight"].fill_(1);
  return made;
}

TEST(ComposeAeComposer, TheConjugateOfARotationUndoesIt) {
  // (m e^{i delta}) (m e^{-i delta}) = m^2
  const ComposerInput input = toy_views();
  const auto real = plain_compose_ae(false), imaginary = plain_compose_ae(true);
  const at::Tensor re = real->forward(input).embedding, im = imaginary->forward(input).embedding;
  const at::Tensor back_re = real->undo(input.image, input.text), back_im = imaginary->undo(input.image, input.text);
  EXPECT_GT(im.abs().max().item<double>(), 1e-3);
  EXPECT_THAT(re * back_re - im * back_im, TensorNear(input.image.square()));
  EXPECT_THAT(re * back_im + im * back_re, TensorNear(at::zeros_like(re)));
}

TEST(ComposeAeComposer, AHalfTurnAndBackIsTheSource) {
  const auto made = plain_compose_ae(false);
  set_parameter(*made, "phase.2.weight", 0), set_parameter(*made, "phase.2.bias", std::acos(-1.0));
  const ComposerInput input = toy_views();
  const at::Tensor target = made->forward(input).embedding;
  EXPECT_THAT(target, TensorNear(-input.image));
  EXPECT_THAT(made->undo(target, input.text), TensorNear(input.image));
}

TEST(ComposeAeComposer, GradientsOfTheWayBackMatchDifferences) {
  const auto made = filled("{type: compose_ae, channels: 4}");
  const ComposerInput input = toy_views();
  const at::Tensor weight = formula_centred({kBatch, kDimension}, 98);
  expect_gradients([&](const at::Tensor& x) { return (made->undo(x, input.text) * weight).sum(); }, input.image);
  expect_gradients([&](const at::Tensor& x) { return (made->undo(input.image, x) * weight).sum(); }, input.text);
}

TEST(EveryComposer, ButComposeAeHasNoWayBack) {
  for (const auto& [name, yaml] : every_composer()) {
    SCOPED_TRACE(name);
    const ComposerInput input = toy_views();
    const auto made = filled(yaml);
    const at::Tensor back = made->undo(input.image, input.text);
    EXPECT_EQ(back.defined(), name == "compose_ae");
    if (!back.defined()) continue;
    EXPECT_EQ(back.sizes(), input.image.sizes());
    EXPECT_THAT([&] { made->undo(input.image, input.text.narrow(0, 0, 1)); },
                ThrowsMessage<ShapeError>(HasSubstr("[1, 3]")));
    made->to(at::kFloat);
    const AutocastScope half(Precision::bf16, at::kCPU);
    EXPECT_EQ(made->undo(input.image.to(at::kBFloat16), input.text.to(at::kBFloat16)).scalar_type(), at::kFloat);
  }
}

TEST(RticComposer, EqualsItsFormula) {
  const auto made = filled("{type: rtic, blocks: 2}");
  const ComposerWeights w(*made);
  const ComposerInput input = toy_views();
  const auto leaky = [](const at::Tensor& x) { return at::leaky_relu(x, 0.01); };
  at::Tensor x = w.linear("fusion.2", leaky(w.normal("fusion.0", at::cat({input.image, input.text}, 1))));
  const at::Tensor gate = w.linear("gate.3", leaky(w.normal("gate.1", w.linear("gate.0", x)))).sigmoid();
  for (const std::string block : {"block0", "block1"}) {
    at::Tensor h = leaky(w.normal(block + ".1", w.linear(block + ".0", x)));
    h = leaky(w.normal(block + ".4", w.linear(block + ".3", h)));
    x = x + w.normal(block + ".7", w.linear(block + ".6", h));
  }
  EXPECT_THAT(made->forward(input).embedding, TensorNear(input.image * gate + x * (1 - gate)));
}

TEST(CombinerComposer, EqualsItsFormula) {
  const auto made = filled("{type: combiner, projection: 6, hidden: 7}");
  const ComposerWeights w(*made);
  const ComposerInput input = toy_views();
  const auto unit = [&](const std::string& name, const at::Tensor& x) { return at::relu(w.linear(name, x)); };
  const at::Tensor z = at::cat({unit("text", input.text), unit("image", input.image)}, 1);
  const at::Tensor mix = w.linear("mix2", unit("mix1", z)).sigmoid();
  EXPECT_THAT(made->forward(input).embedding,
              TensorNear(w.linear("out", unit("hidden", z)) + mix * input.text + (1 - mix) * input.image));
}

}  // namespace
}  // namespace diptych::testing
