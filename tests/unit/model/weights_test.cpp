#include "diptych/model/weights.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <cstdlib>
#include <limits>

#include "../../support/temp_dir.h"
#include "../../support/tensor_near.h"
#include "diptych/core/tensor/safetensors.h"
#include "diptych/core/tensor/scope.h"
#include "diptych/model/image_encoder.h"
#include "formula.h"
#include "registry_checks.h"

namespace diptych::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::ThrowsMessage;

std::shared_ptr<ImageEncoder> encoder_of(const std::string& yaml) {
  ImageEncoderRegistry registry("image_encoder");
  register_image_encoders(registry);
  return make_from(registry, yaml);
}
std::shared_ptr<ImageEncoder> small() { return encoder_of("{type: mobilenet_v2, width: 0.1}"); }

// The file that this module would have as pretrained weights: all names, with a classifier.
TensorFile exported(torch::nn::Module& module) {
  formula_fill(module);
  TensorFile file;
  for (const auto& [name, tensor] : named_tensors(module)) file.tensors[name] = tensor.detach().clone();
  file.tensors["classifier.1.weight"] = at::zeros({10, 1280});
  file.tensors["classifier.1.bias"] = at::zeros({10});
  return file;
}

std::map<std::string, at::Tensor> copy_of(const torch::nn::Module& module) {
  std::map<std::string, at::Tensor> out;
  for (const auto& [name, tensor] : named_tensors(module)) out[name] = tensor.detach().clone();
  return out;
}
void expect_unchanged(const torch::nn::Module& module, const std::map<std::string, at::Tensor>& before) {
  for (const auto& [name, tensor] : named_tensors(module)) EXPECT_TRUE(tensor.equal(before.at(name))) << name;
}

class Weights : public ::testing::Test {
 protected:
  std::filesystem::path save(const TensorFile& content) {
    write_safetensors(content, dir_ / "w.safetensors");
    return dir_ / "w.safetensors";
  }
  // load_weights must refuse the file and leave the module as it was.
  void expect_refused(const TensorFile& content, const ::testing::Matcher<std::string>& message) {
    const auto path = save(content);
    const auto target = small();
    const auto before = copy_of(*target);
    EXPECT_THAT([&] { load_weights(*target, path); }, ThrowsMessage<Error>(AllOf(HasSubstr("w.safetensors"), message)));
    expect_unchanged(*target, before);
  }
  TempDir dir_;
  std::shared_ptr<ImageEncoder> source_ = small();
  TensorFile file_ = exported(*source_);
};

TEST_F(Weights, LoadEveryTensorWithoutBatchCountersAndClassifier) {
  const auto target = small();
  const WeightReport report = load_weights(*target, save(file_));
  expect_unchanged(*target, copy_of(*source_));
  EXPECT_EQ(report.matched.size(), file_.tensors.size() - 2);
  EXPECT_THAT(report.missing, IsEmpty());
  EXPECT_THAT(report.leftover, ElementsAre("classifier.1.bias", "classifier.1.weight"));
  EXPECT_EQ(report.brief(), "260 matched, 0 missing, 0 unexpected, 0 mis-shaped (2 classifier tensors left over)");
}

TEST_F(Weights, TakeBatchCountersOfEitherShapeButOfNoOther) {
  file_.tensors["features.0.1.num_batches_tracked"] = at::full({1}, 7, at::kLong);
  file_.tensors["features.1.conv.2.num_batches_tracked"] = at::full({}, 8, at::kLong);
  const auto target = small();
  EXPECT_EQ(load_weights(*target, save(file_)).matched.size(), 262u);
  EXPECT_EQ(target->named_buffers()["features.0.1.num_batches_tracked"].item<int64_t>(), 7);
  EXPECT_EQ(target->named_buffers()["features.0.1.num_batches_tracked"].dim(), 0);
  EXPECT_EQ(target->named_buffers()["features.1.conv.2.num_batches_tracked"].item<int64_t>(), 8);
  file_.tensors["features.0.1.num_batches_tracked"] = at::zeros({2}, at::kLong);
  expect_refused(file_, HasSubstr("num_batches_tracked: file [2] I64, model [] I64"));
}

TEST_F(Weights, KeepTheMemoryFormatOfTheModel) {
  const auto target = small();
  auto weight = target->named_parameters()["features.0.0.weight"];
  weight.set_data(weight.contiguous(at::MemoryFormat::ChannelsLast));
  load_weights(*target, save(file_));
  EXPECT_TRUE(weight.is_contiguous(at::MemoryFormat::ChannelsLast));
  EXPECT_TRUE(weight.requires_grad());
}

TEST_F(Weights, StripThePrefixesOfTrainingWrappers) {
  TensorFile wrapped;
  for (const auto& [name, tensor] : file_.tensors) wrapped.tensors["_orig_mod.module.backbone." + name] = tensor;
  const auto target = small();
  EXPECT_EQ(load_weights(*target, save(wrapped)).matched.size(), 260u);
  expect_unchanged(*target, copy_of(*source_));
}

TEST_F(Weights, RefuseTwoNamesThatBecomeOne) {
  file_.tensors["module.features.0.0.weight"] = file_.tensors["features.0.0.weight"];
  expect_refused(file_, AllOf(HasSubstr("both stand for 'features.0.0.weight'")));
}

TEST_F(Weights, RefuseAnotherWidthNamingBothShapes) {
  auto wide = encoder_of("{type: mobilenet_v2, width: 0.5}");
  expect_refused(exported(*wide), AllOf(HasSubstr("features.0.0.weight: file [16,3,3,3] F32, model [8,3,3,3] F32"),
                                        HasSubstr("... and"), HasSubstr("more")));
}

TEST_F(Weights, RefuseOneMisshapedTensorOfEqualCount) {
  auto& weight = file_.tensors["features.18.0.weight"];
  weight = weight.transpose(0, 1).contiguous();
  expect_refused(file_, HasSubstr("features.18.0.weight: file ["));
}

TEST_F(Weights, RefuseAnotherDtypeInsteadOfReinterpretingIt) {
  for (const auto type : {at::kHalf, at::kBFloat16, at::kDouble}) {
    TensorFile other = file_;
    other.tensors["features.0.0.weight"] = other.tensors["features.0.0.weight"].to(type);
    expect_refused(other, HasSubstr("dtype"));
  }
}

TEST_F(Weights, RefuseAFileThatHoldsTooLittle) {
  TensorFile part;
  for (const auto& [name, tensor] : file_.tensors)
    if (!name.starts_with("features.1")) part.tensors[name] = tensor;
  expect_refused(part, AllOf(HasSubstr("needed are 90 %"), HasSubstr("missing     features.1")));
}

TEST_F(Weights, AcceptAFewMissingTensors) {
  file_.tensors.erase("features.18.1.bias");
  const auto target = small();
  EXPECT_THAT(load_weights(*target, save(file_)).missing, ElementsAre("features.18.1.bias"));
}

TEST_F(Weights, RefuseADeeperNetworkThatContainsThisOne) {
  const auto deep = encoder_of("{type: resnet34}"), shallow = encoder_of("{type: resnet18}");
  const auto path = save(exported(*deep));
  const WeightReport report = match_weights(*shallow, path);
  EXPECT_EQ(report.unexpected.size(), 80u);  // 16 blocks instead of 8: 8 times [2 conv, 2 x 4 of BN]
  EXPECT_THAT([&] { load_weights(*shallow, path); }, ThrowsMessage<CheckpointError>(HasSubstr("unexpected")));
}

TEST_F(Weights, RefuseNamesOfAnotherNetwork) {
  TensorFile other;
  for (const auto& [name, tensor] : file_.tensors) other.tensors["stem." + name] = tensor;
  expect_refused(other, AllOf(HasSubstr("0 matched"), HasSubstr("convert the names")));
}

TEST_F(Weights, RefuseNonFiniteValuesNamingTensorAndCount) {
  file_.tensors["features.3.conv.2.weight"].view(-1).narrow(0, 0, 3).fill_(std::numeric_limits<float>::quiet_NaN());
  const auto path = save(file_);
  const auto target = small();
  const auto before = copy_of(*target);
  EXPECT_THAT([&] { load_weights(*target, path); },
              ThrowsMessage<NumericError>(AllOf(HasSubstr("features.3.conv.2.weight"), HasSubstr("3 values"))));
  expect_unchanged(*target, before);
}

TEST_F(Weights, EscapeHostileNames) {
  std::string header = R"({"evil\u001b[2Jname":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const uint64_t size = header.size();
  const std::string bytes = std::string(reinterpret_cast<const char*>(&size), 8) + header + std::string(4, '\0');
  const auto path = dir_.write("hostile.safetensors", bytes);
  EXPECT_THAT([&] { load_weights(*small(), path); },
              ThrowsMessage<CheckpointError>(AllOf(HasSubstr("x1b"), Not(HasSubstr("\x1b")))));
}

TEST_F(Weights, RefuseAMissingFile) {
  EXPECT_THROW(load_weights(*small(), dir_ / "none.safetensors"), Error);
  EXPECT_THROW(match_weights(*small(), dir_ / "none.safetensors"), Error);
}

TEST_F(Weights, MatchingReadsNothingIntoTheModule) {
  const auto target = small();
  const auto before = copy_of(*target);
  const WeightReport report = match_weights(*target, save(file_));
  EXPECT_EQ(report.matched_share(), 1);
  EXPECT_EQ(report.used_share(), 1);
  expect_unchanged(*target, before);
}

TEST(WeightReport, ListsTwentyNamesOfAKind) {
  WeightReport report;
  for (int i = 0; i < 23; ++i) report.missing.push_back(concat("name", i));
  EXPECT_THAT(report.full(), AllOf(HasSubstr("name19"), Not(HasSubstr("name20")), HasSubstr("... and 3 more")));
  EXPECT_EQ(report.matched_share(), 0);
}

// With the real files at hand, every tensor finds its place.
class RealWeights : public ::testing::TestWithParam<std::pair<std::string, std::string>> {};
INSTANTIATE_TEST_SUITE_P(
    Files, RealWeights,
    ::testing::Values(std::pair<std::string, std::string>{"mobilenet_v2", "mobilenet_v2_dequant_torchvision_names"},
                      std::pair<std::string, std::string>{"mobilenet_v1", "mobilenet_v1_dequant"}),
    [](const auto& each) { return each.param.first; });

TEST_P(RealWeights, MatchCompletely) {
  const char* root = std::getenv("DIPTYCH_DATA");
  if (!root) GTEST_SKIP() << "DIPTYCH_DATA is not set";
  const auto path = std::filesystem::path(root) / "weights" / (GetParam().second + ".safetensors");
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there";
  const auto encoder = encoder_of("{type: " + GetParam().first + "}");
  const WeightReport report = load_weights(*encoder, path);
  EXPECT_GE(report.matched.size(), named_tensors(*encoder).size()) << report.full();
  EXPECT_THAT(report.missing, IsEmpty()) << report.full();
  EXPECT_THAT(report.unexpected, IsEmpty()) << report.full();
  EXPECT_EQ(report.leftover.size(), 2u);
  const EvalScope scope(*encoder);
  const at::Tensor features = encoder->forward(formula_centred({2, 3, 64, 64}, 1).to(at::kFloat)).global;
  EXPECT_TRUE(at::isfinite(features).all().item<bool>());
  EXPECT_GT(features.std().item<double>(), 1e-3);
}

}  // namespace
}  // namespace diptych::testing
