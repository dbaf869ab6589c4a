#pragma once
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "diptych/core/io/json.h"
#include "diptych/data/image/class_corpus.h"
#include "diptych/data/image/positions.h"
#include "diptych/data/image/synth.h"
#include "support/torch7_writer.h"

namespace diptych::testing {

/// A drawn picture with its captions, as every writer below gets it.
struct DrawnPicture {
  std::filesystem::path file;
  std::string split;
  std::vector<std::string> captions;
};

/// 24 pictures to train on and 50 to validate with, so that five folds still hold ten images each; five captions each.
inline std::vector<DrawnPicture> draw_pictures(const std::filesystem::path& folder) {
  ShapesOptions options;
  options.images = 24, options.val_images = 50, options.test_images = 10, options.size = 32, options.captions = 5;
  write_shapes_corpus(folder, options);
  std::vector<DrawnPicture> out;
  std::ifstream lines(folder / "set.jsonl");
  for (std::string line; std::getline(lines, line);) {
    const Json each = Json::parse(line);
    out.push_back({folder / "images" / std::filesystem::path(each.at("image").get<std::string>()).filename(),
                   each.at("split"), each.at("captions")});
  }
  return out;
}

inline Json words(const std::string& caption) {
  Json out = Json::array();
  for (const std::string& word : split(caption, ' ')) out.push_back(word);
  return out;
}

/// Karpathy's JSON, pictures beside it.
inline void write_karpathy(const std::vector<DrawnPicture>& pictures, const std::filesystem::path& annotations) {
  Json images = Json::array();
  for (size_t i = 0; i < pictures.size(); ++i) {
    Json sentences = Json::array();
    for (const std::string& caption : pictures[i].captions)
      sentences.push_back({{"raw", caption}, {"tokens", words(caption)}, {"imgid", i}});
    images.push_back({{"filename", pictures[i].file.filename()},
                      {"imgid", i},
                      {"split", pictures[i].split},
                      {"sentences", sentences}});
  }
  std::ofstream(annotations) << Json{{"images", images}, {"dataset", "small"}};
}

/// Flickr30k as first released: the token file, and lists as the names without ".jpg".
inline void write_flickr_token(const std::vector<DrawnPicture>& pictures, const std::filesystem::path& annotations) {
  std::ofstream tokens(annotations);
  for (const DrawnPicture& picture : pictures) {
    for (size_t k = 0; k < picture.captions.size(); ++k)
      tokens << picture.file.filename().string() << "#" << k << "\t" << picture.captions[k] << "\n";
    std::ofstream(annotations.parent_path() / (picture.split + ".txt"), std::ios::app)
        << picture.file.stem().string() << "\n";
  }
}

/// CUHK-PEDES' JSON: two pictures a person, two captions a picture.
inline void write_cuhk_pedes(const std::vector<DrawnPicture>& pictures, const std::filesystem::path& annotations) {
  Json records = Json::array();
  for (size_t i = 0; i < pictures.size(); ++i) {
    const auto& captions = pictures[i].captions;
    records.push_back({{"split", pictures[i].split},
                       {"captions", {captions[0], captions[1]}},
                       {"processed_tokens", {words(captions[0]), words(captions[1])}},
                       {"file_path", pictures[i].file.filename()},
                       {"id", i / 2 + 1}});
  }
  std::ofstream(annotations) << records;
}

/// ICFG-PEDES' JSON: two pictures a person, numbered from 0, one caption a picture, no validation.
inline void write_icfg_pedes(const std::vector<DrawnPicture>& pictures, const std::filesystem::path& annotations) {
  Json records = Json::array();
  for (size_t i = 0; i < pictures.size(); ++i)
    records.push_back({{"split", pictures[i].split == "test" ? "test" : "train"},
                       {"captions", Json::array({pictures[i].captions[0]})},
                       {"processed_tokens", Json::array({words(pictures[i].captions[0])})},
                       {"file_path", pictures[i].file.filename()},
                       {"id", i / 2}});
  std::ofstream(annotations) << records;
}

inline void write_csv(const std::vector<DrawnPicture>& pictures, const std::filesystem::path& annotations) {
  std::ofstream file(annotations);
  file << "image,caption,split\n";
  for (const DrawnPicture& picture : pictures)
    for (const std::string& caption : picture.captions)
      file << picture.file.filename().string() << ",\"" << caption << "\"," << picture.split << "\n";
}

/// CLASS.t7 for every class of a corpus in Reed's layout: 1,024 numbers of two views for every picture.
inline void write_class_features(const std::filesystem::path& corpus, const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  for (const auto& texts : std::filesystem::directory_iterator(corpus / "text_c10")) {
    const auto images = std::distance(std::filesystem::directory_iterator(texts), {});
    std::vector<float> numbers;
    for (int64_t i = 0; i < images * 2048; ++i) numbers.push_back(std::sin(static_cast<float>(i)));
    std::ofstream(folder / (texts.path().filename().string() + ".t7"), std::ios::binary)
        << torch7_bytes({images, 1024, 2}, numbers);
  }
}

/// A small corpus in the format that the reader `type` expects, below `folder`. Returns whether the type is known; a
/// recipe with a new one needs a writer here.
inline bool write_recipe_corpus(const std::string& type, const std::string& annotations, const std::string& protocol,
                                const std::filesystem::path& folder) {
  if (type == "jsonl" && protocol == "positions") {
    PositionsOptions options;
    options.images = 24, options.val_images = 8, options.test_images = 8, options.size = 48;
    write_positions_corpus(folder, options);
    return true;
  }
  if (type == "reed") {
    ClassCorpusOptions options;
    options.images = 4, options.size = 32;
    write_class_corpus(folder, options);
    return true;
  }
  const std::vector<DrawnPicture> pictures = draw_pictures(folder / "drawn");
  const std::filesystem::path file = folder / annotations, images = type == "cuhk_pedes" ? folder / "imgs" : folder;
  std::filesystem::create_directories(images);
  for (const DrawnPicture& picture : pictures)
    if (type != "jsonl") std::filesystem::create_hard_link(picture.file, images / picture.file.filename());
  if (type == "jsonl")
    std::filesystem::rename(folder / "drawn/images", folder / "images"),
        std::filesystem::rename(folder / "drawn/set.jsonl", file);
  else if (type == "karpathy")
    write_karpathy(pictures, file);
  else if (type == "flickr_token")
    write_flickr_token(pictures, file);
  else if (type == "cuhk_pedes")
    annotations.starts_with("ICFG") ? write_icfg_pedes(pictures, file) : write_cuhk_pedes(pictures, file);
  else if (type == "csv")
    write_csv(pictures, file);
  else
    return false;
  std::filesystem::remove_all(folder / "drawn");
  return true;
}

}  // namespace diptych::testing
