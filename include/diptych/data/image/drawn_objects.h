#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace diptych {

/// What is drawn in a picture of a generated corpus, and where.
struct DrawnObject {
  std::string colour, shape;
  double left = 0, top = 0, right = 0, bottom = 0;  // shares of the picture's width and height
  std::string phrase() const { return "the " + colour + " " + shape; }
};

/// By image id, from meta.objects of a generated set.jsonl (data synth shapes, positions). throws DataError with the
/// line if the file has no such objects, or none that say where they are.
std::map<std::string, std::vector<DrawnObject>> drawn_objects(const std::filesystem::path& set);

}  // namespace diptych
