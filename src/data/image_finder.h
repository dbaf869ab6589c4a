#pragma once
#include <filesystem>
#include <string>
#include <unordered_map>
#include <vector>

namespace diptych {

/// Finds the file of an annotated image name below the image folder: as one of the paths tried, or by its name in any
/// folder depth. The folder is listed once, and only when a direct path fails.
class ImageFinder {
 public:
  explicit ImageFinder(std::filesystem::path image_root) : root_(std::move(image_root)) {}
  /// The path relative to the image folder; `tried.front()` when there is no such file (check_images_exist says so
  /// later). throws DataError when several folders hold the name.
  std::string find(const std::vector<std::string>& tried);

 private:
  void list_folder();
  std::filesystem::path root_;
  bool listed_ = false;
  std::unordered_map<std::string, std::vector<std::string>> paths_of_name_;
};

}  // namespace diptych
