#pragma once
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace diptych::pickle {

struct Value;
using ValuePtr = Value*;  // owned by the Pickle

struct None {};
struct List {  // tuples too
  std::vector<ValuePtr> items;
};
struct Dict {
  std::vector<std::pair<ValuePtr, ValuePtr>> entries;
};
/// A name that the pickle refers to: "torch.FloatStorage".
struct Global {
  std::string name;
};
/// What a persistent id stands for: a block of numbers stored elsewhere.
struct Storage {
  std::string type, key;  // "FloatStorage", "0"
  int64_t count = 0;      // elements
  int64_t view_offset = 0;
};
struct Tensor {
  Storage storage;
  int64_t offset = 0;
  std::vector<int64_t> sizes, strides;
};
struct Value : std::variant<None, bool, int64_t, double, std::string, List, Dict, Global, Storage, Tensor> {
  using variant::variant;
};

/// What is wrong with a pickle: a message without the file's name. `forbidden` names a global that is refused.
struct BadPickle {
  std::string message, forbidden;
};

/// A value with all it refers to. They lie in one place, not in each other: a hostile file may nest them ten million
/// deep, or in a circle.
struct Pickle {
  std::deque<Value> values;
  ValuePtr root = nullptr;
};

/// Interprets one pickle (protocols 2 to 5) that begins at `at`, and moves `at` behind its STOP. Every operation takes
/// at least a byte, containers are shared rather than copied: memory stays proportional to the bytes. throws BadPickle.
Pickle read(std::string_view bytes, size_t& at);

/// "integer", "text", "dictionary", ...
std::string kind_of(const Value& value);

}  // namespace diptych::pickle
