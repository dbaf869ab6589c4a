#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "diptych/report/html.h"

namespace diptych::report {

/// Gives RGB uint8 [H, W, 3] of the picture at a path, or throws. The caller's reader checks sizes before it decodes
/// and says what it may open (the program hands in decode_image); nothing is opened here.
using PictureReader = std::function<at::Tensor(const std::filesystem::path&)>;

struct ThumbnailOptions {
  int64_t side_px = 256;                    // longest side
  uint64_t budget_bytes = 9 * 1000 * 1000;  // of all pictures of a page, as they stand in the file
  std::string assets_url;                   // pictures go beside the page, addressed as <assets_url>/<name>; "": inline
};

/// The pictures of one page: re-encoded as JPEG (no metadata, no byte of the original), each stored once and shown any
/// number of times through <use>. When they do not fit the budget, all become smaller.
class Thumbnails {
 public:
  explicit Thumbnails(PictureReader reader, ThumbnailOptions options = {})
      : reader_(std::move(reader)), options_(std::move(options)) {}
  /// The picture at `relative` below `root`; neither .. nor links lead out of it (resolve_inside). `alternative` (its
  /// caption) is the text for those who do not see it. A file that is missing, damaged or outside becomes a tile that
  /// says so; it is never an error.
  Html show(const std::filesystem::path& root, const std::string& relative, const std::string& alternative);
  /// A picture in memory: uint8 [H, W, 3], RGB. Equal pixels are stored once.
  Html show(const at::Tensor& rgb, const std::string& alternative);
  /// What Page::definitions wants, once all is shown. Shrinks the pictures if the budget asks for it.
  Html definitions();
  /// False if even the smallest size (96 px) did not fit: show fewer. Valid after definitions().
  bool fits() const { return fits_; }
  /// Longest side used by definitions().
  int64_t side_px() const { return used_side_; }
  /// Tiles shown instead of pictures, with the reason: for the report's warnings.
  const std::map<std::string, std::string>& missing() const { return missing_; }
  /// Name and bytes of the files to write beside the page. Valid after definitions(); empty when inline.
  const std::vector<std::pair<std::string, std::string>>& files() const { return files_; }
  /// Forgets what was shown, but keeps decoded pictures: for building the page anew with fewer of them.
  void restart();

 private:
  struct Picture {
    std::string jpeg, problem;
    int64_t width = 0, height = 0, number = -1;  // number: order of first use on this page
  };
  Html show(Picture& picture, const std::string& alternative);

  PictureReader reader_;
  ThumbnailOptions options_;
  std::map<std::string, Picture> pictures_;  // by path, or by hash of the pixels
  std::vector<const Picture*> shown_;
  std::map<std::string, std::string> missing_;
  std::vector<std::pair<std::string, std::string>> files_;
  bool fits_ = true;
  int64_t used_side_ = 0;
};

/// A relative path as an URL: bytes outside [A-Za-z0-9._~/-] become %XX.
std::string percent_encoded(std::string_view path);

}  // namespace diptych::report
