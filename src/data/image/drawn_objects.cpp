#include "diptych/data/image/drawn_objects.h"

#include <algorithm>

#include "data/annotation.h"
#include "data/lines.h"

namespace diptych {
namespace drawn {

DrawnObject object_of(const Json& object, const Place& place) {
  DrawnObject out{text_field(object, "colour", place), text_field(object, "shape", place)};
  const Json& box = list_field(object, "box", place);
  if (box.size() != 4 || !std::all_of(box.begin(), box.end(), [](const Json& side) { return side.is_number(); }))
    throw DataError(place.text(), "objects: box must be [left, top, right, bottom]");
  out.left = box[0], out.top = box[1], out.right = box[2], out.bottom = box[3];
  return out;
}

}  // namespace drawn

std::map<std::string, std::vector<DrawnObject>> drawn_objects(const std::filesystem::path& set) {
  std::map<std::string, std::vector<DrawnObject>> objects;
  for_each_line(set, [&](std::string_view line, Place place) {
    const Json record = parse_json(line, concat(set.string(), ":", place.record));
    place.id = text_field(record, record.is_object() && record.contains("id") ? "id" : "image", place);
    if (!record.contains("meta") || !record["meta"].is_object() || !record["meta"].contains("objects"))
      throw DataError(place.text(), "meta.objects is missing: nobody knows what is where in this picture",
                      "a generated corpus says so: diptych data synth shapes -o DIR");
    for (const Json& object : list_field(record["meta"], "objects", place))
      objects[place.id].push_back(drawn::object_of(object, place));
  });
  return objects;
}

}  // namespace diptych
