#include "diptych/core/tensor/torch_archive.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <fstream>
#include <iterator>

#include "core/io/zip_reader.h"
#include "support/temp_dir.h"
#include "support/tensor_near.h"

// The files of tests/golden/torch_archives are made by scripts/golden/torch_archives.py.

namespace diptych::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

std::filesystem::path golden_path(const std::string& name) {
  return std::filesystem::path(DIPTYCH_GOLDEN_DIR) / "torch_archives" / name;
}
std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
at::Tensor numbers(at::IntArrayRef shape, at::ScalarType type = at::kFloat) {
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  return (torch::arange(count, at::kFloat) / 4).reshape(shape).to(type);
}
std::string message_of(const std::filesystem::path& path, const TorchArchiveOptions& options = {}) {
  try {
    read_torch_archive(path, options);
  } catch (const CheckpointError& error) {
    EXPECT_FALSE(error.issues().front().where.empty());
    EXPECT_EQ(error.exit_code(), 4);
    return error.what();
  }
  return "(read)";
}

class TorchArchiveLayouts : public ::testing::TestWithParam<const char*> {};

TEST_P(TorchArchiveLayouts, EveryKindOfTensorIsReadBack) {
  const TorchArchive archive = read_torch_archive(golden_path(GetParam()));
  const auto& tensors = archive.content.tensors;
  ASSERT_EQ(tensors.size(), 13u);
  const auto expect = [&](const char* name, const at::Tensor& wanted) {
    const at::Tensor& found = tensors.at(name);
    EXPECT_EQ(found.scalar_type(), wanted.scalar_type()) << name;
    EXPECT_EQ(found.sizes(), wanted.sizes()) << name;
    EXPECT_TRUE(found.is_contiguous()) << name;
    EXPECT_TRUE(at::equal(found, wanted)) << name;
  };
  expect("weight", numbers({2, 3}));
  expect("transposed", numbers({3, 2}).t());
  expect("slice", numbers({4, 4}).slice(0, 1, 3).slice(1, 0, 4, 2));
  expect("half", numbers({5}, at::kHalf));
  expect("bfloat", numbers({5}, at::kBFloat16));
  expect("double", numbers({2}, at::kDouble));
  expect("count", torch::tensor(7, at::kLong));
  expect("mask", torch::tensor({true, false, true}));
  expect("bytes", torch::tensor({0, 255}, at::kByte));
  expect("empty", torch::zeros({0, 3}));
  expect("tied.a", numbers({4, 3}));
  expect("tied.b", numbers({4, 3}));
  expect("parameter", numbers({3}));
  EXPECT_THAT(archive.ties, ElementsAre("tied.b = tied.a"));
  EXPECT_NE(tensors.at("tied.a").data_ptr(), tensors.at("tied.b").data_ptr());
  EXPECT_EQ(archive.key, "");
}
INSTANTIATE_TEST_SUITE_P(Both, TorchArchiveLayouts, ::testing::Values("state.pth", "state_legacy.pth"));

TEST(TorchArchive, ModulesKeepTheirNamesAndLoseTheirMetadata) {
  const TorchArchive archive = read_torch_archive(golden_path("module.pth"));
  std::vector<std::string> names;
  for (const auto& [name, tensor] : archive.content.tensors) names.push_back(name);
  EXPECT_THAT(names, UnorderedElementsAre("0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var",
                                          "1.num_batches_tracked"));
  EXPECT_TRUE(at::equal(archive.content.tensors.at("0.weight"), numbers({2, 3})));
  EXPECT_THAT(archive.dropped, ElementsAre());
}

TEST(TorchArchive, TheUsualEntryOfACheckpointIsFound) {
  const TorchArchive archive = read_torch_archive(golden_path("checkpoint.pth"));
  EXPECT_EQ(archive.key, "state_dict");
  EXPECT_EQ(archive.content.tensors.size(), 7u);
}

TEST(TorchArchive, AnUnclearCheckpointNamesItsEntries) {
  EXPECT_THAT(message_of(golden_path("two.pth")), AllOf(HasSubstr("model (a dictionary)"), HasSubstr("--key")));
  EXPECT_EQ(read_torch_archive(golden_path("two.pth"), {"net"}).content.tensors.at("a").numel(), 3);
  EXPECT_EQ(read_torch_archive(golden_path("two.pth"), {"ema.model"}).content.tensors.at("a").numel(), 4);
  EXPECT_THAT(message_of(golden_path("two.pth"), {"nett"}), AllOf(HasSubstr("nett"), HasSubstr("net (a dictionary)")));
}

TEST(TorchArchive, SmallHandWrittenFilesAreReadStoredAndDeflated) {
  for (const char* name : {"plain.pth", "deflated.pth"})
    EXPECT_TRUE(at::equal(read_torch_archive(golden_path(name)).content.tensors.at("a"), torch::zeros({2, 3}))) << name;
}

TEST(TorchArchive, ForeignFunctionsAreNamedAndNeverCalled) {
  const TempDir dir;
  const auto here = std::filesystem::current_path();
  std::filesystem::current_path(dir.path());
  for (const auto& [file, name] :
       std::vector<std::pair<const char*, const char*>>{{"evil.pth", "posix.system"},
                                                        {"evil_legacy.pth", "posix.system"},
                                                        {"stack_global.pth", "os.system"},
                                                        {"getattr.pth", "builtins.getattr"},
                                                        {"namespace.pth", "argparse.Namespace"},
                                                        {"complex.pth", "torch.ComplexFloatStorage"}})
    EXPECT_THAT(message_of(golden_path(file)),
                AllOf(HasSubstr(name), HasSubstr("nothing was executed"), HasSubstr("python3 -c \"import torch"),
                      HasSubstr("weights_only=False")))
        << file;
  EXPECT_FALSE(std::filesystem::exists("hacked"));
  std::filesystem::current_path(here);
}

TEST(TorchArchive, HostileFilesAreRefusedWithTheReason) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"outside.pth", "reaches to element 6 of a storage of 6"},
      {"stride.pth", "reaches to element 6 of a storage of 6"},
      {"negative.pth", "size -2"},
      {"negative_stride.pth", "stride -3"},
      {"overflow.pth", "overflow"},
      {"stride_overflow.pth", "strides overflow"},
      {"huge.pth", "has 24 bytes"},
      {"short.pth", "has 24 bytes"},
      {"ranks.pth", "2 sizes and 1 strides"},
      {"nowhere.pth", "has no bytes"},
      {"climb.pth", "has no bytes"},
      {"big_endian.pth", "big-endian"},
      {"twice.pth", "occurs twice"},
      {"inst.pth", "operation 105"},
      {"newobj.pth", "operation 129"},
      {"underflow.pth", "empty stack"},
      {"no_mark.pth", "mark"},
      {"memo.pth", "number 5"},
      {"cut_text.pth", "text of 2147483647 bytes"},
      {"left_over.pth", "left on the stack"},
      {"deep.pth", "expected a dictionary"},
      {"circle.pth", "clear"},
      {"protocol.pth", "protocol 9"},
      {"repeated.pth", "too often"},
      {"expanded.pth", "expanded view"},
      {"list.pth", "a list"},
      {"script.pt", "TorchScript"},
      {"pickle.pkl", "Python pickle"},
  };
  for (const auto& [file, reason] : cases) EXPECT_THAT(message_of(golden_path(file)), HasSubstr(reason)) << file;
}

TEST(TorchArchive, OtherFilesAreNamed) {
  const TempDir dir;
  EXPECT_THAT(message_of(dir / "absent.pth"), HasSubstr("No such file"));
  EXPECT_THAT(message_of(dir.write("empty.pth", "")), HasSubstr("no PyTorch file"));
  EXPECT_THAT(message_of(dir.write("text.pth", "hello")), HasSubstr("no PyTorch file"));
  EXPECT_THAT(message_of(dir.write("other.zip", bytes_of(golden_path("plain.pth")).substr(0, 40))),
              HasSubstr("zip archive"));
}

/// A cut file is refused wherever it is cut, and a changed byte never does harm: what is read at all is small.
TEST(TorchArchive, CutAndChangedFilesAreRefused) {
  const TempDir dir;
  for (const char* name : {"state.pth", "state_legacy.pth"}) {
    const std::string whole = bytes_of(golden_path(name));
    for (size_t size = 0; size < whole.size(); size += whole.size() / 97) {
      const auto file = dir.write("cut.pth", std::string_view(whole).substr(0, size));
      EXPECT_THROW(read_torch_archive(file), CheckpointError) << name << " cut at " << size;
    }
    int read = 0;
    for (size_t at = 0; at < whole.size(); at += 3) {
      std::string changed = whole;
      changed[at] = static_cast<char>(changed[at] ^ (1 << at % 8));
      try {
        read_torch_archive(dir.write("changed.pth", changed));
        ++read;  // padding, or a number of the legacy layout, which has no checksum
      } catch (const CheckpointError&) {
      }
    }
    EXPECT_LT(read, static_cast<int>(whole.size() / 3)) << name;
  }
}

TEST(TorchArchive, EveryChangedNumberOfTheZipLayoutIsFoundByItsChecksum) {
  const TempDir dir;
  std::string whole = bytes_of(golden_path("plain.pth"));
  const size_t data = whole.find("archive/data/0") + 14;  // stored: 24 bytes of zeros behind the name
  for (size_t at = data; at < data + 24; ++at) {
    std::string changed = whole;
    changed[at] = 1;
    EXPECT_THAT(message_of(dir.write("changed.pth", changed)), HasSubstr("checksum")) << at;
  }
}

TEST(ZipReader, ReadsStoredAndDeflatedMembers) {
  for (const char* name : {"plain.pth", "deflated.pth"}) {
    const ZipReader zip(golden_path(name), ErrorClass::dat);
    EXPECT_EQ(zip.read("archive/data/0", 24), std::string(24, '\0'));
    EXPECT_THROW(zip.read("archive/data/0", 23), DataError);
    EXPECT_THROW(zip.read("archive/data/1", 24), DataError);
  }
}

}  // namespace
}  // namespace diptych::testing
