#include "train/candidates.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>

#include "train/active_stage.h"
#include "train/step.h"
#include "unit/train/trained_fixture.h"

namespace diptych::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr int64_t kImages = 6, kPairs = 4, kFirstWord = 4;

/// Six images with two captions each; a caption says one word of its own, the second twice.
DataBundle six_images() {
  DataBundle data;
  std::string words = "<pad>\n<unk>\n<start>\n<end>\n";
  for (int64_t image = 0; image < kImages; ++image) {
    data.corpus.images.push_back({concat(image, ".jpg"), concat(image), Split::train, image});
    for (int64_t i = 0; i < 2; ++i) {
      const auto caption = static_cast<int64_t>(data.corpus.captions.size());
      const std::string word = concat("w", caption);
      words += word + "\n";
      data.corpus.captions.push_back({word, {word}, image});
      data.token_ids.emplace_back(static_cast<size_t>(i + 1), kFirstWord + caption);
    }
  }
  data.vocabulary = Vocabulary::from_text(words, "test");
  return data;
}

std::string config(const std::string& precision = "fp32") {
  return concat(
      "experiment: candidates\nseed: 3\ndevice: cpu\nthreads: 1\nprecision: ", precision,
      "\ndata: {corpus: {type: csv, root: nowhere}, image: {height: 32, width: 32}, sampler: {type: "
      "unique_images}}\nmodel:\n  image: {type: mobilenet_v2, width: 0.1}\n  text: {type: bilstm, word_dim: 8, hidden: "
      "8}\n  image_head: {type: linear_bn, dim: 12}\n  text_head: {type: linear_bn, dim: 12}\n"
      "objective: [{type: dualpath_rank, text_negative: mined, candidates: 9}, {type: instance}]\n"
      "train: {batch_size: 4, stages: [{name: all, epochs: 1, term_weights: [2, 1], text_weight: 0.1}]}\n"
      "evaluate: {protocol: {type: image-retrieval}, select: last}\n");
}

/// A system in the middle of its training, and a batch of the first caption of images 0 to 3.
struct Training {
  explicit Training(const std::string& yaml = config())
      : experiment(read_experiment(catalog, parse_config(yaml, "test.yaml"))), data(six_images()) {
    configure_torch(1, true);
    system = build_system(experiment, data);
    torch::manual_seed(3);
    const at::NoGradGuard no_grad;  // BatchNorm of untrained statistics would make all embeddings alike
    gather_statistics(*system->model);
    stage = std::make_unique<ActiveStage>(experiment, data, *system, TrainState{});
    system->train();
    stage->freezer.apply_modes();
    const at::Tensor rows = at::arange(kPairs);
    batch.image = at::randn({kPairs, 3, 32, 32}).contiguous(at::MemoryFormat::ChannelsLast);
    batch.image_index = batch.label = batch.image_row = batch.unique_image_row = rows;
    batch.caption_row = 2 * rows;
    batch.tokens = (2 * rows + kFirstWord).unsqueeze(1), batch.length = at::ones({kPairs}, at::kLong);
  }
  ObjectiveValue forward(int64_t step) {
    torch::manual_seed(11);
    return forward_batch(*system, batch, *stage, experiment.precision, step, 0);
  }
  LabelledCaptions choose(int64_t step) const {
    return stage->candidates->choose(*system, batch, experiment.precision, step);
  }

  const Catalog catalog;
  const Experiment experiment;
  const DataBundle data;
  std::shared_ptr<System> system;
  std::unique_ptr<ActiveStage> stage;
  Batch batch;
};

TEST(CandidateCaptions, AreAFunctionOfSeedAndStep) {
  const Training training;
  const Loss& loss = *training.system->objective->chooser();
  const auto draw = [&](uint64_t seed, int64_t step) {
    return CandidateCaptions(training.data, training.data.training_captions({}), loss, seed).draw(step).tokens;
  };
  EXPECT_EQ(draw(1, 5).size(0), 9);
  EXPECT_TRUE(draw(1, 5).equal(draw(1, 5)));
  EXPECT_FALSE(draw(1, 5).equal(draw(1, 6)));
  EXPECT_FALSE(draw(1, 5).equal(draw(2, 5)));
}

TEST(CandidateCaptions, ComeFromThePartThatTrains) {
  const Training training;
  const CandidateCaptions candidates(training.data, training.data.training_captions(2),
                                     *training.system->objective->chooser(), 1);
  for (int64_t step = 0; step < 5; ++step) {
    const LabelledCaptions drawn = candidates.draw(step);
    EXPECT_LT(drawn.label.max().item<int64_t>(), 2);
    EXPECT_TRUE(((drawn.tokens.select(1, 0) - kFirstWord).floor_divide(2)).equal(drawn.label))
        << "labels of the captions";
  }
}

TEST(CandidateCaptions, ThoseOfTheSameImageAreNeverChosen) {
  const Training training;
  for (int64_t step = 0; step < 30; ++step) {
    const LabelledCaptions chosen = training.choose(step);
    ASSERT_EQ(chosen.label.size(0), kPairs / 2) << "one for each anchor";
    EXPECT_FALSE((chosen.label == training.batch.label.narrow(0, 0, kPairs / 2)).any().item<bool>()) << "step " << step;
  }
}

// The choice, found again by evaluating the model.
TEST(CandidateCaptions, TheBestOfTheNetworkInTestModeIsChosen) {
  const Training training;
  JointModel& model = *training.system->model;
  for (int64_t step = 0; step < 10; ++step) {
    const LabelledCaptions chosen = training.choose(step), drawn = training.stage->candidates->draw(step);
    const EvalScope scope(model);
    const at::Tensor scores = model.scorer().forward(model.image_embedding(model.image_features(training.batch.image)),
                                                     model.text_embedding(drawn.tokens, drawn.length));
    for (int64_t i = 0; i < kPairs / 2; ++i) {
      double best = -2, taken = -2;
      for (int64_t k = 0; k < 9; ++k) {
        const double score = scores[i][k].item<double>();
        if (drawn.label[k].item<int64_t>() != i) best = std::max(best, score);
        if (drawn.tokens[k].equal(chosen.tokens[i])) taken = score;
      }
      EXPECT_NEAR(taken, best, 1e-6) << "step " << step << ", anchor " << i;
    }
  }
}

TEST(CandidateCaptions, ChoosingLeavesModesStatisticsAndGeneratorAsTheyWere) {
  Training training;
  const auto running_mean = [&] {
    for (const auto& item : training.system->named_buffers())
      if (item.key().starts_with("model.text_head") && item.key().ends_with("running_mean"))
        return item.value().clone();
    return at::Tensor();
  };
  const at::Tensor before = running_mean();
  ASSERT_TRUE(before.defined());
  torch::manual_seed(7);
  const at::Tensor expected = at::rand({4});
  torch::manual_seed(7);
  training.choose(1);
  EXPECT_TRUE(at::rand({4}).equal(expected));
  EXPECT_TRUE(running_mean().equal(before));
  EXPECT_TRUE(training.system->model->is_training());
  EXPECT_TRUE(training.system->model->text().is_training());
}

TEST(ForwardBatch, WithCandidatesIsRepeatable) {
  for (const std::string precision : {"fp32", "bf16"}) {
    const auto total = [&](int64_t step) {
      Training training(config(precision));
      const ObjectiveValue value = training.forward(step);
      value.total.backward();
      return std::pair(value.total.item<double>(), gradient_norm(training.stage->optimizer->parameters()));
    };
    EXPECT_EQ(total(4), total(4)) << precision;
    EXPECT_NE(total(4).first, total(5).first) << precision << ": other candidates, another loss";
  }
}

// A chosen caption is one word: its row of the word table has a gradient, which no caption of the batch gave it.
TEST(ForwardBatch, ChosenCaptionsGetGradients) {
  for (const std::string precision : {"fp32", "bf16"}) {
    Training training(config(precision));
    const LabelledCaptions chosen = training.choose(2);
    training.forward(2).total.backward();
    const at::Tensor gradient = training.system->named_parameters()["model.text.embedding.weight"].grad();
    const at::Tensor rows = gradient.abs().sum(1);
    for (int64_t i = 0; i < chosen.tokens.size(0); ++i)
      EXPECT_GT(rows[chosen.tokens[i][0].item<int64_t>()].item<double>(), 0) << precision;
    std::vector<bool> seen(static_cast<size_t>(rows.size(0)));
    for (const at::Tensor& tokens : {chosen.tokens, training.batch.tokens})
      for (int64_t i = 0; i < tokens.size(0); ++i) seen[static_cast<size_t>(tokens[i][0].item<int64_t>())] = true;
    for (size_t word = 0; word < seen.size(); ++word) {
      if (seen[word]) continue;
      EXPECT_EQ(rows[static_cast<int64_t>(word)].item<double>(), 0) << "a candidate that lost: " << word;
    }
  }
}

TEST(ForwardBatch, FeaturesOfACacheServeTheChoice) {
  Training training;
  {
    const EvalScope scope(*training.system->model);
    training.batch.image = training.system->model->image_features(training.batch.image);
  }
  EXPECT_EQ(training.choose(1).label.size(0), kPairs / 2);
  EXPECT_TRUE(std::isfinite(training.forward(1).total.item<double>()));
}

TEST(ForwardBatch, AStageThatDoesNotRankChoosesNothing) {
  std::string yaml = config();
  yaml.replace(yaml.find("[2, 1]"), 6, "[0, 1]");
  Training training(yaml);
  EXPECT_FALSE(training.stage->candidates.has_value());
  EXPECT_TRUE(std::isfinite(training.forward(1).total.item<double>()));
}

TEST(ActiveStage, ATextWeightNeedsATermThatReadsIt) {
  std::string yaml = config();
  yaml.replace(yaml.find("[2, 1]"), 6, "[2, 0]");
  EXPECT_THAT([&] { Training{yaml}; }, ThrowsMessage<UsageError>(HasSubstr("weighs its text side")));
}

TEST(BuildSystem, RefusesCandidatesForAScorerOfPairs) {
  std::string yaml = config();
  yaml.replace(yaml.find("  image_head"), 0, "  scorer: {type: sm_lstm, hidden: 8, attention: 8}\n");
  EXPECT_THAT([&] { Training{yaml}; }, ThrowsMessage<UsageError>(HasSubstr("candidates of the training set")));
}

}  // namespace
}  // namespace diptych::testing
