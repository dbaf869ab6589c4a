#pragma once
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

// Python's pickles of plain values, as np.save writes them around a dictionary. Interpreted, never executed: nothing is
// looked up, imported or called. (torch's pickles, whose values are blocks of numbers: core/tensor/unpickler.h.)

namespace diptych::pickled {

struct Value;

struct None {};
struct Bytes {
  std::string bytes;
};
/// A list, a tuple, or an array of one axis.
struct List {
  std::vector<const Value*> items;
};
/// In the order of the file; of equal keys the last one counts.
struct Dict {
  std::vector<std::pair<const Value*, const Value*>> entries;
};
/// An array without axes: one value. np.save puts a dictionary into one.
struct Box {
  const Value* item = nullptr;
};
/// An element's type, "i8" of "<i8".
struct Dtype {
  char kind = 0;  // b i u f U S O
  uint64_t bytes = 0;
};
/// A name that stands for a function or a type: one of numpy's that are understood.
struct Function {
  std::string name;
};
/// What numpy makes before it is told shape and elements.
struct EmptyArray {};

struct Value {
  std::variant<None, bool, int64_t, double, std::string, Bytes, List, Dict, Box, Dtype, Function, EmptyArray> content;
  uint64_t at;          // byte of the file where it was made, for messages
  int32_t height = -1;  // containers below and with it; -1: not looked at

  template <class T>
  const T* as() const {
    return std::get_if<T>(&content);
  }
};

/// What a file may ask for. `max_bytes` is of the file.
struct Limits {
  uint64_t max_bytes = uint64_t{512} << 20;
  uint64_t max_values = 20'000'000;  // some 100 bytes of memory each
  uint64_t max_text = 16 << 20;      // bytes of one text
  int32_t max_depth = 64;            // containers in one another
};

/// A value with all it refers to; shared parts are there once.
struct Pickle {
  std::deque<Value> values;
  const Value* root = nullptr;  // not a Box
};

/// Reads one pickle of protocols 0 to 5, bare or behind an .npy header of dtype object (np.save of anything that is no
/// array of numbers): None, bool, integers of 64 bits, floats, texts, bytes, lists, tuples, dictionaries, and what
/// numpy makes of them: arrays without axes or with one, scalars. Texts of Python 2 come as their bytes. `file` is
/// named in messages. throws DataError with the byte where the fault is: bytes cut off, an operation or a name that is
/// not accepted ("os.system"), limits, values that contain themselves, bytes behind the end.
Pickle read(std::string_view bytes, const std::string& file, const Limits& limits = {});

/// "an integer", "a dictionary", ...
std::string kind_of(const Value& value);

}  // namespace diptych::pickled
