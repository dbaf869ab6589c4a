#include "diptych/report/false_negatives.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "diptych/core/text.h"

namespace diptych {
namespace {

/// Words of every text with their weights: a word that most texts have says little.
class TextWords {
 public:
  void add(const std::string& text) {
    const auto list = words_of(text);
    words_.emplace_back(list.begin(), list.end());
    for (const std::string& word : words_.back()) weight_[word] += 1;
  }
  /// After the last text.
  void weigh() {
    for (auto& [word, count] : weight_) count = std::log((1 + static_cast<double>(words_.size())) / count);
  }

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
};

/// How far the item found is like the query in words.
class WordOverlap {
 public:
  explicit WordOverlap(const EvaluationRecord& record) : record_(record), captions_of_(record.images.size()) {
    if (record.result.composed) {
      for (const EvaluatedImage& image : record.images) words_.add(image.identity);
    } else {
      for (size_t i = 0; i < record.captions.size(); ++i) {
        words_.add(record.captions[i].text);
        captions_of_[static_cast<size_t>(record.captions[i].image)].push_back(i);
      }
    }
    words_.weigh();
  }
  double operator()(size_t direction, int64_t query, int64_t found, int64_t expected) const {
    if (record_.result.composed) return words_.overlap(static_cast<size_t>(found), static_cast<size_t>(expected));
    return record_.from_images(direction) ? of_caption(query, found) : of_caption(found, query);
  }

 private:
  /// Of the captions that describe the image, the one nearest to the caption.
  double of_caption(int64_t image, int64_t caption) const {
    double best = 0;
    for (const size_t other : captions_of_[static_cast<size_t>(image)])
      best = std::max(best, words_.overlap(other, static_cast<size_t>(caption)));
    return best;
  }
  const EvaluationRecord& record_;
  TextWords words_;
  std::vector<std::vector<size_t>> captions_of_;
};

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
  const WordOverlap overlap(record);
  std::vector<FalseNegative> out;
  for (size_t q = 0; q < ranks.query.size(); ++q) {
    const auto& list = record.top[direction][q];
    const auto best = static_cast<size_t>(ranks.offsets[q]);
    const int64_t query = ranks.query[q];
    const auto wrong =
        std::ranges::find_if(list, [&](const Scored& each) { return !record.relevant(direction, query, each.index); });
    if (ranks.first[q] == 1 || wrong == list.end() || !(wrong->score > ranks.positive_scores[best])) continue;
    const int64_t found = wrong->index, expected = ranks.positive_items[best];
    out.push_back({q, query, found, expected, wrong->score, ranks.positive_scores[best], ranks.first[q],
                   overlap(direction, query, found, expected)});
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
    Json out_of_caption{{"caption", item.id}, {"text", item.text}};
    if (item.target >= 0) out_of_caption["image"] = record.images[static_cast<size_t>(item.image)].id;
    return out_of_caption;
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
