#include "diptych/data/image/drawn_objects.h"

#include <algorithm>

#include "data/annotation.h"
#include "data/image/shapes.h"
#include "data/lines.h"

namespace diptych {
namespace drawn {

template <class E>
E enum_of(const Json& object, const char* name, const Place& place) {
  const std::string word = text_field(object, name, place);
  for (const auto& [value, text] : enum_names(E{}))
    if (word == text) return value;
  throw DataError(place.text(), concat("objects: ", name, " '", escape_for_log(word), "' is not known"),
                  did_you_mean(word, enum_words<E>()));
}

shapes::Box given_box(const Json& object, const Place& place) {
  const Json& box = list_field(object, "box", place);
  if (box.size() != 4 || !std::all_of(box.begin(), box.end(), [](const Json& side) { return side.is_number(); }))
    throw DataError(place.text(), "objects: box must be [left, top, right, bottom]");
  return {box[0].get<double>(), box[1].get<double>(), box[2].get<double>(), box[3].get<double>()};
}

shapes::Box box_from_place(const Json& object, const Place& place) {
  return box_of(shapes::figure_of(
      {enum_of<shapes::Shape>(object, "shape", place), enum_of<shapes::Colour>(object, "colour", place),
       text_field(object, "size", place) == "large", enum_of<shapes::Place>(object, "place", place)}));
}

DrawnObject object_of(const Json& object, const Place& place) {
  const bool has_box = object.is_object() && object.contains("box");
  const shapes::Box box = has_box ? given_box(object, place) : box_from_place(object, place);
  return {text_field(object, "colour", place),
          text_field(object, "shape", place),
          box.left,
          box.top,
          box.right,
          box.bottom};
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
