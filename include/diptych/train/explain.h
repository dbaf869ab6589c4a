#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "diptych/core/io/json.h"
#include "diptych/model/relevance.h"
#include "diptych/train/session.h"

namespace diptych {

/// Where the first place of a map looks, in shares of a place from the picture's upper left corner; (0.5, 0.5) is the
/// middle of its cell.
struct FirstPlace {
  double row = 0.5, column = 0.5;
};

/// Why a model finds an image and a text as similar as it does.
struct Explanation {
  std::string text, scorer;  // scorer: "cosine"
  double score = 0;
  at::Tensor picture;    // uint8 [H, W, 3]: what the encoder saw, resized and cropped
  at::Tensor relevance;  // [h, w] float32, above zero: speaks for the similarity, below: against (relevance.h)
  FirstPlace first;      // of the relevance and of the attention
  std::string method;    // "Grad-CAM", or "gradient x activation at each place" where pooling keeps places apart
  /// Largest difference to the closed form, as a share of the largest relevance; nothing if there is no closed form.
  std::optional<double> closed_form_difference;
  struct Word {
    std::string word;
    bool known;                      // false: the vocabulary has no such word, the model read <unk>
    double left_out;                 // score of the whole text - score without the word
    std::optional<double> gradient;  // gradient x word vector
  };
  std::vector<Word> words;
  int64_t words_cut = 0;                // beyond data.text.max_length: not read
  std::vector<AttentionMap> attention;  // of models that have some
};

/// Explains one pair. Mirror images (evaluate.flip_sum) are left out. throws UsageError if the text holds no word,
/// DataError (IMG) if the image cannot be read.
Explanation explain(const LoadedRun& run, const std::filesystem::path& image, const std::string& text);

/// An explained pair of the evaluated split.
struct ExplainedPair {
  std::string image_id, caption_id;
  bool is_match;  // the caption describes this image
  int64_t rank;   // of the caption's own image among all images, 1-based, ties pessimistic
  Explanation explanation;
};
/// Which pairs: "worst:8", "best:8", "random:8" captions by the rank of their image, or ids of captions
/// ("1000268201_693b08cb0e.jpg#0", comma-separated).
struct PairChoice {
  enum class Kind { worst, best, random, ids } kind;
  int64_t count = 0;
  std::vector<std::string> ids;
};
/// throws UsageError.
PairChoice parse_pair_choice(const std::string& text);
/// For each chosen caption: its own image, and the image that the model puts first if that is another one.
std::vector<ExplainedPair> explain_pairs(const LoadedRun& run, Split split, const PairChoice& choice);

/// {"text", "score", "scorer", "method", "relevance": [[...]], "first_place": [row, column], "words": [{"word",
/// "known", "left_out", "gradient"}], "attention": [{"name", "map", "words"}], ...}; the picture aside.
Json to_json(const Explanation& explanation);
/// Writes `directory`/explain.json, {"what", "pairs": [{"image", "caption", "match", "rank", "picture", ...to_json}]},
/// and one JPEG a picture, for the report. The folder appears whole or not at all.
void write_explanations(const std::filesystem::path& directory, const std::vector<ExplainedPair>& pairs,
                        const std::string& what);

/// Row and column of the picture's pixel where the relevance [h, w], enlarged bilinearly to the picture, is highest.
std::pair<int64_t, int64_t> most_relevant_pixel(const at::Tensor& relevance, int64_t height, int64_t width,
                                                const FirstPlace& first = {});
/// Of the maps that the encoder makes of height x width pictures.
FirstPlace first_place(const ImageEncoder& encoder, const at::Tensor& map, int64_t height, int64_t width);

/// Does the map of "the red circle" point at the red circle? Over the objects of a split of a generated corpus, those
/// that share colour and shape with another object of their picture left out.
struct PointingResult {
  int64_t pictures = 0, queries = 0;
  double hits = 0, low = 0, high = 0;  // percent whose most relevant pixel lies in the object's box; 95 % interval
                                       // (bootstrap over pictures)
  struct Part {
    int64_t objects, queries;  // pictures with this many objects
    double hits;
  };
  std::vector<Part> parts;
  // What it would be without looking: percent, expected for a random pixel; for the middle of the picture; and how
  // often the map of one object points at another of its picture (0 is best).
  double random = 0, centre = 0, other = 0;
};
PointingResult measure_pointing(const LoadedRun& run, Split split);
std::string to_text(const PointingResult& result);
Json to_json(const PointingResult& result);

}  // namespace diptych
