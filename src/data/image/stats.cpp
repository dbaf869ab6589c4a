#include <algorithm>
#include <map>
#include <numeric>
#include <unordered_map>

#include "data/image/sampled.h"
#include "diptych/core/io/fs.h"
#include "diptych/data/image/check.h"
#include "diptych/data/image/pipeline.h"
#include "diptych/data/vocabulary.h"
#include "diptych/data/word_vectors.h"

namespace diptych {
namespace statistics {

Spread spread_of(std::vector<int64_t> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const double sum = std::accumulate(values.begin(), values.end(), 0.0);
  return {values.front(), values[values.size() / 2], values.back(), sum / static_cast<double>(values.size())};
}

SplitStats split_stats(const Corpus& corpus, Split split) {
  SplitStats stats;
  stats.split = split;
  std::vector<int64_t> lengths, captions(corpus.images.size());
  for (const CorpusCaption& caption : corpus.captions) {
    if (corpus.images[caption.image_row].split != split) continue;
    lengths.push_back(static_cast<int64_t>(caption.tokens.size()));
    ++captions[caption.image_row];
  }
  std::vector<int64_t> captions_of_images, images_of_identities, pairs_of_identities;
  std::map<int64_t, std::pair<int64_t, int64_t>> of_label;  // images, pairs
  for (const int64_t row : corpus.image_rows(split)) {
    captions_of_images.push_back(captions[row]);
    auto& [images, pairs] = of_label[corpus.images[row].label];
    ++images, pairs += captions[row];
  }
  for (const auto& [label, counts] : of_label)
    images_of_identities.push_back(counts.first), pairs_of_identities.push_back(counts.second);
  stats.images = static_cast<int64_t>(captions_of_images.size());
  stats.captions = static_cast<int64_t>(lengths.size());
  stats.identities = corpus.has_identities ? static_cast<int64_t>(images_of_identities.size()) : 0;
  stats.caption_tokens = spread_of(std::move(lengths));
  stats.captions_per_image = spread_of(std::move(captions_of_images));
  stats.images_per_identity = spread_of(std::move(images_of_identities));
  stats.pairs_per_identity = spread_of(std::move(pairs_of_identities));
  return stats;
}

using Counts = std::unordered_map<std::string, int64_t>;

Counts count_words(const Corpus& corpus, Split split) {
  Counts counts;
  for (const int64_t row : corpus.caption_rows(split))
    for (const std::string& token : corpus.captions[row].tokens) ++counts[token];
  return counts;
}

// Share of tokens whose word is rarer than `min_count` in training.
double unknown_share(const Counts& counts, const Counts& training, int64_t min_count) {
  double all = 0, unknown = 0;
  for (const auto& [word, count] : counts) {
    const auto found = training.find(word);
    all += static_cast<double>(count);
    if (found == training.end() || found->second < min_count) unknown += static_cast<double>(count);
  }
  return all > 0 ? unknown / all : 0;
}

std::vector<VocabularyStats> vocabulary_stats(const Corpus& corpus, const std::vector<int64_t>& min_counts) {
  const Counts train = count_words(corpus, Split::train), val = count_words(corpus, Split::val),
               test = count_words(corpus, Split::test);
  std::vector<VocabularyStats> out;
  for (const int64_t min_count : min_counts) {
    const auto kept =
        std::count_if(train.begin(), train.end(), [&](const auto& each) { return each.second >= min_count; });
    out.push_back({min_count, kept, unknown_share(train, train, min_count), unknown_share(val, train, min_count),
                   unknown_share(test, train, min_count)});
  }
  return out;
}

std::vector<std::string> new_words(const Corpus& corpus) {
  const Counts train = count_words(corpus, Split::train);
  Counts unseen;
  for (const Split split : {Split::val, Split::test})
    for (const auto& [word, count] : count_words(corpus, split))
      if (!train.contains(word)) unseen[word] += count;
  std::vector<std::pair<std::string, int64_t>> order(unseen.begin(), unseen.end());
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  std::vector<std::string> words;
  for (const auto& [word, count] : order) words.push_back(word);
  return words;
}

WordVectorStats word_vector_stats(const Corpus& corpus, const std::string& path) {
  const Vocabulary vocabulary = Vocabulary::build(corpus, 1);
  const WordVectors vectors = read_word_vectors(path, vocabulary);
  const bool* found = vectors.found.const_data_ptr<bool>();
  WordVectorStats stats{vocabulary.size() - Vocabulary::kEnd - 1, 0, vectors.dimension, 0};
  for (int64_t id = Vocabulary::kEnd + 1; id < vocabulary.size(); ++id) stats.found += found[id];
  double all = 0, covered = 0;
  for (const auto& [word, count] : count_words(corpus, Split::train)) {
    all += static_cast<double>(count);
    if (found[vocabulary.id(word)]) covered += static_cast<double>(count);
  }
  stats.training_tokens_covered = covered / all;
  return stats;
}

void measure_images(const Corpus& corpus, int64_t decode, CorpusStats& stats) {
  const auto sample = evenly_spread(static_cast<int64_t>(corpus.images.size()), decode);
  std::vector<int64_t> width(sample.size(), -1), height(sample.size(), -1);
  visit_in_parallel(static_cast<int64_t>(sample.size()), "measuring images", [&](int64_t i) {
    try {
      const at::Tensor image =
          decode_image(resolve_inside(corpus.image_root, corpus.images[sample[i]].path), ImageOptions{});
      height[i] = image.size(0), width[i] = image.size(1);
    } catch (const Error&) {
      width[i] = -1;  // `data check` reports it
    }
  });
  std::erase(width, -1), std::erase(height, -1);
  stats.sized_images = static_cast<int64_t>(width.size());
  stats.width = spread_of(std::move(width)), stats.height = spread_of(std::move(height));
}

std::string percent(double share) { return fixed_text(100 * share, 1) + " %"; }

std::string spread_text(const Spread& spread) {
  return concat(spread.min, " / ", spread.median, " / ", spread.max, " (mean ", fixed_text(spread.mean, 1), ")");
}
Json spread_json(const Spread& spread) {
  return {{"min", spread.min}, {"median", spread.median}, {"max", spread.max}, {"mean", spread.mean}};
}

}  // namespace statistics

CorpusStats stats_of(const Corpus& corpus, const StatsOptions& options) {
  CorpusStats stats;
  stats.corpus = corpus.name, stats.fingerprint = corpus.fingerprint, stats.notes = corpus.notes;
  for (const auto& [split, name] : enum_names(Split{}))
    if (const SplitStats each = statistics::split_stats(corpus, split); each.images > 0) stats.splits.push_back(each);
  stats.vocabulary = statistics::vocabulary_stats(corpus, options.min_counts);
  stats.new_words = statistics::new_words(corpus);
  if (!options.word_vectors.empty()) stats.word_vectors = statistics::word_vector_stats(corpus, options.word_vectors);
  statistics::measure_images(corpus, options.decode, stats);
  return stats;
}

std::string to_text(const CorpusStats& stats) {
  using namespace statistics;
  std::string out = concat(escape_for_log(stats.corpus), ", fingerprint ", stats.fingerprint, "\n");
  for (const SplitStats& split : stats.splits) {
    out += concat(enum_text(split.split), ": ", split.images, " images, ", split.captions, " captions",
                  split.identities > 0 ? concat(", ", split.identities, " identities") : "", "\n");
    out += "  words per caption   " + spread_text(split.caption_tokens) + "   min / median / max\n";
    out += "  captions per image  " + spread_text(split.captions_per_image) + "\n";
    if (split.identities == 0) continue;
    out += "  images per identity " + spread_text(split.images_per_identity) + "\n";
    out += "  pairs per identity  " + spread_text(split.pairs_per_identity) + "\n";
  }
  out += "vocabulary of the training captions; share of unknown words in train, val, test\n";
  for (const VocabularyStats& each : stats.vocabulary)
    out += concat("  min_count ", each.min_count, ": ", each.words, " words; ", percent(each.unknown_train), ", ",
                  percent(each.unknown_val), ", ", percent(each.unknown_test), "\n");
  if (!stats.new_words.empty()) {
    constexpr size_t kShown = 10;
    std::vector<std::string> shown;
    for (size_t i = 0; i < std::min(kShown, stats.new_words.size()); ++i)
      shown.push_back(escape_for_log(stats.new_words[i]));
    out += concat(stats.new_words.size(), " words of val and test are in no training caption: ", join(shown, ", "),
                  stats.new_words.size() > kShown ? ", ...\n" : "\n");
  }
  if (const auto& vectors = stats.word_vectors)
    out += concat("word vectors of ", vectors->dimension, " dimensions: ", vectors->found, " of ", vectors->words,
                  " words, ", percent(vectors->training_tokens_covered), " of the training tokens\n");
  if (stats.sized_images > 0)
    out += concat("image sizes (", stats.sized_images, " decoded)\n  width  ", spread_text(stats.width), "\n  height ",
                  spread_text(stats.height), "\n");
  for (const std::string& note : stats.notes) out += "note: " + note + "\n";
  return out;
}

Json to_json(const CorpusStats& stats) {
  using statistics::spread_json;
  Json out = {{"corpus", stats.corpus}, {"fingerprint", stats.fingerprint}};
  out["splits"] = Json::object();
  for (const SplitStats& split : stats.splits)
    out["splits"][enum_text(split.split)] = {{"images", split.images},
                                             {"captions", split.captions},
                                             {"identities", split.identities},
                                             {"caption_tokens", spread_json(split.caption_tokens)},
                                             {"captions_per_image", spread_json(split.captions_per_image)},
                                             {"images_per_identity", spread_json(split.images_per_identity)},
                                             {"pairs_per_identity", spread_json(split.pairs_per_identity)}};
  out["vocabulary"] = Json::array();
  for (const VocabularyStats& each : stats.vocabulary)
    out["vocabulary"].push_back({{"min_count", each.min_count},
                                 {"words", each.words},
                                 {"unknown_train", each.unknown_train},
                                 {"unknown_val", each.unknown_val},
                                 {"unknown_test", each.unknown_test}});
  out["new_words"] = stats.new_words;
  if (const auto& vectors = stats.word_vectors)
    out["word_vectors"] = {{"words", vectors->words},
                           {"found", vectors->found},
                           {"dimension", vectors->dimension},
                           {"training_tokens_covered", vectors->training_tokens_covered}};
  out["sized_images"] = stats.sized_images;
  out["width"] = spread_json(stats.width), out["height"] = spread_json(stats.height);
  out["notes"] = stats.notes;
  return out;
}

}  // namespace diptych
