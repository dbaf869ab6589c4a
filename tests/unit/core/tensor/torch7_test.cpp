#include "diptych/core/tensor/torch7.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include <set>

#include "core/tensor/view_fault.h"
#include "support/slurp.h"
#include "support/temp_dir.h"
#include "support/tensor_near.h"

// The files of tests/golden/torch7 are made by scripts/golden/torch7.py.

namespace diptych::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::filesystem::path golden_torch7(const std::string& name) {
  return std::filesystem::path(DIPTYCH_GOLDEN_DIR) / "torch7" / name;
}
const at::Tensor& tensor_in(const Torch7Value& table, const char* key) {
  return std::get<at::Tensor>(*std::get<Torch7Table>(table).find(key));
}
template <class Read>
std::string torch7_message(const std::filesystem::path& path, Read&& read) {
  try {
    read();
  } catch (const DataError& error) {
    EXPECT_EQ(error.issues().front().where, path.string());
    return error.what();
  }
  return "(read)";
}

std::string torch7_message(const std::filesystem::path& path) {
  return torch7_message(path, [&] { read_torch7(path); });
}

TEST(Torch7, EveryElementTypeIsReadBack) {
  const Torch7File file = read_torch7(golden_torch7("mixed.t7"));
  const at::Tensor numbers = torch::arange(6).reshape({2, 3});
  for (const auto& [key, type] : std::vector<std::pair<const char*, at::ScalarType>>{{"double", at::kDouble},
                                                                                     {"float", at::kFloat},
                                                                                     {"long", at::kLong},
                                                                                     {"int", at::kInt},
                                                                                     {"short", at::kShort},
                                                                                     {"char", at::kChar},
                                                                                     {"byte", at::kByte}}) {
    const at::Tensor& found = tensor_in(*file.root, key);
    EXPECT_EQ(found.scalar_type(), type) << key;
    EXPECT_TRUE(at::equal(found, numbers.to(type))) << key;
  }
  EXPECT_TRUE(at::equal(tensor_in(*file.root, "old"), torch::tensor({0, 1}, at::kByte)));
}

TEST(Torch7, ViewsShareTheirStorage) {
  const Torch7File file = read_torch7(golden_torch7("mixed.t7"));
  const at::Tensor& whole = tensor_in(*file.root, "float");
  EXPECT_TRUE(at::equal(tensor_in(*file.root, "transposed"), whole.t()));
  EXPECT_TRUE(at::equal(tensor_in(*file.root, "row"), whole[1]));
  EXPECT_TRUE(at::equal(tensor_in(*file.root, "storage"), whole.view(-1)));
  for (const char* view : {"transposed", "row", "storage", "again"})
    EXPECT_TRUE(tensor_in(*file.root, view).is_alias_of(whole)) << view;
  EXPECT_EQ(tensor_in(*file.root, "empty").sizes(), at::IntArrayRef({0}));
}

TEST(Torch7, TablesHoldAnythingEvenThemselves) {
  const Torch7File file = read_torch7(golden_torch7("mixed.t7"));
  const auto& root = std::get<Torch7Table>(*file.root);
  EXPECT_EQ(root.find("self"), file.root);
  EXPECT_EQ(root.find("absent"), nullptr);
  const auto& list = std::get<Torch7Table>(*root.find("list")).entries;
  ASSERT_EQ(list.size(), 5u);
  EXPECT_EQ(list[3].first, Torch7Table::Key(4.0));
  EXPECT_EQ(std::get<std::string>(*list[0].second), "a");
  EXPECT_EQ(std::get<double>(*list[1].second), 2.5);
  EXPECT_TRUE(std::get<bool>(*list[2].second));
  EXPECT_TRUE(std::holds_alternative<std::monostate>(*list[3].second));
  EXPECT_EQ(std::get<std::string>(*list[4].second), std::string("\xff\0", 2));
  EXPECT_EQ(root.entries[root.entries.size() - 3].first, Torch7Table::Key(7.0));
  EXPECT_EQ(root.entries[root.entries.size() - 2].first, Torch7Table::Key(false));
}

TEST(Torch7, ATensorAloneIsGivenInOrder) {
  const at::Tensor features = read_torch7_tensor(golden_torch7("features.t7"));  // stored views first
  EXPECT_TRUE(features.is_contiguous());
  EXPECT_TRUE(at::equal(features, torch::arange(24, at::kDouble).reshape({3, 4, 2}).permute({2, 0, 1})));
  EXPECT_TRUE(at::equal(read_torch7_tensor(golden_torch7("storage.t7")), torch::arange(4)));
  EXPECT_THROW(read_torch7_tensor(golden_torch7("number.t7")), DataError);
  EXPECT_THROW(read_torch7_tensor(golden_torch7("mixed.t7"), ErrorClass::ckp), CheckpointError);
}

TEST(Torch7, AHeaderIsReadAndRefusedAsTheTensorIs) {
  const at::Tensor header = read_torch7_tensor_header(golden_torch7("features.t7"));
  EXPECT_EQ(header.sizes(), (at::IntArrayRef{2, 3, 4}));
  EXPECT_EQ(header.scalar_type(), at::kDouble);
  int refused = 0, read = 0;
  for (const auto& each : std::filesystem::directory_iterator(golden_torch7(""))) {
    const std::filesystem::path file = each.path();
    if (file.extension() != ".t7") continue;
    at::Tensor whole, alone;
    const std::string error = torch7_message(file, [&] { whole = read_torch7_tensor(file); });
    EXPECT_EQ(torch7_message(file, [&] { alone = read_torch7_tensor_header(file); }), error) << file;
    if (!whole.defined()) {
      ++refused;
      continue;
    }
    ++read;
    EXPECT_TRUE(alone.is_meta()) << file;
    EXPECT_EQ(alone.sizes(), whole.sizes()) << file;
    EXPECT_EQ(alone.scalar_type(), whole.scalar_type()) << file;
  }
  EXPECT_GT(refused, 30);
  EXPECT_GT(read, 2);
}
TEST(Torch7, FilesOfOverFourGibibytesAreRefusedByTheirSize) {
  const TempDir dir;
  dir.write("sparse.t7", "");
  std::filesystem::resize_file(dir / "sparse.t7", (uint64_t{4} << 30) + 1);
  for (const auto read : {read_torch7_tensor, read_torch7_tensor_header})
    EXPECT_THAT(torch7_message(dir / "sparse.t7", [&] { read(dir / "sparse.t7", ErrorClass::dat); }),
                HasSubstr("is larger than"));
}

TEST(Torch7, OtherFilesAreNamed) {
  const TempDir dir;
  EXPECT_THAT(torch7_message(dir / "absent.t7"), HasSubstr("No such file"));
  EXPECT_THAT(torch7_message(dir.write("empty.t7", "")), HasSubstr("byte 0: the file ends within the type"));
  EXPECT_THAT(torch7_message(dir.write("text.t7", "hello, world")), HasSubstr("byte 0: no object has the type"));
  EXPECT_EQ(torch7_message(golden_torch7("nested_100.t7")), "(read)");
}

TEST(Torch7, HostileFilesAreRefusedWithPlaceAndReason) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"nested_101.t7", "nest more than 100 deep"},
      {"following.t7", "byte 12: 1 bytes follow"},
      {"type.t7", "byte 0: no object has the type 9"},
      {"big_endian.t7", "byte 0: no object has the type 67108864"},
      {"text_form.t7", "text form"},
      {"function.t7", "Lua function; only data is read, and nothing is executed"},
      {"class.t7", "class 'nn.Linear'"},
      {"cuda.t7", "class 'torch.CudaTensor'"},
      {"version.t7", "version 'V 9'"},
      {"long_name.t7", "class name is 300, allowed are 256"},
      {"boolean.t7", "byte 4: a boolean is 2"},
      {"index.t7", "index of an object is 0"},
      {"string.t7", "byte 4: the length of a string is 2147483647, but 3 bytes are left"},
      {"negative_string.t7", "length of a string is -1"},
      {"entries.t7", "entries of a table is 2147483647, but 24 bytes are left"},
      {"negative_entries.t7", "entries of a table is -1"},
      {"nil_key.t7", "byte 12: a key of type 0"},
      {"table_key.t7", "a key of type 3"},
      {"nan_key.t7", "a key is not a number"},
      {"same_key.t7", "a key twice"},
      {"retyped.t7", "object 2 is referred to as another type"},
      {"huge.t7", "elements of a storage is 1152921504606846976, but 24 bytes are left"},
      {"negative_count.t7", "elements of a storage is -1"},
      {"short.t7", "elements of a storage is 7, but 24 bytes are left"},
      {"dimensions.t7", "dimensions of a tensor is 2147483647"},
      {"many_dimensions.t7", "65 sizes and 65 strides"},
      {"outside.t7", "reaches to element 6 of a storage of 6"},
      {"before.t7", "offset -1"},
      {"least_offset.t7", "offset -9223372036854775808"},
      {"stride.t7", "reaches to element 6 of a storage of 6"},
      {"negative.t7", "size -2"},
      {"negative_stride.t7", "stride -3"},
      {"overflow.t7", "its size overflows"},
      {"empty_overflow.t7", "its size overflows"},
      {"stride_overflow.t7", "its strides overflow"},
      {"expanded.t7", "an expanded view"},
      {"no_storage.t7", "reaches to element 1 of a storage of 0"},
      {"own_storage.t7", "numbers are no storage"},
      {"number_storage.t7", "numbers are no storage"},
      {"other_storage.t7", "storage is of another type"},
  };
  for (const auto& [file, reason] : cases)
    EXPECT_THAT(torch7_message(golden_torch7(file)), AllOf(HasSubstr("byte "), HasSubstr(reason))) << file;
  EXPECT_FALSE(std::filesystem::exists("hacked"));
}

/// Bytes of all storages. A file that can be read may not make more of them than it has.
size_t bytes_held(const Torch7File& file) {
  std::set<const void*> seen;
  size_t bytes = 0;
  for (const Torch7Value& value : file.values)
    if (const auto* tensor = std::get_if<at::Tensor>(&value))
      if (seen.insert(tensor->storage().data()).second) bytes += tensor->storage().nbytes();
  return bytes;
}

TEST(Torch7, CutFilesAreRefusedWhereverTheyAreCut) {
  for (const char* name : {"mixed.t7", "features.t7", "nested_100.t7"}) {
    const std::string whole = slurp(golden_torch7(name));
    for (size_t size = 0; size < whole.size(); ++size)
      EXPECT_THAT(torch7_message("cut.t7", [&] { parse_torch7(std::string_view(whole).substr(0, size), "cut.t7"); }),
                  HasSubstr("byte "))
          << name << " cut at " << size;
  }
}

TEST(Torch7, ChangedBytesGiveAValueOrAnError) {
  int read = 0, refused = 0;
  for (const char* name : {"mixed.t7", "features.t7"}) {
    const std::string whole = slurp(golden_torch7(name));
    for (size_t at = 0; at < whole.size(); ++at)
      for (const int mask : {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff}) {
        std::string changed = whole;
        changed[at] = static_cast<char>(changed[at] ^ mask);
        try {
          const Torch7File file = parse_torch7(changed, "changed.t7");
          EXPECT_LE(bytes_held(file), whole.size());
          ++read;
        } catch (const DataError&) {
          ++refused;
        }
      }
  }
  EXPECT_GT(read, 3000);  // numbers and letters
  EXPECT_GT(refused, 3000);
}

TEST(ViewFault, SaysWhatDoesNotFit) {
  EXPECT_EQ(view_fault(6, 0, {2, 3}, {3, 1}), "");
  EXPECT_EQ(view_fault(6, 5, {1}, {100}), "");
  EXPECT_EQ(view_fault(0, 0, {0, 3}, {3, 1}), "");
  EXPECT_THAT(view_fault(6, 6, {1}, {1}), HasSubstr("reaches to element 6"));
  EXPECT_THAT(view_fault(6, 0, {2, 3}, {1}), HasSubstr("2 sizes and 1 strides"));
}

}  // namespace
}  // namespace diptych::testing
