#include "diptych/core/tensor/npz.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <cstring>

#include "diptych/core/error.h"
#include "support/temp_dir.h"

namespace diptych {
namespace {

using ::testing::HasSubstr;

template <class T>
T at(const std::string& bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

/// CRC-32 bit by bit, as ISO 3309 defines it.
uint32_t crc_of(const std::string& bytes) {
  uint32_t crc = 0xffffffff;
  for (const char c : bytes)
    for (int bit = 0; bit < 8; ++bit) {
      const uint32_t carry = (crc ^ static_cast<uint32_t>(c >> bit)) & 1;
      crc = (crc >> 1) ^ (carry ? 0xedb88320 : 0);
    }
  return ~crc;
}

TEST(NpzWriter, WritesTheBytesOfTheFormats) {
  NpzWriter writer;
  writer.add("n", std::vector<int32_t>{1, -1});
  const std::string zip = writer.finish();
  // Local header of 30 bytes, the name, then the npy file.
  EXPECT_EQ(at<uint32_t>(zip, 0), 0x04034b50u);
  EXPECT_EQ(at<uint16_t>(zip, 8), 0);  // stored
  const auto crc = at<uint32_t>(zip, 14), size = at<uint32_t>(zip, 18);
  EXPECT_EQ(at<uint32_t>(zip, 22), size);
  EXPECT_EQ(zip.substr(30, at<uint16_t>(zip, 26)), "n.npy");
  const std::string npy = zip.substr(35, size);
  EXPECT_EQ(npy.substr(0, 8), std::string("\x93NUMPY\x01\x00", 8));
  EXPECT_EQ(crc_of("123456789"), 0xcbf43926u);  // the published check value
  EXPECT_EQ(crc, crc_of(npy));
  const size_t data_at = 10 + at<uint16_t>(npy, 8);
  EXPECT_EQ(data_at % 64, 0u);
  EXPECT_EQ(npy[data_at - 1], '\n');
  EXPECT_THAT(npy, HasSubstr("{'descr': '<i4', 'fortran_order': False, 'shape': (2,), }"));
  EXPECT_EQ(npy.substr(data_at), std::string("\x01\0\0\0\xff\xff\xff\xff", 8));
  // Central directory of one entry, then the end record that points to it.
  const size_t end_at = zip.size() - 22;
  EXPECT_EQ(at<uint32_t>(zip, end_at), 0x06054b50u);
  EXPECT_EQ(at<uint16_t>(zip, end_at + 10), 1);
  const auto directory_at = at<uint32_t>(zip, end_at + 16);
  EXPECT_EQ(directory_at, 35 + size);
  EXPECT_EQ(at<uint32_t>(zip, directory_at), 0x02014b50u);
  EXPECT_EQ(at<uint32_t>(zip, directory_at + 16), crc);
  EXPECT_EQ(at<uint32_t>(zip, end_at + 12), end_at - directory_at);
}

TEST(NpzWriter, IsEmptyAfterwardsAndRepeatable) {
  NpzWriter writer;
  const auto once = [&] {
    writer.add("a", std::vector<int64_t>{1, 2});
    return writer.finish();
  };
  EXPECT_EQ(once(), once());
}

TEST(NpzWriter, RefusesNamesTwiceAndShapesThatDoNotFit) {
  NpzWriter writer;
  writer.add("a", std::vector<int64_t>{1});
  EXPECT_THROW(writer.add("a", std::vector<int64_t>{1}), ShapeError);
  EXPECT_THROW(writer.add("", std::vector<int64_t>{1}), ShapeError);
  EXPECT_THROW(writer.add("b", std::vector<float>{1, 2}, {3}), ShapeError);
}

TEST(NpzWriter, IsReadByNumpy) {
  const std::string python = std::string(DIPTYCH_SOURCE_DIR) + "/.venv/bin/python";
  if (std::system((python + " -c 'import numpy' 2>/dev/null").c_str()) != 0) GTEST_SKIP() << "no Python with numpy";
  const testing::TempDir folder;
  NpzWriter writer;
  writer.add("i8", std::vector<int64_t>{-1, int64_t{1} << 40});
  writer.add("i4", std::vector<int32_t>{7});
  writer.add("f4", {1.5f, -2, 3, 4, 5, 6}, {2, 3});
  writer.add("scalar", {2.5f}, {});
  writer.add("none", std::vector<int64_t>{});
  writer.add("text", std::vector<std::string>{"a", "", "h\xc3\xa9"});
  writer.add("no_text", std::vector<std::string>{});
  folder.write("a.npz", writer.finish());
  folder.write("check.py", R"(
import numpy as np, sys, zipfile
assert zipfile.ZipFile(sys.argv[1]).testzip() is None
f = np.load(sys.argv[1], allow_pickle=False)
assert sorted(f.files) == ['f4', 'i4', 'i8', 'no_text', 'none', 'scalar', 'text'], f.files
assert f['i8'].dtype == np.int64 and f['i8'].tolist() == [-1, 1 << 40]
assert f['i4'].dtype == np.int32 and f['i4'].tolist() == [7]
assert f['f4'].dtype == np.float32 and f['f4'].tolist() == [[1.5, -2, 3], [4, 5, 6]]
assert f['scalar'].shape == () and f['scalar'] == 2.5
assert f['none'].shape == (0,) and f['no_text'].shape == (0,)
assert [t.decode() for t in f['text']] == ['a', '', 'h\u00e9'], f['text']
)");
  EXPECT_EQ(std::system((python + " " + (folder / "check.py").string() + " " + (folder / "a.npz").string()).c_str()),
            0);
}

/// The message with which reading `bytes` is refused; "" if it is accepted.
std::string refusal(const std::string& bytes, const std::string& array = "") {
  const testing::TempDir folder;
  try {
    const NpzReader reader(folder.write("a.npz", bytes), ErrorClass::ckp);
    if (!array.empty()) reader.int32s(array);
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.issues().at(0).error_class, ErrorClass::ckp);
    EXPECT_THAT(error.issues().at(0).where, HasSubstr("a.npz"));
    return error.what();
  }
}

std::string some_archive() {
  NpzWriter writer;
  writer.add("i4", std::vector<int32_t>{7, -1});
  writer.add("i8", std::vector<int64_t>{int64_t{1} << 40});
  writer.add("f4", {1.5f, -2, 3, 4, 5, 6}, {2, 3});
  writer.add("text", std::vector<std::string>{"a", "", "h\xc3\xa9"});
  writer.add("none", std::vector<int32_t>{});
  return writer.finish();
}

TEST(NpzReader, ReadsWhatTheWriterWrote) {
  const testing::TempDir folder;
  const NpzReader reader(folder.write("a.npz", some_archive()));
  EXPECT_THAT(reader.names(), ::testing::ElementsAre("f4", "i4", "i8", "none", "text"));
  EXPECT_THAT(reader.int32s("i4"), ::testing::ElementsAre(7, -1));
  EXPECT_THAT(reader.int64s("i8"), ::testing::ElementsAre(int64_t{1} << 40));
  EXPECT_THAT(reader.strings("text"), ::testing::ElementsAre("a", "", "h\xc3\xa9"));
  EXPECT_TRUE(reader.int32s("none").empty());
  std::vector<int64_t> shape;
  EXPECT_THAT(reader.floats("f4", shape), ::testing::ElementsAre(1.5f, -2, 3, 4, 5, 6));
  EXPECT_THAT(shape, ::testing::ElementsAre(2, 3));
}

TEST(NpzReader, RefusesOtherTypesShapesAndNames) {
  EXPECT_THAT(refusal(some_archive(), "i8"), HasSubstr("has dtype <i8, needed is <i4"));
  EXPECT_THAT(refusal(some_archive(), "absent"), HasSubstr("has no array 'absent'"));
  NpzWriter writer;
  writer.add("f4", {1.5f}, {1, 1});
  const testing::TempDir folder;
  const NpzReader reader(folder.write("a.npz", writer.finish()));
  EXPECT_THROW(reader.int32s("f4"), Error);
}

TEST(NpzReader, RefusesACutAtEveryByteAndEveryFlippedByteOfTheData) {
  const std::string whole = some_archive();
  EXPECT_EQ(refusal(whole), "");
  for (size_t size = 0; size < whole.size(); size += 7) EXPECT_NE(refusal(whole.substr(0, size)), "") << size;
  const size_t directory_at = at<uint32_t>(whole, whole.size() - 6);
  for (size_t i = 0; i < whole.size(); i += 5) {
    std::string damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x5a);
    const std::string message = refusal(damaged);  // never a crash
    if (i > 40 && i < 150) {
      EXPECT_THAT(message, HasSubstr("checksum")) << i << " of " << directory_at;
    }
  }
}

TEST(NpzReader, ReadsNumpysFiles) {
  const std::string python = std::string(DIPTYCH_SOURCE_DIR) + "/.venv/bin/python";
  if (std::system((python + " -c 'import numpy' 2>/dev/null").c_str()) != 0) GTEST_SKIP() << "no Python with numpy";
  const testing::TempDir folder;
  folder.write("make.py", R"(
import numpy as np, sys
np.savez(sys.argv[1], i4=np.array([1, 2], np.int32), text=np.array([b'a', b'bcd']))
np.savez_compressed(sys.argv[2], i4=np.array([1, 2], np.int32))
)");
  const auto path = [&](const char* name) { return (folder / name).string(); };
  ASSERT_EQ(std::system((python + " " + path("make.py") + " " + path("a.npz") + " " + path("b.npz")).c_str()), 0);
  const NpzReader reader(path("a.npz"));
  EXPECT_THAT(reader.int32s("i4"), ::testing::ElementsAre(1, 2));
  EXPECT_THAT(reader.strings("text"), ::testing::ElementsAre("a", "bcd"));
  try {
    NpzReader(path("b.npz"));
    FAIL() << "a compressed member was accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("compressed"));
  }
}

}  // namespace
}  // namespace diptych
