#include "diptych/model/import_weights.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include "diptych/core/error.h"
#include "diptych/core/tensor/safetensors.h"
#include "diptych/model/weights.h"
#include "support/temp_dir.h"

// The files of tests/golden/torch_archives are made by scripts/golden/torch_archives.py.

namespace diptych {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TempDir;

std::filesystem::path torch_file(const std::string& name) {
  return std::filesystem::path(DIPTYCH_GOLDEN_DIR) / "torch_archives" / name;
}

TEST(ImportWeights, AModuleFitsItsOwnWeights) {
  const TempDir dir;
  const auto file = dir / "new/module.safetensors";
  const ImportedWeights imported = import_weights(torch_file("checkpoint.pth"), file);
  EXPECT_EQ(imported.tensors, 7);
  EXPECT_EQ(imported.numbers, 6 + 2 + 2 * 4 + 1);
  EXPECT_EQ(imported.key, "state_dict");
  torch::nn::Sequential module(torch::nn::Linear(3, 2), torch::nn::BatchNorm1d(2));
  load_weights(*module, file);
  EXPECT_TRUE(at::equal(module->named_parameters()["0.weight"], (torch::arange(6) / 4.0f).view({2, 3})));
  EXPECT_EQ(read_safetensors(file).metadata.at("imported_from"), "checkpoint.pth");
}

TEST(ImportWeights, PrefixesAreReplaced) {
  const TempDir dir;
  ImportWeightsOptions options;
  options.prefixes = {{"0.", "fc."}, {"1.", "bn."}};
  const ImportedWeights imported = import_weights(torch_file("module.pth"), dir / "out.safetensors", options);
  EXPECT_EQ(imported.renamed, 7);
  const auto tensors = read_safetensors_header(dir / "out.safetensors").tensors;
  EXPECT_TRUE(tensors.contains("fc.weight"));
  EXPECT_TRUE(tensors.contains("bn.running_mean"));
}

TEST(ImportWeights, APrefixThatFitsNothingIsAMistake) {
  const TempDir dir;
  ImportWeightsOptions options;
  options.prefixes = {{"encoder.", ""}};
  EXPECT_THROW(import_weights(torch_file("module.pth"), dir / "out.safetensors", options), UsageError);
  EXPECT_FALSE(std::filesystem::exists(dir / "out.safetensors"));
}

TEST(ImportWeights, NamesThatBecomeOneAreRefused) {
  const TempDir dir;
  ImportWeightsOptions options;
  options.prefixes = {{"tied.a", "weight"}};
  try {
    import_weights(torch_file("state.pth"), dir / "out.safetensors", options);
    ADD_FAILURE() << "no CheckpointError";
  } catch (const CheckpointError& error) {
    EXPECT_THAT(error.what(), HasSubstr("'weight'"));
  }
}

TEST(ImportWeights, OtherFloatsBecomeFloat32OnlyWhenAsked) {
  const TempDir dir;
  import_weights(torch_file("state.pth"), dir / "as_is.safetensors");
  EXPECT_EQ(read_safetensors_header(dir / "as_is.safetensors").tensors.at("half").dtype, "F16");
  ImportWeightsOptions options;
  options.float32 = true;
  const ImportedWeights imported = import_weights(torch_file("state.pth"), dir / "f32.safetensors", options);
  EXPECT_EQ(imported.converted, 3);
  const auto tensors = read_safetensors_header(dir / "f32.safetensors").tensors;
  EXPECT_EQ(tensors.at("half").dtype, "F32");
  EXPECT_EQ(tensors.at("double").dtype, "F32");
  EXPECT_EQ(tensors.at("count").dtype, "I64");
  EXPECT_THAT(imported.ties, ElementsAre("tied.b = tied.a"));
}

TEST(ImportWeights, NeverOverwrites) {
  const TempDir dir;
  dir.write("out.safetensors", "mine");
  EXPECT_THROW(import_weights(torch_file("module.pth"), dir / "out.safetensors"), UsageError);
}

TEST(WithoutWrappers, StripsAllOfThem) {
  EXPECT_EQ(without_wrappers("module._orig_mod.backbone.layer1.0.conv1.weight"), "layer1.0.conv1.weight");
  EXPECT_EQ(without_wrappers("layer1.module.weight"), "layer1.module.weight");
}

}  // namespace
}  // namespace diptych
