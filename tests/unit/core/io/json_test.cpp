#include "diptych/core/io/json.h"

#include <gmock/gmock.h>

#include <chrono>
#include <cmath>

#include "diptych/core/text.h"
#include "support/temp_dir.h"

namespace diptych {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

/// The complaint about `text`, as it is printed; "" if it is accepted.
std::string complaint(std::string_view text) {
  try {
    parse_json(text, "a.json");
    return "";
  } catch (const DataError& error) {
    return to_text(error.issues().at(0));
  }
}
std::string nested(size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

TEST(ParseJson, KeepsValuesAndTheOrderOfKeys) {
  const Json value = parse_json(R"({"z": [1, -2, 2.5, true, null], "a": {"b": "\u00e9\n"}})", "a.json");
  EXPECT_EQ(dump_line(value), R"({"z":[1,-2,2.5,true,null],"a":{"b":"é\n"}})");
  EXPECT_TRUE(value["z"][0].is_number_unsigned());
  EXPECT_EQ(parse_json(" 3 ", "a.json"), 3);
  EXPECT_EQ(parse_json("\"\"", "a.json"), "");
}

TEST(ParseJson, SkipsAByteOrderMark) { EXPECT_EQ(parse_json("\xef\xbb\xbf[1]", "a.json"), Json::array({1})); }

TEST(ParseJson, NamesADuplicateKeyAtItsPlace) {  // D4
  EXPECT_THAT(complaint("{\"id\": 1,\n  \"x\\\"y\": 2,\n  \"id\": 3}"),
              AllOf(HasSubstr("a.json:3:3"), HasSubstr("duplicate key 'id'")));
  EXPECT_THAT(complaint(R"({"a": {"x\"y": 1, "x\"y": 2}})"),
              AllOf(HasSubstr("a.json:1:19"), HasSubstr("duplicate key")));
  EXPECT_EQ(complaint(R"([{"id": 1}, {"id": 1, "sub": {"id": 1}}])"), "");
}

TEST(ParseJson, FindsADuplicateAmongManyKeys) {
  std::string text = "{";
  for (int i = 0; i < 40; ++i) text += concat("\"k", i, "\":0,");
  EXPECT_EQ(complaint(text + "\"k40\":0}"), "");
  for (int again : {0, 15, 16, 17, 39})
    EXPECT_THAT(complaint(text + concat("\"k", again, "\":0}")), HasSubstr("duplicate key 'k"));
}

TEST(ParseJson, ReadsAMapOfManyKeysInLinearTime) {
  std::string text = "{";
  for (int i = 0; i < 200000; ++i) text += concat("\"k", i, "\":0,");
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(parse_json(text + "\"last\":1}", "a.json").size(), 200001u);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));  // quadratic: minutes
}

TEST(ParseJson, RefusesDepthBeyond64) {  // D3
  EXPECT_EQ(complaint(nested(64)), "");
  EXPECT_THAT(complaint(nested(65)), AllOf(HasSubstr("a.json:1:65"), HasSubstr("nested deeper than 64")));
  EXPECT_THAT(complaint(std::string(1000000, '[')), HasSubstr("nested deeper than 64"));
  std::string objects;
  for (int i = 0; i < 65; ++i) objects += "{\"a\":";
  EXPECT_THAT(complaint(objects), HasSubstr("nested deeper than 64"));
}

TEST(ParseJson, RefusesBytesThatAreNoText) {  // D9
  EXPECT_THAT(complaint("[\"ab\xff\"]"), AllOf(HasSubstr("a.json:1:5"), HasSubstr("invalid UTF-8 at byte offset 4")));
  EXPECT_THAT(complaint("[\"\xc0\xaf\"]"), HasSubstr("invalid UTF-8 at byte offset 2"));
  EXPECT_THAT(complaint("[\"\xed\xa0\x80\"]"), HasSubstr("invalid UTF-8"));
  EXPECT_THAT(complaint("[1,\n \"a\\u0000b\"]"),
              AllOf(HasSubstr("a.json:2:2"), HasSubstr("NUL"), HasSubstr("offset 5")));
  EXPECT_THAT(complaint("{\"a\\u0000b\": 1}"), HasSubstr("NUL"));
  EXPECT_NE(complaint("[\"\\ud800\"]"), "");
}

TEST(ParseJson, PlacesSyntaxErrors) {  // D2
  EXPECT_THAT(complaint("{\"a\": 1,\n \"b\" 2}"),
              AllOf(HasSubstr("a.json:2:6"), HasSubstr("expected"), HasSubstr("offset")));
  for (const char* text : {"[1] 2", "[1,]", "{\"a\":1,}", "[1 /* no */]", "// no\n[1]", "[01]", "[1e999]", "{a: 1}",
                           "[nul]", "[NaN]", "[", "\"x"})
    EXPECT_THAT(complaint(text), AllOf(HasSubstr("a.json:1:"), HasSubstr("expected"))) << text;
  EXPECT_THAT(complaint(""), HasSubstr("is empty"));
  EXPECT_THAT(complaint(" \n"), HasSubstr("is empty"));
}

TEST(ParseJson, RefusesAnythingCut) {  // D1
  const std::string text = R"({"images": [{"id": 12, "file": "\u00e9.jpg", "ok": true, "x": -1.5e3}]})";
  ASSERT_EQ(complaint(text), "");
  for (size_t size = 0; size < text.size(); ++size) EXPECT_NE(complaint(text.substr(0, size)), "") << size;
}

TEST(ParseJson, SaysWhatAFileLooksLike) {  // D21
  const auto looks = [](std::string_view text, const char* format) {
    EXPECT_THAT(complaint(text), HasSubstr(std::string("looks like ") + format));
  };
  looks("\x1f\x8b\x08\x00", "gzip");
  looks("\xff\xfe{\0}\0", "UTF-16");
  looks(std::string_view("{\0}\0", 4), "UTF-16");
  looks("image,caption\n1.jpg,a dog\n", "CSV");
  looks("image\tcaption\n", "TSV");
  looks("<!DOCTYPE html>", "HTML");
  looks("{\"a\": 1}\n{\"a\": 2}\n", "JSON Lines");
  looks("images: 3\n", "YAML");
  looks("PK\x03\x04", "a zip");
}

TEST(LoadJson, NamesTheFileAndKeepsToTheClass) {
  const testing::TempDir folder;
  const auto path = folder.write("b.json", "{\"a\": }");
  try {
    load_json(path, 100, ErrorClass::ckp);
    FAIL() << "accepted";
  } catch (const CheckpointError& error) {
    EXPECT_THAT(error.issues()[0].where, HasSubstr("b.json:1:"));
  }
  EXPECT_THROW(load_json(path, 3), DataError);
  EXPECT_EQ(load_json(folder.write("c.json", "[2]"), 3)[0], 2);
}

TEST(DumpLine, NeverFailsAndNeverWritesNaN) {  // S12, N17
  EXPECT_EQ(dump_line({{"a", "x\xffy"}, {"b", "\n"}}), "{\"a\":\"x\xef\xbf\xbdy\",\"b\":\"\\n\"}");
  EXPECT_EQ(dump_line(Json::array({std::nan(""), INFINITY})), "[null,null]");
}

template <class T>
std::string field_complaint(const Json& object, const char* key) {
  try {
    json_field<T>(object, key, "m.json");
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

TEST(JsonField, GivesTheValueOrSaysWhatIsWrong) {
  const Json object{{"n", 3}, {"x", 2.5}, {"text", "a"}, {"on", true}, {"big", uint64_t{1} << 63}};
  EXPECT_EQ(json_field<int64_t>(object, "n", "m.json"), 3);
  EXPECT_EQ(json_field<double>(object, "n", "m.json"), 3.0);
  EXPECT_EQ(json_field<double>(object, "x", "m.json"), 2.5);
  EXPECT_EQ(json_field<std::string>(object, "text", "m.json"), "a");
  EXPECT_TRUE(json_field<bool>(object, "on", "m.json"));
  EXPECT_THAT(field_complaint<int64_t>(object, "x"),
              AllOf(HasSubstr("m.json"), HasSubstr("'x' is 2.5"), HasSubstr("integer")));
  EXPECT_THAT(field_complaint<int64_t>(object, "big"), HasSubstr("integer"));
  EXPECT_THAT(field_complaint<bool>(object, "n"), HasSubstr("true or false"));
  EXPECT_THAT(field_complaint<double>(object, "text"), HasSubstr("a number"));
  EXPECT_THAT(field_complaint<std::string>(object, "absent"), HasSubstr("'absent' is missing"));
  EXPECT_THAT(field_complaint<std::string>(Json::array(), "a"), HasSubstr("needed is an object"));
  EXPECT_THAT(field_complaint<int8_t>(Json{{"n", 300}}, "n"), HasSubstr("integer"));
}

}  // namespace
}  // namespace diptych
