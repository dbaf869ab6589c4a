#include "core/io/pickle_reader.h"

#include <gmock/gmock.h>

#include "diptych/core/error.h"

namespace diptych::pickled {
namespace {

using namespace std::string_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

/// The message of the DataError; empty and a failure without one.
std::string pickle_error(const std::string& bytes, const Limits& limits = {}) {
  try {
    read(bytes, "a.npy", limits);
  } catch (const DataError& error) {
    return error.what();
  }
  ADD_FAILURE() << "read without complaint";
  return "";
}

const std::vector<const Value*>& items_of(const Value& value) { return std::get<List>(value.content).items; }
template <class T>
T content_of(const Value& value) {
  return std::get<T>(value.content);
}
const Value& entry_of(const Value& value, const std::string& key) {
  for (const auto& [name, content] : std::get<Dict>(value.content).entries)
    if (content_of<std::string>(*name) == key) return *content;
  throw std::out_of_range(key);
}

// dtype('i8') and so on, as protocol 2 of numpy writes it.
std::string dtype_bytes(const std::string& code, const std::string& order) {
  return "cnumpy\ndtype\nU\x02"s + code + "K\0K\x01\x87R(K\x03U\x01"s + order +
         "NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"s;
}
std::string array_bytes(const std::string& shape, const std::string& dtype, const std::string& elements) {
  return "cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\x01"s
         "b\x87R(K\x01"s +
         shape + dtype + "\x89"s + elements + "tb"s;
}
std::string scalar_bytes(const std::string& code, const std::string& order, const std::string& content) {
  return "cnumpy.core.multiarray\nscalar\n"s + dtype_bytes(code, order) + "U"s + static_cast<char>(content.size()) +
         content + "\x86R"s;
}
std::string npy(const std::string& descr, const std::string& pickle) {
  const std::string header = "{'descr': '" + descr + "', 'fortran_order': False, 'shape': (), }\n";
  return "\x93NUMPY\x01\0"s + static_cast<char>(header.size()) + "\0"s + header + pickle;
}
// np.save("x.npy", {"x": 1})
std::string saved_dictionary() {
  return npy("|O", "\x80\x02"s + array_bytes(")", dtype_bytes("O8", "|"), "]}X\x01\0\0\0xK\x01sa"s) + "."s);
}

TEST(PickleReader, ReadsTheTextsOfProtocolNought) {
  // {'a': [1, True, 5L, 0.5, None], "b": u'\xfcx'}
  const Pickle pickle = read("(dp0\nS'a'\np1\n(lp2\nI1\naI01\naL5L\naF0.5\naNasS\"b\"\nV\\u00fcx\ns.", "a.pkl");
  const auto& items = items_of(entry_of(*pickle.root, "a"));
  ASSERT_EQ(items.size(), 5u);
  EXPECT_EQ(content_of<int64_t>(*items[0]), 1);
  EXPECT_EQ(content_of<bool>(*items[1]), true);
  EXPECT_EQ(content_of<int64_t>(*items[2]), 5);
  EXPECT_EQ(content_of<double>(*items[3]), 0.5);
  EXPECT_TRUE(items[4]->as<None>());
  EXPECT_EQ(content_of<std::string>(entry_of(*pickle.root, "b")), "\xc3\xbcx");
}

TEST(PickleReader, ReadsTheBytesOfLaterProtocols) {
  // protocol 4: a frame, a memo, (7, -2, 300, -1, 2.5, b'\0z', {'k': False})
  const std::string body =
      "(K\x07J\xfe\xff\xff\xffM\x2c\x01\x8a\x01\xffG\x40\x04\0\0\0\0\0\0C\x02\0z}\x94(\x8c\x01k\x89ut."s;
  const Pickle pickle = read("\x80\x04\x95"s + static_cast<char>(body.size()) + "\0\0\0\0\0\0\0"s + body, "a.pkl");
  const auto& items = items_of(*pickle.root);
  ASSERT_EQ(items.size(), 7u);
  EXPECT_EQ(content_of<int64_t>(*items[0]), 7);
  EXPECT_EQ(content_of<int64_t>(*items[1]), -2);
  EXPECT_EQ(content_of<int64_t>(*items[2]), 300);
  EXPECT_EQ(content_of<int64_t>(*items[3]), -1);
  EXPECT_EQ(content_of<double>(*items[4]), 2.5);
  EXPECT_EQ(content_of<Bytes>(*items[5]).bytes, "\0z"s);
  EXPECT_EQ(content_of<bool>(entry_of(*items[6], "k")), false);
}

TEST(PickleReader, StoredValuesAreShared) {
  const Pickle pickle = read(
      "\x80\x02]q\x00K\x05"s
      "ah\x00\x86."s,
      "a.pkl");
  const auto& pair = items_of(*pickle.root);
  ASSERT_EQ(pair.size(), 2u);
  EXPECT_EQ(pair[0], pair[1]);
  EXPECT_EQ(content_of<int64_t>(*items_of(*pair[0])[0]), 5);
}

TEST(PickleReader, UnpacksWhatNumpySaves) {
  const Pickle pickle = read(saved_dictionary(), "a.npy");
  EXPECT_EQ(content_of<int64_t>(entry_of(*pickle.root, "x")), 1);
}

TEST(PickleReader, ReadsNumpysScalarsAndArraysOfOneAxis) {
  const std::string numbers = "\x03\0\0\0\0\0\0\0\xfe\xff\xff\xff\xff\xff\xff\xff"s;  // 3, -2
  const Pickle array =
      read("\x80\x02"s + array_bytes("K\x02\x85", dtype_bytes("i8", "<"), "U\x10"s + numbers) + "."s, "a.pkl");
  ASSERT_EQ(items_of(*array.root).size(), 2u);
  EXPECT_EQ(content_of<int64_t>(*items_of(*array.root)[0]), 3);
  EXPECT_EQ(content_of<int64_t>(*items_of(*array.root)[1]), -2);

  EXPECT_EQ(content_of<int64_t>(*read("\x80\x02"s + scalar_bytes("u1", "|", "\xff") + "."s, "a.pkl").root), 255);
  EXPECT_EQ(content_of<double>(*read("\x80\x02"s + scalar_bytes("f4", "<", "\0\0\x20\xc0"s) + "."s, "a.pkl").root),
            -2.5);
  EXPECT_EQ(
      content_of<std::string>(*read("\x80\x02"s + scalar_bytes("U2", "<", "\xfc\0\0\0\0\0\0\0"s) + "."s, "a.pkl").root),
      "\xc3\xbc");
  EXPECT_THAT(pickle_error("\x80\x02"s + scalar_bytes("i4", ">", "\0\0\0\1"s) + "."s), HasSubstr("big-endian"));
  EXPECT_THAT(pickle_error("\x80\x02"s + scalar_bytes("c8", "<", "\0\0\0\0\0\0\0\0"s) + "."s),
              HasSubstr("dtype 'c8' is not read"));
}

TEST(PickleReader, BytesOfProtocolTwoComeAsText) {
  const Pickle pickle = read(
      "\x80\x02"s
      "c_codecs\nencode\nX\x03\0\0\0a\xc3\xbfX\x06\0\0\0latin1\x86R."s,
      "a.pkl");
  EXPECT_EQ(content_of<Bytes>(*pickle.root).bytes, "a\xff");
}

TEST(PickleReader, NamesAreNotLookedUp) {
  EXPECT_THAT(pickle_error("\x80\x02"s
                           "cos\nsystem\nU\x02ls\x85R."s),
              AllOf(HasSubstr("a.npy byte 2:"), HasSubstr("'os.system', which is not accepted")));
  EXPECT_THAT(pickle_error("\x80\x04\x8c\x08"s
                           "builtins\x8c\x04"s
                           "eval\x93."s),
              HasSubstr("'builtins.eval'"));
  EXPECT_THAT(pickle_error("(S'ls'\nios\nsystem\n."), HasSubstr("byte 7: operation 105 is not accepted"));
  EXPECT_THAT(pickle_error("\x80\x02"s
                           "cnumpy\nndarray\nK\x01\x85R."s),
              HasSubstr("numpy.ndarray is called"));
}

TEST(PickleReader, EveryTruncationIsRefused) {
  const std::string whole = saved_dictionary();
  ASSERT_NO_THROW(read(whole, "a.npy"));
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_THAT(pickle_error(whole.substr(0, size)), HasSubstr("a.npy byte ")) << size;
  EXPECT_THAT(pickle_error(whole + "x"), HasSubstr("1 bytes follow the end"));
}

TEST(PickleReader, LengthsAreCheckedBeforeMemoryIsTaken) {
  EXPECT_THAT(pickle_error("\x80\x02X\xff\xff\xff\xff."s), HasSubstr("a text of 4294967295 bytes"));
  EXPECT_THAT(pickle_error("\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xff."s),
              HasSubstr("a text of 18446744073709551615"));
  EXPECT_THAT(pickle_error("\x80\x02\x8b\x00\x00\x10\x00."s), HasSubstr("should follow byte"));
  EXPECT_THAT(pickle_error("\x80\x02\x8a\x09\0\0\0\0\0\0\0\0\x01."s), HasSubstr("an integer of 9 bytes"));
  EXPECT_THAT(pickle_error("\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xffN."s), HasSubstr("a frame of"));
  EXPECT_THAT(
      pickle_error("\x80\x02"s + array_bytes("\x8a\x05\0\0\0\0\x01\x85"s, dtype_bytes("i8", "<"), "U\0"s) + "."s),
      HasSubstr("an array of 4294967296 elements has 0"));
  EXPECT_THAT(pickle_error("\x93NUMPY\x02\0\xff\xff\xff\xff{"s), HasSubstr("4294967295 bytes should follow"));
}

TEST(PickleReader, LimitsHold) {
  EXPECT_THAT(pickle_error("\x80\x02]NaNaNa."s, {.max_values = 3}), HasSubstr("more than 3 values"));
  EXPECT_THAT(pickle_error("\x80\x02N."s, {.max_bytes = 3}), HasSubstr("larger than 3 bytes"));
  EXPECT_THAT(pickle_error("\x80\x02X\x02\0\0\0ab."s, {.max_text = 1}), HasSubstr("at most 1 are read"));
  EXPECT_NO_THROW(read("]]]aa.", "a.pkl", {.max_depth = 3}));
  EXPECT_THAT(pickle_error("]]]]aaa.", {.max_depth = 2}), HasSubstr("nested more than 2 deep"));
}

TEST(PickleReader, DeepAndCircularValuesAreRefused) {
  const size_t deep = 200000;
  EXPECT_THAT(pickle_error(std::string(deep, ']') + std::string(deep - 1, 'a') + "."),
              HasSubstr("nested more than 64"));
  EXPECT_THAT(pickle_error(std::string(deep, '(')), HasSubstr("more than 64 marks"));
  EXPECT_THAT(pickle_error("\x80\x02]q\x00h\x00"s
                           "a."s),
              HasSubstr("a value contains itself"));
  // Every list holds the one before twice: 2^60 lists for who follows them, 61 for who remembers them.
  std::string doubling = "]";
  for (int i = 0; i < 60; ++i) doubling += "2\x86";
  EXPECT_NO_THROW(read(doubling + ".", "a.pkl"));
}

TEST(PickleReader, CopiesDoNotOutgrowTheFile) {
  std::string pickle = "\x80\x02X\x00\x00\x01\x00"s + std::string(65536, 'a') + "q\0X\x06\0\0\0latin1q\x01"s +
                       "c_codecs\nencode\nq\x02"s;
  for (int i = 0; i < 1000; ++i) pickle += "h\x02h\0h\x01\x86R0"s;  // 64 KiB each
  EXPECT_THAT(pickle_error(pickle + "."), HasSubstr("many times as long as the file"));
}

TEST(PickleReader, NonsenseIsNamedWithItsByte) {
  EXPECT_THAT(pickle_error(""), HasSubstr("a.npy byte 0"));
  EXPECT_THAT(pickle_error("\xff"), HasSubstr("operation 255 is not accepted"));
  EXPECT_THAT(pickle_error("\x80\x09."s), HasSubstr("pickle protocol 9"));
  EXPECT_THAT(pickle_error("\x80\x02h\x05."s), HasSubstr("byte 2: value number 5 is taken, which was not stored"));
  EXPECT_THAT(pickle_error("\x80\x02."s), HasSubstr("there is none"));
  EXPECT_THAT(pickle_error("\x80\x02NN."s), HasSubstr("values are left over"));
  EXPECT_THAT(pickle_error("\x80\x02NK\x01s."s), HasSubstr("there is none"));
  EXPECT_THAT(pickle_error("\x80\x02K\x01Na."s), HasSubstr("appended to an integer, not a list"));
  EXPECT_THAT(pickle_error("\x80\x02X\x01\0\0\0\xff."s), HasSubstr("invalid UTF-8"));
  EXPECT_THAT(pickle_error("I12x\n."), HasSubstr("'12x' is no integer"));
  EXPECT_THAT(pickle_error("I99999999999999999999\n."), HasSubstr("no integer of 64 bits"));
  EXPECT_THAT(pickle_error("S'a\n."), HasSubstr("quotation marks"));
  EXPECT_THAT(pickle_error("V\\uZZ\n."), HasSubstr("escape"));
  EXPECT_THAT(pickle_error(npy("<f4", "N.")), HasSubstr("names no object"));
}

}  // namespace
}  // namespace diptych::pickled
