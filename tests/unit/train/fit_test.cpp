#include "diptych/train/fit.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include "diptych/loss/functional.h"
#include "diptych/model/cca.h"
#include "diptych/train/ema.h"
#include "diptych/train/experiment.h"
#include "support/tensor_near.h"

namespace diptych::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

at::Tensor noise(at::IntArrayRef sizes, uint64_t seed) {
  torch::manual_seed(seed);
  return torch::randn(sizes, at::kDouble);
}

// Deep CCA whose networks do nothing asks for what linear CCA finds.
TEST(LinearCca, EqualsDeepCcaWithIdentityNetworks) {
  const at::Tensor x = noise({60, 6}, 1), y = x.narrow(1, 0, 4) + noise({60, 4}, 2);
  PairMoments moments;
  for (int64_t first = 0; first < 60; first += 25)
    moments.add(x.slice(0, first, first + 25), y.slice(0, first, first + 25));
  for (const double r : {0., 1e-4, 0.3}) {
    const Cca cca = fit_cca(moments, 4, {.regularisation = r, .relative = false});
    EXPECT_NEAR(cca.correlation.sum().item<double>(), -dcca_loss(x, y, {.regularisation = r}).total.item<double>(),
                1e-12);
    EXPECT_NEAR(cca.correlation.narrow(0, 0, 2).sum().item<double>(),
                -dcca_loss(x, y, {.regularisation = r, .top_k = 2}).total.item<double>(), 1e-12);
  }
  // Its projections are where deep CCA would lead: no map of them correlates better.
  const Cca cca = fit_cca(moments, 4, {.regularisation = 0});
  EXPECT_NEAR(-dcca_loss(cca.x(x), cca.y(y), {.regularisation = 0}).total.item<double>(),
              cca.correlation.sum().item<double>(), 1e-9);
}

std::string refusal(const std::string& yaml) {
  const Catalog catalog;
  try {
    read_experiment(catalog, parse_config(yaml, "test.yaml"));
  } catch (const UsageError& error) {
    std::string text;
    for (const Issue& issue : error.issues()) text += to_text(issue) + "\n";
    return text;
  }
  return "(accepted)";
}

TEST(FitStage, IsOnePassAndHasNoUseForGradientOptions) {
  EXPECT_EQ(refusal("{objective: [], train: {stages: [{epochs: 1, fit: {type: cca}}]}}"), "(accepted)");
  EXPECT_THAT(refusal("{train: {stages: [{epochs: 3, fit: {type: cca}}]}}"), HasSubstr("train.stages.0.epochs = 3"));
  EXPECT_THAT(refusal("{train: {stages: [{epochs: 1, freeze: [model.image], fit: {type: text}}]}}"),
              HasSubstr("takes none"));
  EXPECT_THAT(refusal("{train: {stages: [{epochs: 1, fit: {type: ccca}}]}}"), HasSubstr("did you mean: cca"));
}

TEST(FitStage, ALossIsNeededWhereAStageTakesGradientSteps) {
  EXPECT_THAT(refusal("{objective: [], train: {stages: [{epochs: 1, fit: {type: text}}, {epochs: 2}]}}"),
              HasSubstr("at least one loss is needed"));
  EXPECT_EQ(refusal("{train: {stages: [{epochs: 1, fit: {type: text}}, {epochs: 2}]}}"), "(accepted)");
}

TEST(FitRegistry, DocumentsEveryEntryAndOption) {
  const Catalog catalog;
  EXPECT_EQ(catalog.fits.names(), (std::vector<std::string>{"cca", "none", "text"}));
  for (const auto& [name, entry] : catalog.fits.entries()) {
    EXPECT_FALSE(entry.doc.empty()) << name;
    EXPECT_EQ(catalog.fits.make_default(name)->active(), name != "none");
    Lister lister;
    entry.list(entry.defaults(), lister);
    for (const Row& row : lister.rows) EXPECT_GT(row.doc.size(), 10u) << name << "." << row.path;
  }
}

TEST(Ema, ResetTakesTheWeightsAsTheyAre) {
  torch::nn::Linear layer(2, 1);
  Ema ema(*layer, {.decay = 0.9, .match = {"weight"}});
  const at::NoGradGuard no_grad;
  layer->weight.fill_(5);
  EXPECT_FALSE(ema.same_as_weights("weight"));
  ema.reset();
  EXPECT_TRUE(ema.same_as_weights("weight"));
}

}  // namespace
}  // namespace diptych::testing
