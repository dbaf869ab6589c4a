#include "diptych/core/io/foreign.h"

#include <gtest/gtest.h>

namespace diptych {
namespace {

using namespace std::string_view_literals;

TEST(ForeignFormat, IsToldByTheFirstBytes) {
  EXPECT_EQ(foreign_format("\x1f\x8b\x08\x00rest"sv), "gzip");
  EXPECT_EQ(foreign_format("PK\x03\x04"sv), "a zip archive");
  EXPECT_EQ(foreign_format("\xff\xfe{\0"sv), "UTF-16 text");
  EXPECT_EQ(foreign_format("\xff\xd8\xff\xe0"sv), "a JPEG image");
  EXPECT_EQ(foreign_format("version https://git-lfs.example/spec/v1"sv), "a Git LFS pointer, not the file itself");
}

TEST(ForeignFormat, KnowsUtf16WithoutAMark) {
  EXPECT_EQ(foreign_format("{\0\"\0"sv), "UTF-16 text");
  EXPECT_EQ(foreign_format("\0{\0\""sv), "UTF-16 text");
  EXPECT_EQ(foreign_format("a\0\0\0"sv), "a binary file");
}

TEST(ForeignFormat, LeavesTextAlone) {
  for (const std::string_view text : {""sv, "{"sv, "[1]"sv, "image,caption"sv, "B"sv, "\xef\xbb\xbf{}"sv, "PKW"sv})
    EXPECT_EQ(foreign_format(text), "") << text;
}

TEST(ForeignFormat, HasARemedyWhereOneCommandHelps) {
  EXPECT_EQ(foreign_format_remedy("gzip"), "unpack it: gunzip FILE");
  EXPECT_EQ(foreign_format_remedy("UTF-16 text"), "convert it: iconv -f UTF-16 -t UTF-8");
  EXPECT_EQ(foreign_format_remedy("a PNG image"), "");
  EXPECT_EQ(foreign_format_remedy(""), "");
}

}  // namespace
}  // namespace diptych
