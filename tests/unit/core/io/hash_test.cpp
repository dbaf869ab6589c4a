#include "diptych/core/io/hash.h"

#include <gmock/gmock.h>

#include <cstring>

#include "core/io/sha256_blocks.h"
#include "diptych/core/random.h"
#include "support/temp_dir.h"

namespace diptych {
namespace {

TEST(Sha256, GivesThePublishedValues) {  // FIPS 180-4 examples
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256(std::string(1000000, 'a')), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, DoesNotDependOnHowTheBytesArrive) {
  std::string bytes(300, '\0');
  Random random(7);
  for (char& c : bytes) c = static_cast<char>(random.next());
  for (size_t size : {0, 1, 55, 56, 63, 64, 65, 119, 120, 128, 300}) {
    const std::string whole = sha256(std::string_view(bytes).substr(0, size));
    for (size_t step : {1, 7, 63, 64, 65}) {
      Sha256 hash;
      for (size_t at = 0; at < size; at += step) hash.update(bytes.data() + at, std::min(step, size - at));
      EXPECT_EQ(hash.hex(), whole) << size << " bytes in steps of " << step;
    }
  }
}

TEST(Sha256, PortableRoundsEqualTheProcessorsOwn) {
  uint8_t bytes[128] = {};
  std::memset(bytes, 'a', 119);
  bytes[119] = 0x80;
  bytes[126] = 119 * 8 >> 8, bytes[127] = 119 * 8 & 255;
  uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  sha256_blocks_portable(state, bytes, 2);
  char text[65];
  for (int i = 0; i < 8; ++i) std::snprintf(text + 8 * i, 9, "%08x", state[i]);
  EXPECT_EQ(sha256(std::string(119, 'a')), text);
}

TEST(Sha256, OfAFileEqualsThatOfItsBytes) {
  const testing::TempDir folder;
  const std::string bytes(3'000'001, 'x');
  EXPECT_EQ(sha256_of_file(folder.write("a", bytes)), sha256(bytes));
  EXPECT_THROW(sha256_of_file(folder / "none"), DataError);
  EXPECT_THROW(sha256_of_file(folder / "none", ErrorClass::ckp), CheckpointError);
}

TEST(Xxh128, GivesThePublishedValues) {
  EXPECT_EQ(xxh128(""), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(xxh128("abc"), "06b05ab6733a618578af5f94892f3950");
  EXPECT_NE(xxh128("abd"), xxh128("abc"));
}

TEST(Crc32, AgreesWithThePublishedCheckValue) {
  EXPECT_EQ(crc32_of("123456789"), 0xCBF43926u);
  EXPECT_EQ(crc32_of(""), 0u);
}

}  // namespace
}  // namespace diptych
