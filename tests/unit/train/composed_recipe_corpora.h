#pragma once
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "diptych/core/io/json.h"
#include "diptych/core/text.h"
#include "diptych/data/image/css_corpus.h"
#include "unit/train/recipe_corpora.h"

// Small sets in the formats of composed retrieval, below a folder. Each is large enough that a tenth of its training
// images, cut off for validation, still holds a query.
namespace diptych::testing {

/// Drawn pictures for any names, 84 different ones.
class NamedPictures {
 public:
  explicit NamedPictures(const std::filesystem::path& folder)
      : drawn_(folder / "drawn"), images_(folder / "images"), pictures_(draw_pictures(drawn_)) {}
  ~NamedPictures() { std::filesystem::remove_all(drawn_); }
  NamedPictures(const NamedPictures&) = delete;
  NamedPictures& operator=(const NamedPictures&) = delete;

  /// The next picture as `name` below the folder's images/.
  void put(const std::string& name) {
    std::filesystem::create_directories((images_ / name).parent_path());
    std::filesystem::create_hard_link(pictures_[next_++ % pictures_.size()].file, images_ / name);
  }

 private:
  std::filesystem::path drawn_, images_;
  std::vector<DrawnPicture> pictures_;
  size_t next_ = 0;
};

inline std::ofstream new_text_file(const std::filesystem::path& file) {
  std::filesystem::create_directories(file.parent_path());
  return std::ofstream(file);
}

/// 40 dresses to train on and 6 shirts to test on, one word of each caption its own: all are each other's siblings.
inline void write_fashion200k(const std::filesystem::path& folder) {
  NamedPictures pictures(folder);
  const auto write_labels = [&](const std::string& split, const std::string& type, int count) {
    std::ofstream labels = new_text_file(folder / "labels" / (type + "_" + split + "_detect_all.txt"));
    for (int i = 0; i < count; ++i) {
      const std::string path = concat("women/", type, "/", split, i, "/", split, i, "_0.jpeg");
      pictures.put(path);
      labels << path << "\t0\thue" << i << " " << type << "\n";
    }
  };
  write_labels("train", "dress", 40), write_labels("test", "shirt", 6);
  std::ofstream queries(folder / "test_queries.txt");
  for (int i = 0; i < 5; ++i)
    queries << concat("women/shirt/test", i, "/test", i, "_0.jpeg women/shirt/test", i + 1, "/test", i + 1,
                      "_0.jpeg\n");
}

/// 12 nouns of nobody's test list and two of Vo et al.'s, two adjectives each: (noun, adjective).
inline std::vector<std::pair<std::string, std::string>> states() {
  std::vector<std::pair<std::string, std::string>> out;
  std::vector<std::string> nouns{"tomato", "window"};
  for (int i = 0; i < 12; ++i) nouns.push_back(concat("thing", i));
  for (const std::string& noun : nouns)
    for (const char* adjective : {"clean", "dirty"}) out.emplace_back(noun, adjective);
  return out;
}

/// `table` empty: folders "adjective noun"; or a table of that name with the columns of the set of product photos.
inline void write_mit_states(const std::string& table, const std::filesystem::path& folder) {
  NamedPictures pictures(folder);
  std::ofstream lines;
  if (!table.empty()) lines = new_text_file(folder / table), lines << "file\tcolour\tarticle_type\tsplit\n";
  for (const auto& [noun, adjective] : states()) {
    const std::string path = concat(adjective, " ", noun, "/0.jpg");
    pictures.put(path);
    if (lines.is_open()) lines << path << "\t" << adjective << "\t" << noun << "\ttrain\n";
  }
}

/// Pairs of 14 nouns and two adjectives, those of two nouns to test on; two pictures each.
inline void write_mit_states_comp(const std::filesystem::path& folder) {
  NamedPictures pictures(folder);
  std::ofstream train = new_text_file(folder / "compositional-split/train_pairs.txt"),
                test = new_text_file(folder / "compositional-split/test_pairs.txt"),
                metadata = new_text_file(folder / "metadata.tsv");
  metadata << "image\tattr\tobj\n";
  for (const auto& [noun, adjective] : states()) {
    (noun == "tomato" || noun == "window" ? test : train) << adjective << " " << noun << "\n";
    for (int i = 0; i < 2; ++i) {
      const std::string path = concat(adjective, "_", noun, "/", i, ".jpg");
      pictures.put(path);
      metadata << path << "\t" << adjective << "\t" << noun << "\n";
    }
  }
}

/// Three categories, each of ten couples of images to train on and two to test on, which ask for each other.
inline void write_fashioniq(const std::filesystem::path& folder) {
  NamedPictures pictures(folder);
  for (const std::string category : {"dress", "shirt", "toptee"})
    for (const auto& [split, couples] : {std::pair{"train", 10}, std::pair{"val", 2}}) {
      Json ids = Json::array(), queries = Json::array();
      for (int i = 0; i < 2 * couples; ++i) {
        const std::string id = concat(category, "-", split, i), other = concat(category, "-", split, i ^ 1);
        pictures.put(id + ".jpg");
        ids.push_back(id);
        queries.push_back({{"candidate", id}, {"target", other}, {"captions", {"is brighter", "has no sleeves"}}});
      }
      const std::string name = concat(category, ".", split, ".json");
      new_text_file(folder / "image_splits" / ("split." + name)) << ids;
      new_text_file(folder / "captions" / ("cap." + name)) << queries;
    }
}

/// Ten sets of six images to train on and one to test on; each image asks for the next of its set.
inline void write_cirr(const std::filesystem::path& folder) {
  NamedPictures pictures(folder);
  for (const auto& [split, sets] : {std::pair{"train", 10}, std::pair{"val", 1}}) {
    Json paths = Json::object(), queries = Json::array();
    for (int set = 0; set < sets; ++set) {
      std::vector<std::string> members;
      for (int i = 0; i < 6; ++i) members.push_back(concat(split, "-", set, "-", i));
      for (size_t i = 0; i < members.size(); ++i) {
        const std::string path = concat(split, "/", members[i], ".jpg"), &target = members[(i + 1) % members.size()];
        pictures.put(path);
        paths[members[i]] = "./" + path;
        queries.push_back({{"pairid", static_cast<int>(queries.size())},
                           {"reference", members[i]},
                           {"target_hard", target},
                           {"target_soft", {{target, 1.0}}},
                           {"caption", "show it from further away"},
                           {"img_set", {{"id", set}, {"members", members}}}});
      }
    }
    new_text_file(folder / "image_splits" / concat("split.rc2.", split, ".json")) << paths;
    new_text_file(folder / "captions" / concat("cap.rc2.", split, ".json")) << queries;
  }
}

/// As write_recipe_corpus, for readers of composed retrieval. `table`: data.corpus.table of the recipe. Returns whether
/// the type is one of theirs.
inline bool write_composed_recipe_corpus(const std::string& type, const std::string& table,
                                         const std::filesystem::path& folder) {
  if (type == "css") {
    CssCorpusOptions options;
    options.train_queries = 160, options.test_queries = 16, options.size = 32;
    write_css_corpus(folder, options);
  } else if (type == "fashion200k") {
    write_fashion200k(folder);
  } else if (type == "mit_states") {
    write_mit_states(table, folder);
  } else if (type == "mit_states_comp") {
    write_mit_states_comp(folder);
  } else if (type == "fashioniq") {
    write_fashioniq(folder);
  } else if (type == "cirr") {
    write_cirr(folder);
  } else {
    return false;
  }
  return true;
}

}  // namespace diptych::testing
