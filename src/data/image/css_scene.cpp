#include "data/image/css_scene.h"

#include <algorithm>
#include <optional>
#include <set>
#include <unordered_map>

#include "diptych/core/text.h"

namespace diptych::css {
namespace {

constexpr int64_t kEditsOfScene = 8;
constexpr uint64_t kFewest = 2, kMost = 6;  // objects of a scene before it is changed
constexpr double kJitter = 0.03;            // a large object stays inside its cell
constexpr double kArticles = 0.25, kShortest = 0.7;

constexpr size_t kColours = std::size(enum_names(Colour{})), kShapes = std::size(enum_names(Shape{}));

std::string_view word(bool is_large) { return is_large ? "large" : "small"; }

std::string place_name(int cell) {
  constexpr const char* kRows[] = {"top", "middle", "bottom"};
  constexpr const char* kColumns[] = {"left", "center", "right"};
  return concat(kRows[cell / kSide], "-", kColumns[cell % kSide]);
}

template <class T>
const T& one_of(const std::vector<T>& items, Random& random) {
  return items[static_cast<size_t>(random.below(items.size()))];
}

void place_in(Object& object, int cell, Random& random) {
  object.cell = cell;
  object.y = (cell / kSide + 0.5) / kSide + random.uniform(-kJitter, kJitter);
  object.x = (cell % kSide + 0.5) / kSide + random.uniform(-kJitter, kJitter);
}

Object draw_object(Part part, int cell, Random& random) {
  std::vector<std::pair<Shape, Colour>> kinds;
  for (size_t shape = 0; shape < kShapes; ++shape)
    for (size_t colour = 0; colour < kColours; ++colour)
      if (belongs_to(part, static_cast<Shape>(shape), static_cast<Colour>(colour)))
        kinds.emplace_back(static_cast<Shape>(shape), static_cast<Colour>(colour));
  const auto [shape, colour] = one_of(kinds, random);
  Object out{colour, shape, random.chance(0.5), cell};
  place_in(out, cell, random);
  return out;
}

Scene draw_scene(Part part, Random& random) {
  const std::vector<int64_t> cells = permutation(kCells, Random(random.next()));
  Scene scene(static_cast<size_t>(kFewest + random.below(kMost - kFewest + 1)));
  for (size_t i = 0; i < scene.size(); ++i) scene[i] = draw_object(part, static_cast<int>(cells[i]), random);
  return scene;
}

std::vector<int> free_cells(const Scene& scene) {
  std::vector<int> out;
  for (int cell = 0; cell < kCells; ++cell)
    if (std::ranges::count(scene, cell, &Object::cell) == 0) out.push_back(cell);
  return out;
}

/// Names of an object by colour and shape, by size and place too where asked for: those that are true of it alone,
/// shorter ones first.
std::vector<std::string> names_of(const Object& object, const Scene& scene) {
  std::vector<std::string> out;
  for (const bool with_place : {false, true})
    for (const bool with_size : {false, true}) {
      const auto fits = [&](const Object& other) {
        return other.colour == object.colour && other.shape == object.shape &&
               (!with_size || other.is_large == object.is_large) && (!with_place || other.cell == object.cell);
      };
      if (std::ranges::count_if(scene, fits) != 1) continue;
      out.push_back(concat(with_place ? place_name(object.cell) + " " : "",
                           with_size ? std::string(word(object.is_large)) + " " : "", enum_text(object.colour), " ",
                           enum_text(object.shape)));
    }
  return out;
}

std::string say(const Edit& edit, const Scene& scene, Random& random) {
  const bool with_articles = random.chance(kArticles);
  const char *a = with_articles ? "a " : "", *the = with_articles ? "the " : "";
  const Object &before = edit.before, &after = edit.after;
  if (edit.action == Edit::Action::add)
    return concat("add ", a, word(after.is_large), " ", enum_text(after.colour), " ", enum_text(after.shape), " to ",
                  the, place_name(after.cell));
  const std::vector<std::string> names = names_of(before, scene);
  const std::string& name = random.chance(kShortest) ? names.front() : one_of(names, random);
  switch (edit.action) {
    case Edit::Action::colour:
      return concat("make ", the, name, " ", enum_text(after.colour));
    case Edit::Action::shape:
      return concat("make ", the, name, " a ", enum_text(after.shape));
    case Edit::Action::size:
      return concat("make ", the, name, " ", word(after.is_large));
    default:
      return concat("remove ", the, name);
  }
}

// What the object can become by one action.
std::vector<Object> alternatives(Edit::Action action, const Object& object, Part part) {
  std::vector<Object> out;
  if (action == Edit::Action::size) {
    out.push_back(object);
    out.back().is_large = !object.is_large;
  }
  for (size_t i = 0; action == Edit::Action::colour && i < kColours; ++i)
    if (const auto colour = static_cast<Colour>(i); colour != object.colour && belongs_to(part, object.shape, colour))
      out.push_back(object), out.back().colour = colour;
  for (size_t i = 0; action == Edit::Action::shape && i < kShapes; ++i)
    if (const auto shape = static_cast<Shape>(i); shape != object.shape && belongs_to(part, shape, object.colour))
      out.push_back(object), out.back().shape = shape;
  return out;
}

std::optional<Edit> try_edit(Edit::Action action, const Scene& scene, Part part, Random& random) {
  Edit edit{action, {}, {}, ""};
  if (action == Edit::Action::add) {
    const std::vector<int> cells = free_cells(scene);
    if (cells.empty()) return std::nullopt;
    edit.after = draw_object(part, one_of(cells, random), random);
  } else {
    if (scene.empty() || (action == Edit::Action::remove && scene.size() < 2)) return std::nullopt;
    edit.before = edit.after = one_of(scene, random);
    if (action != Edit::Action::remove) {
      const std::vector<Object> others = alternatives(action, edit.before, part);
      if (others.empty()) return std::nullopt;
      edit.after = one_of(others, random);
    }
  }
  edit.text = say(edit, scene, random);
  return edit;
}

}  // namespace

bool belongs_to(Part part, Shape shape, Colour colour) {
  const size_t first = 2 * static_cast<size_t>(shape), at = static_cast<size_t>(colour);
  return (at >= first && at < first + kColours / 2) == (part == Part::train);
}

std::string key_of(const Scene& scene) {
  std::vector<std::string> parts;
  for (const Object& object : scene)
    parts.push_back(concat(object.cell, enum_text(object.colour), enum_text(object.shape), word(object.is_large)));
  std::ranges::sort(parts);
  return join(parts, " ");
}

Edit draw_edit(const Scene& scene, Part part, Random& random) {
  constexpr size_t kActions = 5;
  for (;;)  // adding or removing is always possible
    if (auto edit = try_edit(static_cast<Edit::Action>(random.below(kActions)), scene, part, random)) return *edit;
}

Scene apply(const Edit& edit, const Scene& scene) {
  Scene out = scene;
  if (edit.action == Edit::Action::add) {
    out.push_back(edit.after);
    return out;
  }
  const auto found = std::ranges::find_if(out, [&](const Object& object) { return object.is_like(edit.before); });
  if (edit.action == Edit::Action::remove)
    out.erase(found);
  else
    *found = edit.after;
  return out;
}

SceneSet make_scenes(int64_t queries, Part part, uint64_t seed) {
  SceneSet out;
  std::unordered_map<std::string, int64_t> first;
  const auto add = [&](const Scene& scene) {
    const auto number = static_cast<int64_t>(out.scenes.size());
    out.labels.push_back(first.emplace(key_of(scene), number).first->second);
    out.scenes.push_back(scene);
    return number;
  };
  const int64_t bases = std::max<int64_t>(queries / kEditsOfScene, 1);
  for (int64_t base = 0; base < bases; ++base) {
    Random random(seed,
                  {static_cast<uint64_t>(Stream::synth), 40, static_cast<uint64_t>(part), static_cast<uint64_t>(base)});
    const Scene scene = draw_scene(part, random);
    const int64_t from = add(scene);
    const auto edits = static_cast<size_t>(queries * (base + 1) / bases - queries * base / bases);
    std::set<std::string> results;
    while (results.size() < edits) {
      const Edit edit = draw_edit(scene, part, random);
      const Scene result = apply(edit, scene);
      if (!results.insert(key_of(result)).second) continue;
      out.queries.push_back({from, add(result), edit.text});
    }
  }
  return out;
}

}  // namespace diptych::css
