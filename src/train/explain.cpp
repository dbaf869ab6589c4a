#include "diptych/train/explain.h"

#include <torch/torch.h>

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "diptych/core/io/fs.h"
#include "diptych/core/log.h"
#include "diptych/core/random.h"
#include "diptych/core/signals.h"
#include "diptych/core/text.h"
#include "diptych/data/image/pipeline.h"
#include "diptych/train/encode.h"

namespace diptych {
namespace {

constexpr size_t kMostExplained = 200;  // pairs of one call

/// A text as the model reads it: ids [L] and the words they stand for.
struct ReadText {
  at::Tensor ids;  // [L] int64
  std::vector<std::string> words;
  int64_t cut = 0;
};

ReadText read_text(const LoadedRun& run, const std::string& text) {
  const TextOptions& options = run.experiment->data.text;
  const std::vector<std::string> tokens = units_of(text, options.unit);
  if (tokens.empty())
    throw UsageError::command_line("'" + escape_for_log(text) + "' holds no word",
                                   "diptych explain RUN --image FILE --text 'a dog'");
  const std::vector<int64_t> ids = run.data.vocabulary.encode(tokens, options);
  ReadText out{torch::tensor(ids, at::kLong), {}, 0};
  size_t next = 0;
  for (const int64_t id : ids) {
    const bool mark = id == Vocabulary::kStart || id == Vocabulary::kEnd;
    out.words.push_back(mark || next >= tokens.size() ? run.data.vocabulary.word(id) : tokens[next++]);
  }
  out.cut = static_cast<int64_t>(tokens.size() - next);
  return out;
}

/// One picture as the encoder gets it.
struct ReadPicture {
  at::Tensor seen;   // uint8 [H, W, 3]
  at::Tensor input;  // [1, 3, H, W], normalised
};

ReadPicture read_picture(const LoadedRun& run, const std::filesystem::path& path) {
  const ImageOptions& options = run.experiment->data.image;
  ReadPicture out;
  out.seen = transform_image(decode_image(path, options), options, nullptr);
  at::Tensor slab = at::empty({1, out.seen.size(0), out.seen.size(1), 3}, at::kFloat);
  normalise_into(out.seen, options.normalise, slab.data_ptr<float>());
  out.input = slab.permute({0, 3, 1, 2}).to(run.system->device);  // channels-last storage
  return out;
}

std::string method_of(JointModel& model, const at::Tensor& map) {
  const at::Tensor weights = model.image().place_weights(map.size(1), map.size(2));
  return weights.defined() && weights.size(0) == 1 ? "Grad-CAM" : "gradient x activation at each place";
}

Encoded text_view(JointModel& model, const at::Tensor& ids) {
  return model.text_view(ids.unsqueeze(0), at::full({1}, ids.size(0), ids.options()));
}

/// throws UsageError for a run of composed retrieval: its scores are of a picture and a changed picture.
void require_matching(const LoadedRun& run) {
  if (run.system->model->composer())
    throw UsageError::command_line(
        concat("the run composes queries (model.composer: ", run.experiment->model.composer.type(),
               "); explanations are of pictures and their captions"),
        "diptych search GALLERY --image FILE --text TEXT shows what a query finds");
}

Explanation explain_read(const LoadedRun& run, const ReadPicture& picture, const std::string& text) {
  JointModel& model = *run.system->model;
  const ReadText read = read_text(run, text);
  const at::Tensor ids = read.ids.to(run.system->device);
  Explanation out;
  out.text = text, out.picture = picture.seen, out.words_cut = read.cut;
  out.scorer = model.scorer().describe();

  Encoded seen, told;
  {
    const EvalScope scope(*run.system);
    told = text_view(model, ids);
    seen = model.image_view(model.image_features(picture.input));
  }
  const MapGradient gradient = map_gradient(model, picture.input, told);
  const at::Tensor relevance = place_relevance(gradient);
  out.score = gradient.score;
  out.method = method_of(model, gradient.map);
  out.first = first_place(model.image(), gradient.map, picture.input.size(2), picture.input.size(3));
  out.relevance = relevance.to(at::kCPU, at::kFloat).contiguous();
  if (!at::isfinite(out.relevance).all().item<bool>())
    throw NumericError("explanation", "the relevance of the picture's places is not finite");
  if (const auto closed = closed_form_relevance(model, gradient.map, told.global))
    out.closed_form_difference =
        ((*closed)[0] - relevance).abs().max().item<double>() / std::max(1e-30, relevance.abs().max().item<double>());

  const WordRelevance words = word_relevance(model, ids, seen);
  for (size_t i = 0; i < read.words.size(); ++i) {
    const bool known = read.ids[static_cast<int64_t>(i)].item<int64_t>() != Vocabulary::kUnknown;
    out.words.push_back({read.words[i], known, words.left_out[i], {}});
    if (!words.gradient.empty()) out.words.back().gradient = words.gradient[i];
  }
  out.attention = attention_maps(model, picture.input, ids.unsqueeze(0), at::full({1}, ids.size(0), ids.options()));
  return out;
}

Json matrix_json(const at::Tensor& map) {
  const at::Tensor values = map.to(at::kCPU, at::kFloat).contiguous();
  Json rows = Json::array();
  for (int64_t i = 0; i < values.size(0); ++i) {
    const float* row = values.data_ptr<float>() + i * values.size(1);
    rows.push_back(std::vector<float>(row, row + values.size(1)));
  }
  return rows;
}

// --- pairs of a split

/// Captions of a split with the rank of their image and the image that comes first.
struct RankedCaption {
  int64_t caption, image, first;  // caption: place in EncodedSplit::caption_rows; images: in image_rows
  int64_t rank;
  std::string id;
};

std::vector<RankedCaption> ranked_captions(const LoadedRun& run, const EncodedSplit& encoded) {
  const Corpus& corpus = run.data.corpus;
  const auto tiles = score_tiles(*run.system, encoded);
  std::unordered_map<int64_t, int64_t> place;
  for (size_t i = 0; i < encoded.image_rows.size(); ++i) place[encoded.image_rows[i]] = static_cast<int64_t>(i);
  std::vector<RankedCaption> out;
  std::unordered_map<int64_t, int64_t> seen;
  for (size_t j = 0; j < encoded.caption_rows.size(); ++j) {
    const int64_t row = corpus.captions[static_cast<size_t>(encoded.caption_rows[j])].image_row;
    out.push_back({static_cast<int64_t>(j), place.at(row), 0, 1,
                   concat(corpus.images[static_cast<size_t>(row)].id, "#", seen[row]++)});
  }
  std::vector<float> own(out.size()), best(out.size(), -std::numeric_limits<float>::infinity());
  const auto each_score = [&](auto&& visit) {
    for (int64_t i = 0; i < tiles->rows(); i += ScoreTiles::kTileRows)
      for (int64_t j = 0; j < tiles->cols(); j += ScoreTiles::kTileCols) {
        const int64_t rows = std::min(ScoreTiles::kTileRows, tiles->rows() - i);
        const int64_t cols = std::min(ScoreTiles::kTileCols, tiles->cols() - j);
        const at::Tensor tile = tiles->tile(i, j, rows, cols);
        const float* scores = tile.data_ptr<float>();
        for (int64_t a = 0; a < rows; ++a)
          for (int64_t b = 0; b < cols; ++b) visit(i + a, static_cast<size_t>(j + b), scores[a * cols + b]);
      }
  };
  each_score([&](int64_t image, size_t caption, float score) {
    if (image == out[caption].image) own[caption] = score;
    if (score > best[caption]) best[caption] = score, out[caption].first = image;
  });
  each_score([&](int64_t image, size_t caption, float score) {
    out[caption].rank += image != out[caption].image && score >= own[caption];
  });
  return out;
}

std::vector<RankedCaption> chosen_of(std::vector<RankedCaption> all, const PairChoice& choice, uint64_t seed) {
  if (choice.kind == PairChoice::Kind::ids) {
    std::vector<RankedCaption> out;
    for (const std::string& id : choice.ids) {
      const auto found = std::ranges::find(all, id, &RankedCaption::id);
      if (found == all.end()) {
        std::vector<std::string> known;
        for (const RankedCaption& each : all) known.push_back(each.id);
        throw UsageError::command_line(concat("--pairs: no caption '", escape_for_log(id), "' in this split"),
                                       did_you_mean(id, known));
      }
      out.push_back(*found);
    }
    return out;
  }
  if (choice.kind == PairChoice::Kind::random) {
    std::vector<RankedCaption> out;
    const Random random(seed, {static_cast<uint64_t>(Stream::captions), 77});
    for (const int64_t place : permutation(static_cast<int64_t>(all.size()), random))
      out.push_back(all[static_cast<size_t>(place)]);
    all = std::move(out);
  } else {
    const bool worst = choice.kind == PairChoice::Kind::worst;
    std::ranges::stable_sort(
        all, [&](const RankedCaption& a, const RankedCaption& b) { return worst ? a.rank > b.rank : a.rank < b.rank; });
  }
  all.resize(std::min<size_t>(all.size(), static_cast<size_t>(choice.count)));
  return all;
}

}  // namespace

Explanation explain(const LoadedRun& run, const std::filesystem::path& image, const std::string& text) {
  require_matching(run);
  return explain_read(run, read_picture(run, image), text);
}

PairChoice parse_pair_choice(const std::string& text) {
  using Kind = PairChoice::Kind;
  const size_t colon = text.find(':');
  const std::string word = text.substr(0, colon);
  for (const auto& [name, kind] :
       {std::pair{"worst", Kind::worst}, std::pair{"best", Kind::best}, std::pair{"random", Kind::random}}) {
    if (word != name) continue;
    const auto count = colon == std::string::npos ? std::optional<int64_t>(8) : parse_integer(text.substr(colon + 1));
    if (!count || *count < 1 || *count > static_cast<int64_t>(kMostExplained))
      throw UsageError::command_line(concat("--pairs ", escape_for_log(text), ": expected a number from 1 to ",
                                            kMostExplained, " after the colon"),
                                     "--pairs worst:8");
    return {kind, *count, {}};
  }
  if (text.find('#') == std::string::npos)
    throw UsageError::command_line(
        concat("--pairs ", escape_for_log(text), ": expected worst:N, best:N, random:N or ids of captions, ID#0,ID#1"),
        did_you_mean(word, {"worst", "best", "random"}));
  PairChoice out{Kind::ids, 0, split(text, ',')};
  if (out.ids.size() > kMostExplained)
    throw UsageError::command_line(concat("--pairs: ", out.ids.size(), " captions; at most ", kMostExplained));
  return out;
}

std::vector<ExplainedPair> explain_pairs(const LoadedRun& run, Split split, const PairChoice& choice) {
  require_matching(run);
  const EncodedSplit encoded = encode_split(*run.system, run.data, *run.experiment, split);
  const auto chosen = chosen_of(ranked_captions(run, encoded), choice, static_cast<uint64_t>(run.experiment->seed));
  const Corpus& corpus = run.data.corpus;
  std::vector<ExplainedPair> out;
  for (size_t i = 0; i < chosen.size(); ++i) {
    signals::throw_if_pending();
    const RankedCaption& caption = chosen[i];
    const std::string& text =
        corpus.captions[static_cast<size_t>(encoded.caption_rows[static_cast<size_t>(caption.caption)])].text;
    const auto add = [&](int64_t image) {
      const CorpusImage& row = corpus.images[static_cast<size_t>(encoded.image_rows[static_cast<size_t>(image)])];
      out.push_back({row.id, caption.id, image == caption.image, caption.rank,
                     explain(run, resolve_inside(corpus.image_root, row.path), text)});
    };
    add(caption.image);
    if (caption.first != caption.image) add(caption.first);
    log::progress(concat("explain ", i + 1, "/", chosen.size()), i + 1 == chosen.size());
  }
  return out;
}

Json to_json(const Explanation& explanation) {
  Json out{{"text", explanation.text},
           {"score", explanation.score},
           {"scorer", explanation.scorer},
           {"method", explanation.method},
           {"closed_form_difference", nullptr},
           {"relevance", matrix_json(explanation.relevance)},
           {"first_place", {explanation.first.row, explanation.first.column}},
           {"words", Json::array()},
           {"words_cut", explanation.words_cut},
           {"attention", Json::array()}};
  if (explanation.closed_form_difference) out["closed_form_difference"] = *explanation.closed_form_difference;
  for (const Explanation::Word& word : explanation.words) {
    Json line{{"word", word.word}, {"known", word.known}, {"left_out", word.left_out}, {"gradient", nullptr}};
    if (word.gradient) line["gradient"] = *word.gradient;
    out["words"].push_back(std::move(line));
  }
  for (const AttentionMap& map : explanation.attention)
    out["attention"].push_back({{"name", map.name},
                                {"map", matrix_json(map.weights)},
                                {"words", map.words.defined() ? matrix_json(map.words.unsqueeze(0))[0] : Json()}});
  return out;
}

void write_explanations(const std::filesystem::path& directory, const std::vector<ExplainedPair>& pairs,
                        const std::string& what) {
  StagedDirectory staged(directory);
  Json document{{"v", 1}, {"what", what}, {"pairs", Json::array()}};
  for (size_t i = 0; i < pairs.size(); ++i) {
    const ExplainedPair& pair = pairs[i];
    const std::string name = concat("picture-", i, ".jpg");
    staged.add(name, encode_jpeg(pair.explanation.picture));
    Json line{{"image", pair.image_id},
              {"caption", pair.caption_id},
              {"match", pair.is_match},
              {"rank", pair.rank},
              {"picture", name}};
    line.update(to_json(pair.explanation));
    document["pairs"].push_back(std::move(line));
  }
  staged.add("explain.json", dump_line(document) + "\n");
  staged.commit();
}

}  // namespace diptych
