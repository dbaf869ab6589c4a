#include "diptych/train/objective.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

namespace diptych {
namespace {

using ::testing::ElementsAre;

Experiment experiment_of(const Catalog& catalog, const std::string& objective) {
  return read_experiment(catalog, parse_config("objective: " + objective, "test.yaml"));
}

TEST(Objective, SumsItsTermsByTheWeightsOfTheStage) {
  const Catalog catalog;
  const Experiment experiment = experiment_of(catalog, "[{type: sje, similarity: scorer}, {type: sje, weight: 3}]");
  Objective objective(experiment.objective, LossContext{2, 2});
  EXPECT_THAT(objective.names(), ElementsAre("sje", "sje_2"));
  EXPECT_THAT(objective.weights(experiment.train.stages[0]), ElementsAre(1, 3));
  LossInput input;
  input.x = input.y = at::eye(2), input.label = at::arange(2);
  input.scores = at::tensor({1.0f, 0.5f, 0.5f, 1.0f}).view({2, 2});  // each of four hinges is 1 - 1 + 0.5
  const ObjectiveValue value = objective.forward(input, {2, 0});
  ASSERT_EQ(value.terms.size(), 1u) << "a term of weight 0 is not computed";
  EXPECT_FLOAT_EQ(value.terms[0].value.total.item<float>(), 4 * 0.5f / 4);
  EXPECT_FLOAT_EQ(value.total.item<float>(), 2 * 4 * 0.5f / 4);
}

TEST(Objective, KnowsWhetherAStageCanWeighTheTextSide) {
  const Catalog catalog;
  const Experiment experiment = experiment_of(catalog, "[{type: dualpath_rank}, {type: instance}]");
  const Objective objective(experiment.objective, LossContext{2, 2});
  EXPECT_TRUE(objective.weighs_text({2, 1}));
  EXPECT_FALSE(objective.weighs_text({1, 0}));
}

TEST(Objective, OneTermAtMostChoosesCaptionsBesideTheBatch) {
  const Catalog catalog;
  const std::string mines = "{type: dualpath_rank, text_negative: mined, candidates: 4}";
  const Experiment one = experiment_of(catalog, "[{type: instance}, " + mines + "]");
  const Objective objective(one.objective, LossContext{2, 2});
  ASSERT_NE(objective.chooser(), nullptr);
  EXPECT_EQ(objective.chooser()->candidates(), 4);
  EXPECT_NE(objective.chooser({0, 1}), nullptr);
  EXPECT_EQ(objective.chooser({1, 0}), nullptr) << "a term that is off chooses nothing";
  const Experiment two = experiment_of(catalog, "[" + mines + ", " + mines + "]");
  EXPECT_THROW(Objective(two.objective, LossContext{2, 2}), UsageError);
}

}  // namespace
}  // namespace diptych
