#include "diptych/report/false_negatives.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "diptych/core/text.h"

namespace diptych {
namespace {

/// Words of every caption with their weights: a word that most captions have says little.
class CaptionWords {
 public:
  explicit CaptionWords(const EvaluationRecord& record) : captions_of_(record.images.size()) {
    for (size_t i = 0; i < record.captions.size(); ++i) {
      const auto list = words_of(record.captions[i].text);
      words_.emplace_back(list.begin(), list.end());
      for (const std::string& word : words_.back()) weight_[word] += 1;
      captions_of_[static_cast<size_t>(record.captions[i].image)].push_back(i);
    }
    for (auto& [word, count] : weight_) count = std::log((1 + static_cast<double>(words_.size())) / count);
  }

  const std::vector<size_t>& captions_of(int64_t image) const { return captions_of_[static_cast<size_t>(image)]; }

  /// Weight of the shared words / weight of all words of both.
  double overlap(size_t a, size_t b) const {
    double shared = 0, all = 0;
    for (const std::string& word : words_[a]) {
      const double weight = weight_.at(word);
      all += weight;
      if (words_[b].contains(word)) shared += weight;
    }
    for (const std::string& word : words_[b])
      if (!words_[a].contains(word)) all += weight_.at(word);
    return all > 0 ? shared / all : 0;
  }

 private:
  std::vector<std::set<std::string>> words_;
  std::map<std::string, double> weight_;
  std::vector<std::vector<size_t>> captions_of_;
};

/// Of the captions that describe the image, the one nearest to the caption.
double best_overlap(const CaptionWords& words, int64_t image, int64_t caption) {
  double best = 0;
  for (const size_t other : words.captions_of(image))
    best = std::max(best, words.overlap(other, static_cast<size_t>(caption)));
  return best;
}

}  // namespace

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> out(1);
  for (const char c : lower_ascii(text)) {
    const bool of_word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || static_cast<unsigned char>(c) >= 0x80;
    if (of_word)
      out.back() += c;
    else if (!out.back().empty())
      out.emplace_back();
  }
  if (out.back().empty()) out.pop_back();
  return out;
}

std::vector<FalseNegative> likely_false_negatives(const EvaluationRecord& record, size_t direction, size_t limit) {
  const DirectionRanks& ranks = record.result.ranks[direction];
  const CaptionWords words(record);
  std::vector<FalseNegative> out;
  for (size_t q = 0; q < ranks.query.size(); ++q) {
    const auto& list = record.top[direction][q];
    const auto best = static_cast<size_t>(ranks.offsets[q]);
    const int64_t query = ranks.query[q];
    const auto wrong =
        std::ranges::find_if(list, [&](const Scored& each) { return !record.relevant(direction, query, each.index); });
    if (ranks.first[q] == 1 || wrong == list.end() || !(wrong->score > ranks.positive_scores[best])) continue;
    const bool from_images = record.from_images(direction);
    const int64_t found = wrong->index;
    out.push_back({q, query, found, ranks.positive_items[best], wrong->score, ranks.positive_scores[best],
                   ranks.first[q],
                   from_images ? best_overlap(words, query, found) : best_overlap(words, found, query)});
  }
  std::ranges::stable_sort(out, [](const FalseNegative& a, const FalseNegative& b) {
    if (a.overlap != b.overlap) return a.overlap > b.overlap;
    return a.found_score - a.expected_score > b.found_score - b.expected_score;
  });
  out.resize(std::min(out.size(), limit));
  return out;
}

Json to_json(const std::vector<FalseNegative>& list, const EvaluationRecord& record, size_t direction) {
  const bool from_images = record.from_images(direction);
  const auto image = [&](int64_t row) { return Json{{"image", record.images[static_cast<size_t>(row)].id}}; };
  const auto caption = [&](int64_t row) {
    const EvaluatedCaption& item = record.captions[static_cast<size_t>(row)];
    return Json{{"caption", item.id}, {"text", item.text}};
  };
  Json out = Json::array();
  for (const FalseNegative& each : list)
    out.push_back({{"direction", record.result.ranks[direction].name},
                   {"query", from_images ? image(each.query) : caption(each.query)},
                   {"found", from_images ? caption(each.found) : image(each.found)},
                   {"expected", from_images ? caption(each.expected) : image(each.expected)},
                   {"found_score", each.found_score},
                   {"expected_score", each.expected_score},
                   {"rank", each.rank},
                   {"word_overlap", each.overlap}});
  return out;
}

}  // namespace diptych
