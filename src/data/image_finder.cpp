#include "data/image_finder.h"

#include <algorithm>

#include "diptych/core/error.h"
#include "diptych/core/text.h"

namespace diptych {
namespace fs = std::filesystem;
namespace finding {

// Paths that leave the folder are never touched; resolve_inside refuses them when the image is opened.
bool stays_below(const fs::path& path) {
  return !path.is_absolute() &&
         std::none_of(path.begin(), path.end(), [](const fs::path& part) { return part == ".."; });
}

bool is_file(const fs::path& path) {
  std::error_code unreadable;
  return fs::is_regular_file(path, unreadable);
}

}  // namespace finding

void ImageFinder::list_folder() {
  listed_ = true;
  std::error_code error;
  fs::recursive_directory_iterator each(root_, fs::directory_options::skip_permission_denied, error), end;
  for (; !error && each != end; each.increment(error))
    if (std::error_code unreadable; each->is_regular_file(unreadable))
      paths_of_name_[each->path().filename().string()].push_back(each->path().lexically_relative(root_).string());
}

std::string ImageFinder::find(const std::vector<std::string>& tried) {
  for (const std::string& path : tried)
    if (finding::stays_below(path) && finding::is_file(root_ / path)) return path;
  const fs::path wanted = tried.front();
  if (!finding::stays_below(wanted) || wanted.filename().empty()) return tried.front();
  if (!listed_) list_folder();
  const auto found = paths_of_name_.find(wanted.filename().string());
  if (found == paths_of_name_.end()) return tried.front();
  std::vector<std::string>& paths = found->second;
  if (paths.size() == 1) return paths.front();
  std::sort(paths.begin(), paths.end());
  throw DataError(escape_for_log(root_.string(), 200),
                  concat("image '", escape_for_log(tried.front()), "' is in ", paths.size(),
                         " folders: ", escape_for_log(paths[0]), ", ", escape_for_log(paths[1])),
                  "keep one of them, or set data.corpus.images to the folder that is meant");
}

}  // namespace diptych
