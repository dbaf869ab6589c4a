#include "diptych/data/image/pipeline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <torch/torch.h>
#include <unistd.h>

#include <cstdio>
#include <thread>
// jpeglib.h needs <cstdio> before it
#include <jpeglib.h>

#include "data/image/exif.h"
#include "diptych/core/tensor/safetensors.h"
#include "support/image_fixtures.h"
#include "support/temp_dir.h"
#include "support/tensor_near.h"

namespace diptych {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using namespace diptych::testing;
using namespace std::string_literals;

at::Tensor rgb_of(const cv::Mat& bgr) {
  return torch::from_blob(bgr.data, {bgr.rows, bgr.cols, 3}, at::kByte).flip({2}).contiguous().clone();
}

/// [H, W, 3] with the same value in all channels.
at::Tensor grey_image(const std::vector<std::vector<int>>& rows) {
  const auto height = static_cast<int64_t>(rows.size()), width = static_cast<int64_t>(rows[0].size());
  at::Tensor image = torch::zeros({height, width, 3}, at::kByte);
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x) image[y][x].fill_(rows[static_cast<size_t>(y)][static_cast<size_t>(x)]);
  return image;
}

at::Tensor pixels(std::vector<std::vector<std::array<int, 3>>> rows) {
  at::Tensor image =
      torch::zeros({static_cast<int64_t>(rows.size()), static_cast<int64_t>(rows[0].size()), 3}, at::kByte);
  for (size_t y = 0; y < rows.size(); ++y)
    for (size_t x = 0; x < rows[y].size(); ++x)
      for (size_t c = 0; c < 3; ++c)
        image[static_cast<int64_t>(y)][static_cast<int64_t>(x)][static_cast<int64_t>(c)] = rows[y][x][c];
  return image;
}

class Decode : public ::testing::Test {
 protected:
  at::Tensor decode(const std::string& bytes, const std::string& name = "a.jpg") {
    return decode_image(folder.write(name, bytes), options);
  }
  /// The error of decoding: class IMG (exit 3), the file named; returns its text.
  std::string error_of(const std::string& bytes, const std::string& name = "a.jpg") {
    return error_of_file(folder.write(name, bytes));
  }
  std::string error_of_file(const std::filesystem::path& path) {
    try {
      decode_image(path, options);
    } catch (const DataError& error) {
      EXPECT_EQ(error.issues().front().error_class, ErrorClass::img);
      EXPECT_EQ(error.exit_code(), 3);
      EXPECT_THAT(error.what(), HasSubstr(path.filename().string().substr(0, 3)));
      return error.what();
    }
    return "decoded without an error";
  }

  TempDir folder;
  ImageOptions options;
};

TEST_F(Decode, JpegEqualsOpenCvBitForBit) {
  const std::string bytes = jpeg_bytes(37, 53);
  const cv::Mat peer = cv::imdecode(cv::Mat(1, static_cast<int>(bytes.size()), CV_8U, const_cast<char*>(bytes.data())),
                                    cv::IMREAD_COLOR);
  EXPECT_TRUE(at::equal(decode(bytes), rgb_of(peer)));
}

TEST_F(Decode, PngIsLossless) {
  const cv::Mat picture = noisy_picture(9, 13);
  EXPECT_TRUE(at::equal(decode(encode_image(".png", picture), "a.png"), rgb_of(picture)));
}

TEST_F(Decode, I1_EmptyFile) { EXPECT_THAT(error_of(""), HasSubstr("empty file")); }

TEST_F(Decode, I2_WebPageNamedJpgShowsItsFirstBytes) {
  EXPECT_THAT(error_of("<!DOCTYPE html>\n\x1b[2J<html>404</html>"),
              AllOf(HasSubstr("not an image"), HasSubstr("<!DOCTYPE html>\\x0a\\x1b"), Not(HasSubstr("\x1b"))));
}

TEST_F(Decode, I3_CutJpegIsAnErrorAtAnyLength) {
  const std::string whole = jpeg_bytes(64, 64);
  for (const double share : {0.1, 0.5, 0.95})
    EXPECT_THAT(error_of(whole.substr(0, static_cast<size_t>(share * static_cast<double>(whole.size())))),
                HasSubstr("truncated"))
        << share;
  EXPECT_THAT(error_of(whole.substr(0, whole.size() - 2)), HasSubstr("truncated")) << "only the end marker is missing";
}

TEST_F(Decode, I4_CutProgressiveJpeg) {
  const std::string whole = encode_image(".jpg", noisy_picture(64, 64), {cv::IMWRITE_JPEG_PROGRESSIVE, 1});
  EXPECT_EQ(decode(whole).sizes(), (std::vector<int64_t>{64, 64, 3}));
  EXPECT_THAT(error_of(whole.substr(0, whole.size() * 3 / 10)), HasSubstr("truncated"));
}

TEST_F(Decode, I5_DamagedScanIsDecodedOrRefusedButNeverFatal) {
  const std::string whole = jpeg_bytes(48, 48);
  Random random(5);
  for (int i = 0; i < 300; ++i) {
    std::string damaged = whole;
    const size_t at = 2 + random.below(damaged.size() - 2);
    if (i % 2)
      damaged[at] = static_cast<char>(damaged[at] ^ (1 << random.below(8)));
    else
      damaged.replace(at, std::min<size_t>(64, damaged.size() - at), std::min<size_t>(64, damaged.size() - at), '\0');
    try {
      decode(damaged);
    } catch (const DataError& error) {
      EXPECT_EQ(error.exit_code(), 3);
    }
  }
}

TEST_F(Decode, I6_DamagedPngNamesTheCause) {
  std::string bytes = encode_image(".png", noisy_picture(32, 32));
  EXPECT_THAT(error_of(bytes.substr(0, bytes.size() / 2), "a.png"), AllOf(HasSubstr("PNG"), HasSubstr("IDAT")));
  EXPECT_THAT(error_of(bytes.substr(0, bytes.size() - 12), "a.png"), AllOf(HasSubstr("PNG"), HasSubstr("IEND")));
  bytes[bytes.size() / 2] ^= 1;
  EXPECT_THAT(error_of(bytes, "a.png"), AllOf(HasSubstr("PNG"), HasSubstr("checksum")));
}

TEST_F(Decode, I6_PngWithRightChecksumsAndBrokenContent) {
  const std::string broken = png_header(4, 4, 8, 2) + png_chunk("IDAT", "not deflated") + png_chunk("IEND", "");
  EXPECT_THAT(error_of(broken, "a.png"), HasSubstr("damaged PNG"));
  const std::string short_data = png_header(4, 4, 8, 0) + png_data({"abcd"}) + png_chunk("IEND", "");
  EXPECT_THAT(error_of(short_data, "a.png"), HasSubstr("PNG"));
}

TEST_F(Decode, I7_BytesAfterTheEndAreIgnored) {
  const std::string bytes = jpeg_bytes(16, 16);
  EXPECT_TRUE(at::equal(decode(bytes + std::string(100, 'x')), decode(bytes)));
}

TEST_F(Decode, I8_ContentDecidesAndNotTheName) {
  const cv::Mat picture = noisy_picture(8, 8);
  EXPECT_TRUE(at::equal(decode(encode_image(".png", picture), "a.jpg"), rgb_of(picture)));
  EXPECT_THAT(error_of(encode_image(".bmp", picture), "a.jpg"),
              AllOf(HasSubstr("content is BMP"), HasSubstr("format not accepted")));
}

TEST_F(Decode, I8_WebP) {
  const cv::Mat picture = noisy_picture(21, 34);
  const std::string lossless = encode_image(".webp", picture, {cv::IMWRITE_WEBP_QUALITY, 101});
  EXPECT_TRUE(at::equal(decode(lossless, "a.webp"), rgb_of(picture)));
  const std::string lossy = encode_image(".webp", picture, {cv::IMWRITE_WEBP_QUALITY, 80});
  EXPECT_EQ(decode(lossy, "b.webp").sizes(), (std::vector<int64_t>{21, 34, 3}));
  EXPECT_THAT(error_of(lossy.substr(0, lossy.size() / 2), "c.webp"), HasSubstr("truncated WebP"));
  options.max_megapixels = 0.001;
  EXPECT_EQ(decode(lossy, "b.webp").size(0), 21);
  options.max_megapixels = 0.0007;
  EXPECT_THAT(error_of(lossy, "d.webp"), HasSubstr("34 x 21 pixels"));
  EXPECT_THAT(error_of(lossless, "e.webp"), HasSubstr("34 x 21 pixels"));
}

TEST_F(Decode, I9_OtherFormatsAreRefusedByTheirFirstBytes) {
  const std::vector<std::pair<std::string, std::string>> others{{"GIF89a", "GIF"},
                                                                {"II*\0abcd"s, "TIFF"},
                                                                {"MM\0*abcd"s, "TIFF"},
                                                                {"\0\0\0\x0cjP  \r\n"s, "JPEG 2000"},
                                                                {"\x76\x2f\x31\x01"s, "OpenEXR"},
                                                                {"#?RADIANCE\n", "HDR"},
                                                                {"NITF02.10", "NITF"},
                                                                {std::string(128, '\0') + "DICM", "DICOM"},
                                                                {"P7\nWIDTH 1\n", "PAM"},
                                                                {"P6\n65535 65535\n255\n", "PNM"},
                                                                {"\0\0\0\x18"
                                                                 "ftypheic"s,
                                                                 "HEIC"},
                                                                {"<svg xmlns='x'/>", "SVG"}};
  for (const auto& [bytes, name] : others)
    EXPECT_THAT(error_of(bytes), AllOf(HasSubstr("format not accepted"), HasSubstr(name))) << name;
}

TEST_F(Decode, I10_HugeHeadersAreRefusedBeforeMemoryIsTaken) {
  const auto png = png_header(100000, 100000, 8, 2) + png_data({"x"}) + png_chunk("IEND", "");
  EXPECT_THAT(error_of(png, "a.png"), AllOf(HasSubstr("100000 x 100000 pixels"), HasSubstr("limit of 50 megapixels"),
                                            HasSubstr("max_megapixels")));
  EXPECT_THAT(error_of(with_frame_size(jpeg_bytes(16, 16), 65500, 65500)), HasSubstr("65500 x 65500 pixels"));
}

TEST_F(Decode, I12_TheLimitIsTheOptions) {
  options.max_megapixels = 0.001;
  EXPECT_EQ(decode(jpeg_bytes(25, 40)).numel(), 3000);
  EXPECT_THAT(error_of(jpeg_bytes(26, 40)), HasSubstr("40 x 26 pixels: more than the limit of 0.001 megapixels"));
}

TEST_F(Decode, I13_NoPixels) {
  EXPECT_THAT(error_of(with_frame_size(jpeg_bytes(16, 16), 16, 0)), HasSubstr("0 x 16"));
  EXPECT_THAT(error_of(png_header(0, 4, 8, 2) + png_data({"x"}) + png_chunk("IEND", ""), "a.png"), HasSubstr("0 x 4"));
}

TEST_F(Decode, I15_OrientationIsIgnoredUnlessAsked) {
  const cv::Mat picture = noisy_picture(16, 32);
  const std::string plain = encode_image(".jpg", picture);
  const at::Tensor stored = decode(plain);
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const std::string bytes = with_app1(plain, exif_payload(orientation));
    options.exif = Exif::ignore;
    EXPECT_TRUE(at::equal(decode(bytes), stored)) << orientation;
    options.exif = Exif::apply;
    const cv::Mat peer = cv::imdecode(
        cv::Mat(1, static_cast<int>(bytes.size()), CV_8U, const_cast<char*>(bytes.data())), cv::IMREAD_COLOR);
    EXPECT_TRUE(at::equal(decode(bytes), rgb_of(peer))) << orientation;
  }
}

TEST(Orient, TurnsAsTheStandardSays) {
  const at::Tensor stored = grey_image({{1, 2, 3}, {4, 5, 6}});
  const std::vector<at::Tensor> seen{grey_image({{1, 2, 3}, {4, 5, 6}}),   grey_image({{3, 2, 1}, {6, 5, 4}}),
                                     grey_image({{6, 5, 4}, {3, 2, 1}}),   grey_image({{4, 5, 6}, {1, 2, 3}}),
                                     grey_image({{1, 4}, {2, 5}, {3, 6}}), grey_image({{4, 1}, {5, 2}, {6, 3}}),
                                     grey_image({{6, 3}, {5, 2}, {4, 1}}), grey_image({{3, 6}, {2, 5}, {1, 4}})};
  for (int orientation = 1; orientation <= 8; ++orientation)
    EXPECT_TRUE(at::equal(image::orient(stored, orientation), seen[static_cast<size_t>(orientation - 1)]))
        << orientation;
}

TEST_F(Decode, I16_BrokenExifCountsAsUpright) {
  const std::string plain = jpeg_bytes(16, 32);
  const at::Tensor stored = decode(plain);
  options.exif = Exif::apply;
  const std::string good = exif_payload(6);
  std::vector<std::string> payloads;
  for (size_t size = 0; size < 28; ++size) payloads.push_back(good.substr(0, size));  // cut anywhere before the value
  for (const char offset : {'\x04', '\x7f', '\xff'}) {                                // directory in odd places
    payloads.push_back(good);
    payloads.back()[10] = offset, payloads.back()[11] = offset;
  }
  payloads.push_back(good.substr(0, 14) + "\xff\xff" + good.substr(16, 4) +
                     std::string(65000, '\xee'));  // huge directory
  for (int value : {0, 9, 255}) payloads.push_back(exif_payload(value));
  for (const std::string& payload : payloads) EXPECT_TRUE(at::equal(decode(with_app1(plain, payload)), stored));
}

TEST(Exif, ReadsBothByteOrders) {
  EXPECT_EQ(image::exif_orientation(exif_payload(6)), 6);
  EXPECT_EQ(image::exif_orientation("Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0\0\0\0\0"s), 8);
}

TEST_F(Decode, I17_GreyJpegHasThreeEqualChannels) {
  cv::Mat grey(8, 8, CV_8U);
  for (int i = 0; i < 64; ++i) grey.data[i] = static_cast<uint8_t>(4 * i);
  const at::Tensor image = decode(encode_image(".jpg", grey, {cv::IMWRITE_JPEG_QUALITY, 100}));
  EXPECT_TRUE(at::equal(image.select(2, 0), image.select(2, 1)) && at::equal(image.select(2, 0), image.select(2, 2)));
  EXPECT_THAT(image.select(2, 0), TensorNear(torch::from_blob(grey.data, {8, 8}, at::kByte), 0, 3));
}

/// A one-coloured JPEG of four inks, stored as they are given.
std::string four_ink_jpeg(std::array<uint8_t, 4> inks, J_COLOR_SPACE space) {
  jpeg_compress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&jpeg, &bytes, &size);
  jpeg.image_width = jpeg.image_height = 8;
  jpeg.input_components = 4;
  jpeg.in_color_space = JCS_CMYK;
  jpeg_set_defaults(&jpeg);
  jpeg_set_colorspace(&jpeg, space);
  jpeg_set_quality(&jpeg, 100, TRUE);
  jpeg_start_compress(&jpeg, TRUE);
  std::vector<uint8_t> row;
  for (int i = 0; i < 8; ++i) row.insert(row.end(), inks.begin(), inks.end());
  JSAMPROW pointer = row.data();
  for (int i = 0; i < 8; ++i) jpeg_write_scanlines(&jpeg, &pointer, 1);
  jpeg_finish_compress(&jpeg);
  std::string out(reinterpret_cast<char*>(bytes), size);
  jpeg_destroy_compress(&jpeg);
  free(bytes);
  return out;
}

TEST_F(Decode, I18_FourInksBecomeRgb) {
  // Adobe stores 255 - ink: red = c * k / 255 of the stored values; 200 * 128 / 255 = 100, 100 * 128 / 255 = 50.
  for (const J_COLOR_SPACE space : {JCS_CMYK, JCS_YCCK}) {
    const at::Tensor image = decode(four_ink_jpeg({200, 100, 255, 128}, space));
    EXPECT_THAT(image[3][3].to(at::kInt), TensorNear(torch::tensor({100, 50, 128}, at::kInt), 0, 3)) << space;
  }
}

TEST_F(Decode, I19_SixteenBitsAreScaled) {
  // 0 -> 0, 65535 -> 255, 257 -> 1, 128 -> 0.498 -> 0, 129 -> 0.502 -> 1
  const std::string bytes = png_file(5, 1, 16, 0, {"\0\0\xff\xff\x01\x01\0\x80\0\x81"s});
  EXPECT_TRUE(at::equal(decode(bytes), grey_image({{0, 255, 1, 0, 1}})));
}

TEST_F(Decode, I19_OneBitAndPalette) {
  EXPECT_TRUE(
      at::equal(decode(png_file(4, 2, 1, 0, {"\xa0", "\x50"})), grey_image({{255, 0, 255, 0}, {0, 255, 0, 255}})));
  const std::string palette = png_chunk("PLTE", "\x0a\x14\x1e\xc8\xd2\xdc"s);
  EXPECT_TRUE(at::equal(decode(png_file(2, 1, 8, 3, {"\x01\0"s}, palette)), pixels({{{200, 210, 220}, {10, 20, 30}}})));
  EXPECT_TRUE(at::equal(decode(png_file(3, 1, 1, 3, {"\x40"}, palette)),
                        pixels({{{10, 20, 30}, {200, 210, 220}, {10, 20, 30}}})));
  EXPECT_TRUE(at::equal(decode(png_file(2, 1, 8, 3, {"\x01\0"s}, palette + png_chunk("tRNS", "\0"s))),
                        pixels({{{200, 210, 220}, {255, 255, 255}}})));
}

TEST_F(Decode, I19_PaletteIndexOutOfRange) {
  const std::string palette = png_chunk("PLTE", "\x0a\x14\x1e\xc8\xd2\xdc"s);
  EXPECT_THAT(error_of(png_file(2, 1, 8, 3, {"\x01\x02"}, palette)), HasSubstr("PNG"));
  EXPECT_THAT(error_of(png_file(2, 1, 4, 3, {"\x13"}, palette)), HasSubstr("palette"));
  EXPECT_THAT(error_of(png_file(2, 1, 8, 3, {"\x01\0"s})), HasSubstr("palette"));
}

TEST_F(Decode, I20_TransparentPixelsAreComposedOnWhite) {
  // RGBA: hidden red -> white; half black (128/255) -> 255 * 127 / 255 = 127; opaque green stays
  const std::string bytes = png_file(3, 1, 8, 6, {"\xff\0\0\0\0\0\0\x80\0\xff\0\xff"s});
  EXPECT_TRUE(at::equal(decode(bytes), pixels({{{255, 255, 255}, {127, 127, 127}, {0, 255, 0}}})));
  EXPECT_TRUE(at::equal(decode(png_file(2, 1, 8, 4, {"\x64\xff\x64\0"s})), grey_image({{100, 255}})));
}

TEST_F(Decode, I21_GammaIsIgnored) {
  const std::string gamma = png_chunk("gAMA", big_endian(100000));
  EXPECT_TRUE(at::equal(decode(png_file(2, 1, 8, 0, {"\x32\x96"}, gamma)), grey_image({{50, 150}})));
}

TEST_F(Decode, I22_FourThreadsDecodeTheSameBytes) {
  const std::vector<std::filesystem::path> files{folder.write("a.jpg", jpeg_bytes(40, 30)),
                                                 folder.write("b.png", encode_image(".png", noisy_picture(20, 30)))};
  std::vector<at::Tensor> expected;
  for (const auto& file : files) expected.push_back(decode_image(file, options));
  std::atomic<int> different{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (size_t i = 0; i < 100; ++i)
        if (!at::equal(decode_image(files[i % 2], options), expected[i % 2])) ++different;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(different, 0);
}

TEST_F(Decode, I24_OnlyRegularFiles) {
  EXPECT_THAT(error_of_file(folder / "missing.jpg"), HasSubstr("No such file"));
  std::filesystem::create_directory(folder / "dir.jpg");
  EXPECT_THAT(error_of_file(folder / "dir.jpg"), HasSubstr("is a directory"));
  ASSERT_EQ(mkfifo((folder / "fifo.jpg").c_str(), 0600), 0);
  EXPECT_THAT(error_of_file(folder / "fifo.jpg"), HasSubstr("not a regular file"));
  std::filesystem::create_symlink(folder / "nowhere", folder / "link.jpg");
  EXPECT_THAT(error_of_file(folder / "link.jpg"), HasSubstr("No such file"));
}

TEST_F(Decode, I24_FilesAbove64MiBAreNotRead) {
  const auto file = folder.write("big.jpg", "\xff\xd8\xff");
  std::filesystem::resize_file(file, (64u << 20) + 1);
  EXPECT_THAT(error_of_file(file), HasSubstr("larger than 64 MiB"));
}

TEST_F(Decode, I26_NamesAreEscaped) {
  const auto file = folder.write("bad\n\x1b[2J\".jpg", "");
  const std::string text = error_of_file(file);
  EXPECT_THAT(text, AllOf(HasSubstr("bad\\x0a\\x1b"), Not(HasSubstr("\x1b"))));
}

TEST(ResizeImage, IsWithinTwoLevelsOfPillow) {
  const TensorFile golden = read_safetensors(std::filesystem::path(DIPTYCH_GOLDEN_DIR) / "image_resize.safetensors");
  const at::Tensor picture = golden.tensors.at("picture");
  int compared = 0;
  for (const auto& [name, expected] : golden.tensors) {
    if (!name.starts_with("resized_")) continue;
    const at::Tensor ours = resize_image(picture, expected.size(0), expected.size(1));
    EXPECT_THAT(ours.to(at::kInt), TensorNear(expected.to(at::kInt), 0, 2)) << name;
    EXPECT_LT((ours.to(at::kInt) - expected.to(at::kInt)).abs().to(at::kFloat).mean().item<double>(), 0.05) << name;
    ++compared;
  }
  EXPECT_EQ(compared, 4);
}

TEST(ResizeImage, SameSizeIsTheSamePixels) {
  const at::Tensor image = rgb_of(noisy_picture(7, 9));
  EXPECT_TRUE(at::equal(resize_image(image, 7, 9), image));
}

TEST(ResizeImage, RefusesOtherShapes) {
  EXPECT_THROW(resize_image(torch::zeros({4, 4}, at::kByte), 2, 2), ShapeError);
  EXPECT_THROW(resize_image(torch::zeros({4, 4, 3}), 2, 2), ShapeError);
}

ImageOptions small_options(Resize resize, int64_t height, int64_t width, int64_t short_side = 20) {
  ImageOptions options;
  options.resize = resize;
  options.height = height;
  options.width = width;
  options.short_side = short_side;
  options.flip = false;
  return options;
}

at::Tensor cut(const at::Tensor& image, int64_t top, int64_t left, int64_t height, int64_t width) {
  return image.narrow(0, top, height).narrow(1, left, width);
}

TEST(TransformImage, SquashIgnoresTheAspect) {
  const at::Tensor image = rgb_of(noisy_picture(40, 61));
  EXPECT_TRUE(
      at::equal(transform_image(image, small_options(Resize::squash, 12, 18), nullptr), resize_image(image, 12, 18)));
}

TEST(TransformImage, CentreCropRoundsAsTorchvision) {
  // 40 x 61, short side 20: the long side is floor(20 * 61 / 40) = 30. Offsets (20 - 17) / 2 = 1.5 -> 2 and
  // (30 - 17) / 2 = 6.5 -> 6: halves go to the even number.
  const at::Tensor image = rgb_of(noisy_picture(40, 61));
  const at::Tensor resized = resize_image(image, 20, 30);
  for (const Resize kind : {Resize::short_side_crop, Resize::random_resized_crop})
    EXPECT_TRUE(at::equal(transform_image(image, small_options(kind, 17, 17), nullptr), cut(resized, 2, 6, 17, 17)));
}

TEST(TransformImage, RandomCropsAreWindowsOfTheResizedImage) {
  const at::Tensor image = rgb_of(noisy_picture(61, 40));
  const at::Tensor resized = resize_image(image, 30, 20);
  const ImageOptions options = small_options(Resize::short_side_crop, 28, 18);
  std::set<std::pair<int64_t, int64_t>> seen;
  for (uint64_t i = 0; i < 100; ++i) {
    Random random(i);
    const at::Tensor view = transform_image(image, options, &random);
    for (int64_t top = 0; top <= 2; ++top)
      for (int64_t left = 0; left <= 2; ++left)
        if (at::equal(view, cut(resized, top, left, 28, 18))) seen.emplace(top, left);
  }
  EXPECT_EQ(seen.size(), 9u) << "every window is drawn, the outermost ones included";
}

TEST(TransformImage, RandomResizedCropOfTheWholeArea) {
  ImageOptions options = small_options(Resize::random_resized_crop, 16, 16);
  options.min_area = options.max_area = options.max_aspect = 1;
  const at::Tensor image = rgb_of(noisy_picture(33, 33));
  Random random(1);
  EXPECT_TRUE(at::equal(transform_image(image, options, &random), resize_image(image, 16, 16)));
}

TEST(TransformImage, RandomResizedCropFallsBackToTheCentre) {
  // The whole area of a 20 x 80 image never fits an aspect below 4/3: after ten tries the centre 20 x 27 (20 * 4 / 3 =
  // 26.7) is taken, at (80 - 27) / 2 = 26; and 27 x 20 for the upright image.
  ImageOptions options = small_options(Resize::random_resized_crop, 16, 16);
  options.min_area = options.max_area = 1;
  const at::Tensor wide = rgb_of(noisy_picture(20, 80)), tall = wide.transpose(0, 1).contiguous();
  Random random(1);
  EXPECT_TRUE(at::equal(transform_image(wide, options, &random), resize_image(cut(wide, 0, 26, 20, 27), 16, 16)));
  EXPECT_TRUE(at::equal(transform_image(tall, options, &random), resize_image(cut(tall, 26, 0, 27, 20), 16, 16)));
}

TEST(TransformImage, RandomResizedCropKeepsAreaAndAspectInRange) {
  // Red tells x, green y: the differences across the view give the box's sides.
  const int64_t side = 240;
  at::Tensor image = torch::zeros({side, side, 3}, at::kByte);
  image.select(2, 0).copy_(torch::arange(side).view({1, side}).expand({side, side}));
  image.select(2, 1).copy_(torch::arange(side).view({side, 1}).expand({side, side}));
  ImageOptions options = small_options(Resize::random_resized_crop, 32, 32, 32);
  options.min_area = 0.2, options.max_area = 0.5;
  double smallest = 1, largest = 0;
  for (uint64_t i = 0; i < 300; ++i) {
    Random random(i);
    const at::Tensor view = transform_image(image, options, &random).to(at::kDouble);
    // pixel centres span 31/32 of the box
    const double width = (view[16][30][0] - view[16][1][0]).item<double>() * 32 / 29;
    const double height = (view[30][16][1] - view[1][16][1]).item<double>() * 32 / 29;
    const double area = width * height / static_cast<double>(side * side), aspect = width / height;
    EXPECT_GT(aspect, 0.75 * 0.95);
    EXPECT_LT(aspect, 1.3333 * 1.05);
    smallest = std::min(smallest, area), largest = std::max(largest, area);
  }
  EXPECT_NEAR(smallest, 0.2, 0.02);
  EXPECT_NEAR(largest, 0.5, 0.02);
}

TEST(TransformImage, FlipMirrorsHalfOfTheImagesExactly) {
  ImageOptions options = small_options(Resize::squash, 12, 14);
  options.flip = true;
  const at::Tensor image = rgb_of(noisy_picture(24, 30));
  const at::Tensor plain = transform_image(image, options, nullptr), mirrored = plain.flip({1});
  int flipped = 0;
  for (uint64_t i = 0; i < 200; ++i) {
    Random random(i);
    const at::Tensor view = transform_image(image, options, &random);
    ASSERT_TRUE(at::equal(view, plain) || at::equal(view, mirrored));
    flipped += at::equal(view, mirrored);
  }
  EXPECT_NEAR(flipped, 100, 30);
}

TEST(TransformImage, I14_OddShapesGiveTheRightSizeOrAnError) {
  ImageOptions options = small_options(Resize::squash, 16, 16);
  for (const Resize kind : {Resize::squash, Resize::short_side_crop, Resize::random_resized_crop})
    for (const auto& [height, width] : {std::pair{1, 1}, {20000, 1}, {1, 20000}, {5, 7}}) {
      options.resize = kind;
      for (const bool training : {false, true}) {
        Random random(1);
        try {
          const at::Tensor view =
              transform_image(torch::zeros({height, width, 3}, at::kByte), options, training ? &random : nullptr);
          EXPECT_EQ(view.sizes(), (std::vector<int64_t>{16, 16, 3}));
        } catch (const DataError& error) {
          EXPECT_THAT(error.what(), HasSubstr("megapixels"));
        }
      }
    }
  options = small_options(Resize::short_side_crop, 224, 224, 256);
  EXPECT_THROW(transform_image(torch::zeros({1, 20000, 3}, at::kByte), options, nullptr), DataError);
}

TEST(ImageOptions, CropMustFitTheShortSide) {
  ImageOptions options;
  options.resize = Resize::short_side_crop;
  options.short_side = 200;
  options.min_area = 0.9, options.max_area = 0.5;
  Complaints complaints;
  options.validate("data.image", Origin{}, complaints);
  EXPECT_EQ(complaints.size(), 2u);
  try {
    complaints.throw_if_any();
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("data.image.short_side = 200"), HasSubstr("data.image.height = 224"),
                                    HasSubstr("data.image.min_area = 0.9")));
  }
  Complaints none;
  ImageOptions{}.validate("data.image", Origin{}, none);
  EXPECT_TRUE(none.empty());
}

TEST(NormaliseInto, IsTheTextbookFormula) {
  const at::Tensor image = rgb_of(noisy_picture(5, 11));  // 165 values: three whole periods of 48 and a remainder
  const at::Tensor mean = torch::tensor({0.485, 0.456, 0.406}), deviation = torch::tensor({0.229, 0.224, 0.225});
  const at::Tensor unit = image.to(at::kFloat) / 255;
  at::Tensor out = torch::empty({5, 11, 3});
  normalise_into(image, Normalise::imagenet, out.data_ptr<float>());
  EXPECT_THAT(out, TensorNear((unit - mean) / deviation));
  normalise_into(image, Normalise::half, out.data_ptr<float>());
  EXPECT_THAT(out, TensorNear(unit * 2 - 1));
  normalise_into(image, Normalise::none, out.data_ptr<float>());
  EXPECT_THAT(out, TensorNear(unit));
}

TEST(NormaliseInto, AcceptsMirroredViews) {
  const at::Tensor image = rgb_of(noisy_picture(4, 6));
  at::Tensor a = torch::empty({4, 3, 3}), b = torch::empty({4, 3, 3});
  normalise_into(cut(image, 0, 2, 4, 3), Normalise::none, a.data_ptr<float>());
  normalise_into(cut(image, 0, 2, 4, 3).contiguous(), Normalise::none, b.data_ptr<float>());
  EXPECT_TRUE(at::equal(a, b));
}

}  // namespace
}  // namespace diptych
