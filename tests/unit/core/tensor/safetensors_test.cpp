#include "diptych/core/tensor/safetensors.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <chrono>
#include <fstream>
#include <iterator>

#include "diptych/core/text.h"
#include "support/temp_dir.h"
#include "support/tensor_near.h"

namespace diptych {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::TempDir;

std::string little_endian(uint64_t value) { return {reinterpret_cast<const char*>(&value), sizeof value}; }
std::string file_of(const std::string& header, const std::string& data) {
  return little_endian(header.size()) + header + data;
}
std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return concat("\"", name, "\":{\"dtype\":\"", dtype, "\",\"shape\":", shape, ",\"data_offsets\":", offsets, "}");
}
std::string bytes_of(const TensorFile& file) {
  std::string bytes;
  write_safetensors(file, [&](const void* data, size_t size) { bytes.append(static_cast<const char*>(data), size); });
  return bytes;
}

/// What the reader says of a file with these bytes, as printed; "" if it takes it.
struct Safetensors : ::testing::Test {
  std::string complaint(const std::string& bytes, const std::string& name = "a.safetensors") const {
    const auto path = folder.write(name, bytes);
    std::string said[2];
    for (int i = 0; i < 2; ++i) try {
        if (i == 0)
          read_safetensors(path);
        else
          read_safetensors_header(path);
      } catch (const CheckpointError& error) {
        said[i] = to_text(error.issues().at(0));
      }
    EXPECT_EQ(said[0], said[1]) << "the two readers disagree";
    return said[0];
  }
  std::string complaint_of_header(const std::string& header, const std::string& data = "") const {
    return complaint(file_of(header, data));
  }
  TensorFile read(const std::string& bytes) const { return read_safetensors(folder.write("a.safetensors", bytes)); }
  TempDir folder;
};

// The layout, byte for byte, worked out by hand from the format's description.
TEST_F(Safetensors, WritesTheBytesOfTheFormat) {
  TensorFile file;
  file.metadata = {{"format", "pt"}};
  file.tensors["b"] = torch::tensor({1, -2}, at::kShort);
  file.tensors["a"] = torch::tensor({1.0f}, at::kFloat);
  const std::string header =
      R"({"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"I16","shape":[2],"data_offsets":[4,8]}})";
  std::string padded = header;
  while (padded.size() % 8) padded += ' ';
  const std::string data("\x00\x00\x80\x3f\x01\x00\xfe\xff", 8);
  EXPECT_EQ(bytes_of(file), little_endian(padded.size()) + padded + data);
}

TEST_F(Safetensors, ReadsBackEveryTypeAndShape) {
  TensorFile file;
  file.metadata = {{"k", "v\n\"é"}, {"", ""}};
  torch::manual_seed(1);
  for (const auto type : {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16, at::kLong, at::kInt, at::kShort, at::kChar,
                          at::kByte, at::kBool})
    for (const auto& shape : std::vector<std::vector<int64_t>>{{}, {0}, {3}, {2, 3}, {2, 0, 5}, {1, 1, 1, 1, 7}})
      file.tensors[concat(at::toString(type), shape.size(), "/", at::IntArrayRef(shape))] =
          (torch::randn(shape) * 50).to(type);
  const TensorFile back = read(bytes_of(file));
  EXPECT_EQ(back.metadata, file.metadata);
  ASSERT_EQ(back.tensors.size(), file.tensors.size());
  for (const auto& [name, tensor] : file.tensors) {
    const at::Tensor& other = back.tensors.at(name);
    EXPECT_EQ(other.scalar_type(), tensor.scalar_type()) << name;
    EXPECT_TRUE(at::equal(other, tensor)) << name;
  }
}

TEST_F(Safetensors, KeepsNaNBitsAndTakesAnyLayout) {
  TensorFile file;
  file.tensors["nan"] = torch::tensor({0x7fc12345, static_cast<int>(0xff800000)}, at::kInt).view(at::kFloat);
  const at::Tensor base = torch::arange(24, at::kFloat).view({1, 2, 3, 4});
  file.tensors["channels_last"] = base.contiguous(at::MemoryFormat::ChannelsLast);
  file.tensors["transposed"] = base.view({6, 4}).t();
  file.tensors["slice"] = base.view({6, 4}).narrow(1, 1, 2);
  file.tensors["leaf"] = base.clone().requires_grad_(true);
  file.tensors["tied"] = base;
  const TensorFile back = read(bytes_of(file));
  EXPECT_TRUE(at::equal(back.tensors.at("nan").view(at::kInt), file.tensors["nan"].view(at::kInt)));
  for (const char* name : {"channels_last", "transposed", "slice", "leaf", "tied"})
    EXPECT_TRUE(at::equal(back.tensors.at(name), file.tensors[name])) << name;
}

TEST_F(Safetensors, EmptyFilesAreValid) {
  EXPECT_EQ(complaint_of_header("{}"), "");
  EXPECT_EQ(complaint(bytes_of({})), "");
  EXPECT_EQ(complaint_of_header(R"({"__metadata__":{}})"), "");
}

TEST_F(Safetensors, TheHeaderTellsNamesTypesAndShapes) {
  TensorFile file;
  file.tensors["w"] = torch::zeros({2, 3}, at::kBFloat16);
  file.metadata["a"] = "b";
  const std::string bytes = bytes_of(file);
  const auto info = read_safetensors_header(folder.write("a.safetensors", bytes));
  EXPECT_EQ(info.tensors.at("w").dtype, "BF16");
  EXPECT_EQ(info.tensors.at("w").shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(info.metadata.at("a"), "b");
  EXPECT_EQ(info.file_bytes, bytes.size());
}

TEST_F(Safetensors, TakesEntriesInAnyOrderAndUnalignedData) {
  const TensorFile file =
      read(file_of("{" + entry("z", "F32", "[1]", "[1,5]") + "," + entry("a", "U8", "[1]", "[0,1]") + "} \n",
                   std::string("\x07\x00\x00\x80\x3f", 5)));
  EXPECT_EQ(file.tensors.at("z").item<float>(), 1.0f);
  EXPECT_EQ(file.tensors.at("a").item<int>(), 7);
}

// ---- one test per rule of what is refused (K18)

TEST_F(Safetensors, RefusesFilesTooShortForAHeader) {
  for (int size = 0; size < 8; ++size) EXPECT_THAT(complaint(std::string(size, '\0')), HasSubstr("8 bytes")) << size;
}
TEST_F(Safetensors, RefusesHugeHeaders) {
  EXPECT_THAT(complaint(little_endian(uint64_t{1} << 63) + "{}"), HasSubstr("100000000"));
  EXPECT_THAT(complaint(little_endian(100'000'001) + "{}"), HasSubstr("100000000"));
}
TEST_F(Safetensors, RefusesAHeaderLongerThanTheFile) {
  EXPECT_THAT(complaint(little_endian(3) + "{}"), HasSubstr("is cut"));
}
TEST_F(Safetensors, RefusesAHeaderThatDoesNotBeginWithABrace) {
  for (const std::string header : {"", " {}", "[]", "\xef\xbb\xbf{}", "null"})
    EXPECT_THAT(complaint_of_header(header), HasSubstr("'{'")) << header;
}
TEST_F(Safetensors, RefusesAHeaderThatIsNoUtf8) {
  EXPECT_THAT(complaint_of_header("{\"\xff\":0}"), HasSubstr("invalid UTF-8"));
}
TEST_F(Safetensors, RefusesAHeaderThatIsNoJson) {
  EXPECT_THAT(complaint_of_header("{\"a\":"), HasSubstr("expected"));
  EXPECT_THAT(complaint_of_header("{}{}"), HasSubstr("expected"));
}
TEST_F(Safetensors, RefusesDuplicateNames) {
  const std::string one = entry("a", "U8", "[1]", "[0,1]");
  EXPECT_THAT(complaint_of_header("{" + one + "," + one + "}", "x"), HasSubstr("duplicate key 'a'"));
}
TEST_F(Safetensors, RefusesUnknownTypes) {
  EXPECT_THAT(complaint_of_header("{" + entry("w", "F99", "[1]", "[0,1]") + "}", "x"),
              AllOf(HasSubstr("'w'"), HasSubstr("dtype 'F99'"), HasSubstr("BF16")));
  EXPECT_THAT(complaint_of_header(R"({"w":{"dtype":1,"shape":[1],"data_offsets":[0,1]}})", "x"), HasSubstr("dtype"));
}
TEST_F(Safetensors, RefusesBadOffsets) {
  for (const char* offsets : {"[-1,0]", "[1,0]", "[0,2]", "[0,1.0]", "[0]", "[0,1,1]", "\"0,1\"",
                              "[0,18446744073709551616]", "[18446744073709551615,0]"})
    EXPECT_THAT(complaint_of_header("{" + entry("w", "U8", "[1]", offsets) + "}", "x"),
                AllOf(HasSubstr("'w'"), HasSubstr("data_offsets")))
        << offsets;
}
TEST_F(Safetensors, RefusesOverlaps) {
  EXPECT_THAT(
      complaint_of_header("{" + entry("a", "U8", "[2]", "[0,2]") + "," + entry("b", "U8", "[2]", "[1,3]") + "}", "xyz"),
      AllOf(HasSubstr("'b'"), HasSubstr("overlapping")));
  EXPECT_THAT(
      complaint_of_header("{" + entry("a", "U8", "[2]", "[0,2]") + "," + entry("b", "U8", "[2]", "[0,2]") + "}", "xy"),
      HasSubstr("overlapping"));
}
TEST_F(Safetensors, RefusesHoles) {
  EXPECT_THAT(
      complaint_of_header("{" + entry("a", "U8", "[1]", "[0,1]") + "," + entry("b", "U8", "[1]", "[2,3]") + "}", "xyz"),
      AllOf(HasSubstr("'b'"), HasSubstr("hole")));
  EXPECT_THAT(complaint_of_header("{" + entry("a", "U8", "[1]", "[1,2]") + "}", "xy"), HasSubstr("hole"));
}
TEST_F(Safetensors, RefusesTrailingBytes) {
  EXPECT_THAT(complaint_of_header("{" + entry("a", "U8", "[1]", "[0,1]") + "}", "xy"), HasSubstr("1 trailing bytes"));
  EXPECT_THAT(complaint_of_header("{}", "x"), HasSubstr("trailing"));
}
TEST_F(Safetensors, RefusesSizesThatDoNotMatchShapes) {
  EXPECT_THAT(complaint_of_header("{" + entry("w", "F32", "[2]", "[0,4]") + "}", "xxxx"),
              AllOf(HasSubstr("'w'"), HasSubstr("[2]"), HasSubstr("takes 8 bytes"), HasSubstr("give 4")));
  EXPECT_THAT(complaint_of_header("{" + entry("w", "F32", "[]", "[0,0]") + "}"), HasSubstr("takes 4 bytes"));
}
TEST_F(Safetensors, RefusesShapesThatOverflow) {
  EXPECT_THAT(complaint_of_header("{" + entry("w", "U8", "[4294967296,4294967296]", "[0,0]") + "}"),
              HasSubstr("overflows"));
  EXPECT_THAT(complaint_of_header("{" + entry("w", "F64", "[4611686018427387904,2]", "[0,0]") + "}"),
              HasSubstr("overflows"));
}
TEST_F(Safetensors, RefusesShapesThatAreNone) {
  for (const char* shape : {"[-1]", "[1.0]", "[\"1\"]", "1", "[[1]]", "[9223372036854775808]", "null"})
    EXPECT_THAT(complaint_of_header("{" + entry("w", "U8", shape, "[0,1]") + "}", "x"), HasSubstr("shape")) << shape;
  std::string many = "[1";
  for (int i = 0; i < 64; ++i) many += ",1";
  EXPECT_THAT(complaint_of_header("{" + entry("w", "U8", many + "]", "[0,1]") + "}", "x"), HasSubstr("shape"));
}
TEST_F(Safetensors, RefusesMissingAndUnknownKeys) {
  for (const char* fields : {"{}", "[]", "1", R"({"dtype":"U8","shape":[]})",
                             R"({"dtype":"U8","shape":[1],"data_offsets":[0,1],"extra":1})"})
    EXPECT_THAT(complaint_of_header(concat("{\"w\":", fields, "}"), "x"),
                AllOf(HasSubstr("'w'"), HasSubstr("dtype, shape and data_offsets")))
        << fields;
}
TEST_F(Safetensors, RefusesMetadataThatIsNoText) {
  for (const char* metadata : {"{\"a\":1}", "{\"a\":{\"b\":\"c\"}}", "[]", "\"x\"", "{\"a\":null}"})
    EXPECT_THAT(complaint_of_header(concat("{\"__metadata__\":", metadata, "}")), HasSubstr("__metadata__"))
        << metadata;
}
TEST_F(Safetensors, RefusesBadNames) {
  for (const std::string& name : {std::string(), std::string("a/../b"), std::string("../b"), std::string("a\\nb"),
                                  std::string("a\\u007f"), std::string(513, 'n')})
    EXPECT_THAT(complaint_of_header("{" + entry(name, "U8", "[1]", "[0,1]") + "}", "x"), HasSubstr("a name has"))
        << name;
  EXPECT_THAT(complaint_of_header("{" + entry("a\\u0000b", "U8", "[1]", "[0,1]") + "}", "x"), HasSubstr("NUL"));
  EXPECT_LT(complaint_of_header("{" + entry(std::string(10'000'000, 'n'), "U8", "[1]", "[0,1]") + "}", "x").size(),
            2000u);
  EXPECT_EQ(complaint_of_header("{" + entry(std::string(512, 'n'), "U8", "[1]", "[0,1]") + "}", "x"), "");
}
TEST_F(Safetensors, RefusesBoolsThatAreNeither) {
  const auto path =
      folder.write("b.safetensors", file_of("{" + entry("flag", "BOOL", "[2]", "[0,2]") + "}", "\x01\x02"));
  EXPECT_THROW(read_safetensors(path), CheckpointError);
}
TEST_F(Safetensors, RefusesEveryCut) {
  TensorFile file;
  file.tensors["w"] = torch::ones({5});
  const std::string bytes = bytes_of(file);
  ASSERT_EQ(complaint(bytes), "");
  for (size_t size = 0; size < bytes.size(); ++size) EXPECT_NE(complaint(bytes.substr(0, size)), "") << size;
}
TEST_F(Safetensors, IsQuickWithManyEntries) {
  std::string header = "{";
  for (int i = 0; i < 100'000; ++i) header += concat(i ? "," : "", entry(concat("t", i), "U8", "[0]", "[0,0]"));
  const auto path = folder.write("many.safetensors", file_of(header + "}", ""));
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(read_safetensors_header(path).tensors.size(), 100'000u);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
}

TEST_F(Safetensors, RecognisesOtherFormatsAndSaysHowToConvert) {  // K17
  const char* const python = "save_file";
  EXPECT_THAT(complaint("PK\x03\x04 rest of the archive", "w.pth"),
              AllOf(HasSubstr("zip archive"), HasSubstr("TorchScript"), HasSubstr(python),
                    HasSubstr("torch.load('w.pth'"), HasSubstr("'w.safetensors'")));
  EXPECT_THAT(complaint("\x80\x02\x8a\x0alegacy magic", "w.pt"), AllOf(HasSubstr("pickle"), HasSubstr(python)));
  std::string tar(512, '\0');
  tar.replace(257, 5, "ustar");
  EXPECT_THAT(complaint(tar, "w.tar"), AllOf(HasSubstr("tar archive"), HasSubstr(python)));
  EXPECT_THAT(complaint("PK\x03\x04", "a'; rm -rf x.pth"),
              AllOf(HasSubstr("torch.load('FILE'"), ::testing::Not(HasSubstr("load('a'"))));
  EXPECT_THAT(complaint("version https://git-lfs.github.com/spec/v1\n"), HasSubstr("Git LFS"));
}

TEST_F(Safetensors, ErrorsHaveTheClassAskedFor) {
  EXPECT_THROW(read_safetensors(folder / "none"), CheckpointError);
  EXPECT_THROW(read_safetensors(folder / "none", ErrorClass::dat), DataError);
  EXPECT_THROW(read_safetensors(folder.path(), ErrorClass::dat), DataError);
}

TEST_F(Safetensors, TheWriterKeepsToTheRulesToo) {
  const auto refuses = [](const std::string& name, const at::Tensor& tensor) {
    TensorFile file;
    file.tensors[name] = tensor;
    EXPECT_THROW(bytes_of(file), ShapeError) << name;
  };
  refuses("", torch::ones(1));
  refuses("__metadata__", torch::ones(1));
  refuses("a/../b", torch::ones(1));
  refuses(std::string(513, 'n'), torch::ones(1));
  refuses("undefined", at::Tensor());
  refuses("complex", torch::ones(1, at::kComplexFloat));
  refuses("sparse", torch::eye(2).to_sparse());
}

TEST_F(Safetensors, WritesFilesAtomically) {
  TensorFile file;
  file.tensors["w"] = torch::ones({1000});
  const auto path = folder / "w.safetensors";
  write_safetensors(file, path);
  std::ifstream in(path, std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), bytes_of(file));
  EXPECT_THROW(write_safetensors(file, folder / "none/w.safetensors"), OutputError);
  file.tensors["bad"] = at::Tensor();
  EXPECT_THROW(write_safetensors(file, path), ShapeError);
  EXPECT_EQ(read_safetensors(path).tensors.size(), 1u);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

}  // namespace
}  // namespace diptych
