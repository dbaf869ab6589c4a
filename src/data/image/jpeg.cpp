#include "data/image/jpeg.h"

#include <csetjmp>
#include <cstdio>
#include <new>
#include <vector>
// jpeglib.h needs <cstdio> before it
#include <jerror.h>
#include <jpeglib.h>

#include "data/image/exif.h"
#include "diptych/core/text.h"

namespace diptych::image {

struct JpegErrors {
  jpeg_error_mgr base;
  jmp_buf escape;
  char text[JMSG_LENGTH_MAX];
};

namespace {

constexpr int kMaxScans = 500;  // a small progressive file can ask for thousands of passes over its coefficients

JpegErrors& errors_of(j_common_ptr jpeg) { return *reinterpret_cast<JpegErrors*>(jpeg->err); }

[[noreturn]] void on_jpeg_error(j_common_ptr jpeg) {
  JpegErrors& errors = errors_of(jpeg);
  errors.base.format_message(jpeg, errors.text);
  longjmp(errors.escape, 1);
}

void on_jpeg_message(j_common_ptr jpeg, int level) {
  JpegErrors& errors = errors_of(jpeg);
  if (level >= 0) return;
  if (errors.base.num_warnings++ == 0) errors.base.format_message(jpeg, errors.text);
}

void on_jpeg_progress(j_common_ptr jpeg) {
  if (reinterpret_cast<j_decompress_ptr>(jpeg)->input_scan_number <= kMaxScans) return;
  std::snprintf(errors_of(jpeg).text, JMSG_LENGTH_MAX, "more than %d scans", kMaxScans);
  longjmp(errors_of(jpeg).escape, 1);
}

}  // namespace

struct JpegReader::State {
  jpeg_decompress_struct jpeg{};
  JpegErrors errors{};
  jpeg_progress_mgr progress{};
  std::vector<uint8_t> cmyk;  // one row
  int orientation = 1;

  State() {
    jpeg.err = jpeg_std_error(&errors.base);
    errors.base.error_exit = on_jpeg_error;
    errors.base.emit_message = on_jpeg_message;
    progress.progress_monitor = on_jpeg_progress;
  }
  ~State() { jpeg_destroy_decompress(&jpeg); }

  // Decoding frees the markers, so this comes before it.
  void find_orientation() {
    for (auto* marker = jpeg.marker_list; marker; marker = marker->next) {
      const std::string_view payload(reinterpret_cast<const char*>(marker->data), marker->data_length);
      if (!payload.starts_with("Exif")) continue;
      orientation = exif_orientation(payload);
      return;
    }
  }

  // libjpeg leaves the next two by longjmp: they hold nothing that has a destructor.
  bool read_header(std::string_view bytes) {
    if (setjmp(errors.escape)) return false;
    jpeg_create_decompress(&jpeg);
    jpeg.progress = &progress;
    jpeg_mem_src(&jpeg, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
    jpeg_save_markers(&jpeg, JPEG_APP0 + 1, 0xFFFF);
    jpeg_read_header(&jpeg, TRUE);
    return true;
  }
  bool read_pixels(uint8_t* rgb) {
    if (setjmp(errors.escape)) return false;
    jpeg_start_decompress(&jpeg);
    while (jpeg.output_scanline < jpeg.output_height) {
      uint8_t* row = rgb + size_t{jpeg.output_scanline} * jpeg.output_width * 3;
      if (cmyk.empty()) {
        read_rows(row);
      } else {
        JSAMPROW only = cmyk.data();
        jpeg_read_scanlines(&jpeg, &only, 1);
        convert_cmyk(row);
      }
    }
    jpeg_finish_decompress(&jpeg);  // reads to the end marker, so that its absence is noticed
    return true;
  }
  void read_rows(uint8_t* first) {
    JSAMPROW rows[16];
    for (JDIMENSION i = 0; i < 16; ++i) rows[i] = first + size_t{i} * jpeg.output_width * 3;
    const JDIMENSION left = jpeg.output_height - jpeg.output_scanline;
    jpeg_read_scanlines(&jpeg, rows, left < 16 ? left : 16);
  }
  void convert_cmyk(uint8_t* rgb) const {
    for (size_t i = 0; i < jpeg.output_width; ++i)
      for (size_t c = 0; c < 3; ++c)
        rgb[3 * i + c] = static_cast<uint8_t>((cmyk[4 * i + c] * cmyk[4 * i + 3] + 127) / 255);
  }

  [[noreturn]] void fail() const {
    const std::string cause = escape_for_log(errors.text, 200);
    if (errors.base.msg_code == JERR_OUT_OF_MEMORY) throw std::bad_alloc();
    if (errors.base.msg_code == JERR_EMPTY_IMAGE)
      throw BadImage(concat(jpeg.image_width, " x ", jpeg.image_height, " pixels: the image is empty"));
    if (errors.base.num_warnings > 0)
      throw BadImage(concat("truncated or damaged JPEG: ", cause), "fetch the file again");
    throw BadImage(concat("JPEG that cannot be decoded: ", cause),
                   "fetch the file again, or write it anew as baseline JPEG");
  }
};

JpegReader::JpegReader(std::string_view bytes) : state_(std::make_unique<State>()) {
  if (!state_->read_header(bytes)) state_->fail();
  state_->find_orientation();
}
JpegReader::~JpegReader() = default;

Size JpegReader::size() const { return {state_->jpeg.image_width, state_->jpeg.image_height}; }

int JpegReader::orientation() const { return state_->orientation; }

void JpegReader::decode(uint8_t* rgb) {
  jpeg_decompress_struct& jpeg = state_->jpeg;
  const bool four_inks = jpeg.jpeg_color_space == JCS_CMYK || jpeg.jpeg_color_space == JCS_YCCK;
  jpeg.out_color_space = four_inks ? JCS_CMYK : JCS_RGB;
  if (four_inks) state_->cmyk.resize(size_t{4} * jpeg.image_width);
  if (!state_->read_pixels(rgb) || state_->errors.base.num_warnings > 0) state_->fail();
}

}  // namespace diptych::image
