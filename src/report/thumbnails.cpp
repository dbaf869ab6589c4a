#include "diptych/report/thumbnails.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "diptych/core/error.h"
#include "diptych/core/io/fs.h"
#include "diptych/core/io/hash.h"
#include "diptych/core/text.h"

namespace diptych::report {
namespace {

constexpr int kQuality = 82;
constexpr int64_t kSmallest = 96;

std::string jpeg_of(const cv::Mat& bgr, int quality) {
  std::vector<unsigned char> bytes;
  cv::imencode(".jpg", bgr, bytes, {cv::IMWRITE_JPEG_QUALITY, quality, cv::IMWRITE_JPEG_OPTIMIZE, 1});
  return {bytes.begin(), bytes.end()};
}

cv::Mat shrunk(const cv::Mat& image, int64_t side) {
  const double ratio = static_cast<double>(side) / std::max(image.cols, image.rows);
  if (ratio >= 1) return image;
  const cv::Size size(std::max(1, static_cast<int>(std::lround(image.cols * ratio))),
                      std::max(1, static_cast<int>(std::lround(image.rows * ratio))));
  cv::Mat out;
  cv::resize(image, out, size, 0, 0, cv::INTER_AREA);
  return out;
}

cv::Mat bgr_of(const at::Tensor& rgb) {
  if (rgb.dim() != 3 || rgb.size(2) != 3 || rgb.scalar_type() != at::kByte || rgb.numel() == 0)
    throw ShapeError(concat("thumbnail: expected uint8 [H, W, 3], got ", rgb.sizes(), " ", rgb.scalar_type()));
  const at::Tensor pixels = rgb.cpu().contiguous();
  const cv::Mat view(static_cast<int>(pixels.size(0)), static_cast<int>(pixels.size(1)), CV_8UC3, pixels.data_ptr());
  cv::Mat bgr;
  cv::cvtColor(view, bgr, cv::COLOR_RGB2BGR);
  return bgr;
}

std::string at_side(const std::string& jpeg, int64_t side) {
  const cv::Mat bytes(1, static_cast<int>(jpeg.size()), CV_8UC1, const_cast<char*>(jpeg.data()));
  return jpeg_of(shrunk(cv::imdecode(bytes, cv::IMREAD_COLOR), side), kQuality - 6);
}

/// The cause without the machine's folders.
std::string cause_in_flight() {
  const Verdict verdict = verdict_of_current_exception();
  return verdict.issues.empty() ? "cannot be read" : without_folders(verdict.issues.front().message);
}

uint64_t bytes_in_page(uint64_t jpeg_bytes, bool is_inline) { return is_inline ? (jpeg_bytes + 2) / 3 * 4 + 90 : 0; }

}  // namespace

std::string percent_encoded(std::string_view path) {
  std::string out;
  for (const char c : path) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view("._~/-").find(c) != std::string_view::npos;
    if (plain)
      out += c;
    else
      out += concat('%', "0123456789ABCDEF"[static_cast<unsigned char>(c) >> 4], "0123456789ABCDEF"[c & 15]);
  }
  return out;
}

Html Thumbnails::show(const std::filesystem::path& root, const std::string& relative, const std::string& alternative) {
  const auto [entry, is_new] = pictures_.try_emplace(concat("path ", root.string(), '\0', relative));
  Picture& picture = entry->second;
  if (is_new) {
    try {
      const cv::Mat image = shrunk(bgr_of(reader_(resolve_inside(root, relative))), options_.side_px);
      picture.width = image.cols, picture.height = image.rows;
      picture.jpeg = jpeg_of(image, kQuality);
    } catch (const Interrupted&) {
      throw;
    } catch (...) {
      picture.problem = cause_in_flight();
    }
  }
  if (!picture.problem.empty()) missing_[relative] = picture.problem;
  return show(picture, alternative);
}

Html Thumbnails::show(const at::Tensor& rgb, const std::string& alternative) {
  const cv::Mat image = shrunk(bgr_of(rgb), options_.side_px);
  std::string jpeg = jpeg_of(image, kQuality);
  Picture& picture = pictures_.try_emplace("pixels " + xxh128(jpeg)).first->second;
  picture.width = image.cols, picture.height = image.rows;
  picture.jpeg = std::move(jpeg);
  return show(picture, alternative);
}

Html Thumbnails::show(Picture& picture, const std::string& alternative) {
  if (!picture.problem.empty())
    return element("div",
                   {{"class", "tile"},
                    {"role", "img"},
                    {"aria-label", concat(alternative, " (no picture: ", picture.problem, ")")}},
                   text_element("span", "no picture: " + escape_for_log(picture.problem, 90)));
  if (picture.number < 0) {
    picture.number = static_cast<int64_t>(shown_.size());
    shown_.push_back(&picture);
  }
  return element("svg",
                 {{"class", "thumb"},
                  {"viewBox", concat("0 0 ", picture.width, " ", picture.height)},
                  {"width", concat(picture.width)},
                  {"height", concat(picture.height)},
                  {"role", "img"},
                  {"aria-label", alternative}},
                 element("use", {{"href", concat("#t", picture.number)}}, {}));
}

Html Thumbnails::definitions() {
  const bool is_inline = options_.assets_url.empty();
  std::vector<std::string> jpegs;
  for (const Picture* each : shown_) jpegs.push_back(each->jpeg);
  used_side_ = options_.side_px;
  const auto total = [&] {
    uint64_t sum = 0;
    for (const std::string& each : jpegs) sum += bytes_in_page(each.size(), is_inline);
    return sum;
  };
  while (total() > options_.budget_bytes && used_side_ > kSmallest) {
    used_side_ = std::max(kSmallest, used_side_ * 4 / 5);
    for (size_t i = 0; i < jpegs.size(); ++i) jpegs[i] = at_side(shown_[i]->jpeg, used_side_);
  }
  fits_ = total() <= options_.budget_bytes;
  files_.clear();
  Html out;
  for (size_t i = 0; i < jpegs.size(); ++i) {
    std::string address;
    if (is_inline) {
      address = data_uri("image/jpeg", jpegs[i]);
    } else {
      const std::string name = xxh128(jpegs[i]) + ".jpg";
      address = options_.assets_url + "/" + name;
      files_.emplace_back(name, std::move(jpegs[i]));
    }
    out += element("image",
                   {{"id", concat("t", i)},
                    {"width", concat(shown_[i]->width)},
                    {"height", concat(shown_[i]->height)},
                    {"href", address}},
                   {});
    out += Html::literal("\n");
  }
  return out;
}

void Thumbnails::restart() {
  for (auto& [key, picture] : pictures_) picture.number = -1;
  shown_.clear(), missing_.clear(), files_.clear();
}

}  // namespace diptych::report
