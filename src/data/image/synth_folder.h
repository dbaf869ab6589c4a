#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "diptych/core/io/json.h"

namespace diptych {

/// One picture of a generated corpus.
struct SynthPicture {
  std::string id, split;
  std::vector<std::string> captions;
  Json meta;
  std::string jpeg;
};
using SynthSink = std::function<void(const SynthPicture&)>;

/// Writes set.jsonl (the native format), images/<id>.jpg and synth.json, which holds `options` and the hashes of the
/// rest; `draw` hands over the pictures in order. The folder appears whole or not at all. One that holds the very same
/// options and unchanged files is left as it is. throws UsageError if it holds anything else; OutputError.
void write_synth_folder(const std::filesystem::path& directory, const Json& options,
                        const std::function<void(const SynthSink&)>& draw);

/// Takes the files of a generated corpus: path below its folder, bytes.
using FileSink = std::function<void(const std::string& path, const std::string& bytes)>;

/// The same for a corpus of any files: `write` hands them over in any order; synth.json holds `options`, the number of
/// files and a hash over their paths and bytes.
void write_synth_files(const std::filesystem::path& directory, const Json& options,
                       const std::function<void(const FileSink&)>& write);

/// "train-00012".
std::string synth_id(const char* split, size_t number);

}  // namespace diptych
