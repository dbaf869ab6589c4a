#include <algorithm>
#include <functional>
#include <numeric>
#include <set>
#include <unordered_map>

#include "data/id_order.h"
#include "data/problems.h"
#include "diptych/core/io/hash.h"
#include "diptych/data/corpus.h"

namespace diptych {
namespace finishing {

constexpr size_t kMaxCaptionBytes = 64 << 10;

int split_order(Split split) {
  switch (split) {
    case Split::train:
      return 0;
    case Split::rest:
      return 1;
    case Split::val:
      return 2;
    case Split::test:
      return 3;
  }
  return 4;
}

bool is_number(const std::string& id) {
  return !id.empty() && std::all_of(id.begin(), id.end(), [](unsigned char c) { return c >= '0' && c <= '9'; });
}

}  // namespace finishing

bool id_before(const std::string& a, const std::string& b) {
  const bool number_a = finishing::is_number(a), number_b = finishing::is_number(b);
  if (number_a != number_b) return number_a;
  if (!number_a) return a < b;
  const auto digits = [](const std::string& id) { return id.size() - std::min(id.find_first_not_of('0'), id.size()); };
  if (digits(a) != digits(b)) return digits(a) < digits(b);
  const int order = a.compare(a.size() - digits(a), std::string::npos, b, b.size() - digits(b), std::string::npos);
  return order != 0 ? order < 0 : a < b;
}

namespace finishing {

std::string unusable(std::string_view text) {
  if (const auto bad = find_invalid_utf8(text)) return concat("invalid UTF-8 at byte ", *bad);
  if (const size_t nul = text.find('\0'); nul != std::string_view::npos) return concat("a NUL byte at byte ", nul);
  return "";
}

// Complains of a token that a vocabulary with one word a line cannot hold.
void check_tokens(const std::vector<std::string>& tokens, const std::function<void(const std::string&)>& complain) {
  for (const std::string& token : tokens)
    if (token.empty() || !unusable(token).empty() || token.find_first_of(" \t\r\n") != std::string::npos)
      complain(concat("token '", escape_for_log(token), "' is empty, has a space or is no UTF-8"));
}

void check_texts(const Corpus& corpus, RecordProblems& problems) {
  for (const CorpusImage& image : corpus.images) {
    if (image.id.empty()) problems.add(place_of(corpus, image), "the image id is empty");
    if (image.path.empty()) problems.add(place_of(corpus, image), "the image path is empty");
    for (const std::string* text : {&image.id, &image.path})
      if (const std::string fault = unusable(*text); !fault.empty())
        problems.add(place_of(corpus, image), concat(fault, " of '", escape_for_log(*text), "'"));
    if (image.label < 0) problems.add(place_of(corpus, image), concat("label ", image.label, " is negative"));
  }
  for (const CorpusCaption& caption : corpus.captions) {
    if (caption.image_row < 0 || caption.image_row >= static_cast<int64_t>(corpus.images.size())) {
      problems.add(corpus.source,
                   concat("a caption belongs to image row ", caption.image_row, ", which does not exist"));
      continue;
    }
    const auto complain = [&](const std::string& message) {
      problems.add(place_of(corpus, corpus.images[caption.image_row]), message);
    };
    if (caption.text.size() > kMaxCaptionBytes)
      complain(concat("caption longer than ", kMaxCaptionBytes, " bytes (", caption.text.size(), ")"));
    if (const std::string fault = unusable(caption.text); !fault.empty())
      complain(concat(fault, " of the caption '", escape_for_log(caption.text), "'"));
    check_tokens(caption.tokens, complain);
  }
}

void check_ids(const Corpus& corpus, RecordProblems& problems) {
  std::unordered_map<std::string_view, const CorpusImage*> first;
  for (const CorpusImage& image : corpus.images) {
    const auto [known, is_new] = first.emplace(image.id, &image);
    if (is_new) continue;
    const CorpusImage& other = *known->second;
    const std::string at = place_of(corpus, other);
    if (image.split == other.split)
      problems.add(place_of(corpus, image), concat("duplicate image id; first in ", at));
    else
      problems.add(place_of(corpus, image), concat("split leak: the id is in ", enum_text(image.split), " here and in ",
                                                   enum_text(other.split), " in ", at));
  }
}

void check_captions(const Corpus& corpus, RecordProblems& problems) {
  std::vector<std::string> empty, without;
  std::vector<int64_t> count(corpus.images.size());
  for (const CorpusCaption& caption : corpus.captions) {
    if (caption.image_row < 0 || caption.image_row >= static_cast<int64_t>(count.size())) continue;
    ++count[caption.image_row];
    if (caption.tokens.empty() || trim(caption.text).empty()) empty.push_back(corpus.images[caption.image_row].id);
  }
  for (size_t row = 0; row < count.size(); ++row)
    if (count[row] == 0) without.push_back(corpus.images[row].id);
  const char* remedy = "mend the annotation, or leave them out with data.corpus.empty_captions=drop";
  const std::string source = escape_for_log(corpus.source.empty() ? corpus.name : corpus.source, 200);
  if (!empty.empty())
    problems.add(source, concat(empty.size(), " captions hold no word; images: ", first_ids(empty)), remedy);
  if (!without.empty() && corpus.modifications.empty())
    problems.add(source, concat(without.size(), " images have no caption: ", first_ids(without)), remedy);
}

void check_pairs(const Corpus& corpus, RecordProblems& problems) {
  std::vector<int64_t> captions(corpus.images.size());
  for (const CorpusCaption& caption : corpus.captions)
    if (caption.image_row >= 0 && caption.image_row < static_cast<int64_t>(captions.size()))
      ++captions[caption.image_row];
  std::unordered_map<std::string_view, std::vector<size_t>> rows_of;
  for (size_t row = 0; row < corpus.images.size(); ++row)
    if (!corpus.images[row].pair.empty()) rows_of[corpus.images[row].pair].push_back(row);
  for (size_t row = 0; row < corpus.images.size(); ++row) {
    const CorpusImage& image = corpus.images[row];
    if (image.pair.empty() || rows_of[image.pair].front() != row) continue;
    const auto& rows = rows_of[image.pair];
    const auto complain = [&](const std::string& message) {
      problems.add(place_of(corpus, image), concat("pair '", escape_for_log(image.pair), "' ", message));
    };
    if (rows.size() != 2) {
      complain(concat("has ", rows.size(), rows.size() == 1 ? " image" : " images", ", needed are two"));
      continue;
    }
    const CorpusImage& other = corpus.images[rows[1]];
    if (image.split != other.split) complain("lies in two splits");
    if (image.relation != other.relation) complain("has two relations");
    if (captions[rows[0]] != captions[rows[1]])
      complain(concat("has ", captions[rows[0]], " captions here and ", captions[rows[1]], " there"));
  }
}

/// Checks modifications one by one, and keeps what that takes: which labels a split and its gallery hold.
class ModificationCheck {
 public:
  ModificationCheck(const Corpus& corpus, RecordProblems& problems) : corpus_(corpus), problems_(problems) {
    for (const CorpusImage& image : corpus.images) {
      held_.emplace(image.split, image.label);
      if (image.gallery) in_gallery_.emplace(image.split, image.label);
    }
  }

  void check(const Modification& change) {
    const auto complain = [&](const std::string& message) { problems_.add(place_of(corpus_, change), message); };
    check_words(change, complain);
    check_source(change, complain);
    check_target(change, complain);
    for (const int64_t row : change.subset) check_row(change, row, "an image of the subset", complain);
  }

  /// Image numbers serve as labels and are given anew after sorting: modifications can only follow them if they differ.
  void check_labels() {
    if (corpus_.has_identities) return;
    std::unordered_map<int64_t, const CorpusImage*> first;
    for (const CorpusImage& image : corpus_.images) {
      const auto [known, is_new] = first.emplace(image.label, &image);
      if (!is_new)
        problems_.add(place_of(corpus_, image), concat("label ", image.label, " is the number of another image, in ",
                                                       place_of(corpus_, *known->second)));
    }
  }

 private:
  using Complain = std::function<void(const std::string&)>;

  static void check_words(const Modification& change, const Complain& complain) {
    if (change.text.size() > kMaxCaptionBytes)
      complain(concat("text longer than ", kMaxCaptionBytes, " bytes (", change.text.size(), ")"));
    if (const std::string fault = unusable(change.text); !fault.empty()) complain(concat("the text has ", fault));
    if (change.tokens.empty() || trim(change.text).empty()) complain("the text holds no word");
    check_tokens(change.tokens, complain);
  }

  // The image of a row, if it is one of the modification's split.
  const CorpusImage* check_row(const Modification& change, int64_t row, const char* what,
                               const Complain& complain) const {
    if (row < 0 || row >= static_cast<int64_t>(corpus_.images.size())) {
      complain(concat(what, " is image row ", row, ", which does not exist"));
      return nullptr;
    }
    const CorpusImage& image = corpus_.images[static_cast<size_t>(row)];
    if (image.split == change.split) return &image;
    complain(concat("split leak: it is of ", enum_text(change.split), ", but ", what, " (id ", escape_for_log(image.id),
                    ") of ", enum_text(image.split)));
    return nullptr;
  }

  void check_source(const Modification& change, const Complain& complain) const {
    if (change.source_row == -1) {
      if (!held_.contains({change.split, change.source_label}))
        complain(concat("no image of ", enum_text(change.split), " has the source's label ", change.source_label));
      return;
    }
    const CorpusImage* image = check_row(change, change.source_row, "the source", complain);
    if (image && change.source_label != -1 && change.source_label != image->label)
      complain(concat("the source has label ", image->label, ", not ", change.source_label));
  }

  void check_target(const Modification& change, const Complain& complain) const {
    if (!in_gallery_.contains({change.split, change.target_label}))
      return complain(concat("no image of ", enum_text(change.split), " that is ranked has the target's label ",
                             change.target_label));
    if (change.target_row == -1) return;
    const CorpusImage* image = check_row(change, change.target_row, "the target", complain);
    if (!image) return;
    if (image->label != change.target_label)
      complain(concat("the target has label ", image->label, ", not ", change.target_label));
    if (!image->gallery) complain(concat("the target (id ", escape_for_log(image->id), ") is not in the gallery"));
  }

  const Corpus& corpus_;
  RecordProblems& problems_;
  std::set<std::pair<Split, int64_t>> held_, in_gallery_;
};

void check_modifications(const Corpus& corpus, RecordProblems& problems) {
  if (corpus.modifications.empty()) return;
  ModificationCheck check(corpus, problems);
  for (const Modification& change : corpus.modifications) check.check(change);
  check.check_labels();
}

// Modifications follow their images to their new rows; those of one split keep their order.
void move_modifications(Corpus& corpus, const std::vector<int64_t>& new_row) {
  const auto follow = [&](int64_t& row) {
    if (row >= 0) row = new_row[static_cast<size_t>(row)];
  };
  for (Modification& change : corpus.modifications) {
    follow(change.source_row), follow(change.target_row);
    for (int64_t& row : change.subset) follow(row);
  }
  std::ranges::stable_sort(corpus.modifications, {},
                           [](const Modification& change) { return split_order(change.split); });
}

// Images by split and id; captions follow, those of one image in the order they had.
void sort_rows(Corpus& corpus) {
  std::vector<int64_t> order(corpus.images.size()), new_row(corpus.images.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    const CorpusImage &left = corpus.images[a], &right = corpus.images[b];
    if (left.split != right.split) return split_order(left.split) < split_order(right.split);
    return id_before(left.id, right.id);
  });
  std::vector<CorpusImage> images;
  images.reserve(order.size());
  for (const int64_t row : order) {
    new_row[row] = static_cast<int64_t>(images.size());
    images.push_back(std::move(corpus.images[row]));
  }
  corpus.images = std::move(images);
  for (CorpusCaption& caption : corpus.captions) caption.image_row = new_row[caption.image_row];
  std::stable_sort(corpus.captions.begin(), corpus.captions.end(),
                   [](const CorpusCaption& a, const CorpusCaption& b) { return a.image_row < b.image_row; });
  move_modifications(corpus, new_row);
}

// Rows are sorted, train first: first appearance gives the training labels 0..C-1.
void renumber_labels(Corpus& corpus) {
  std::unordered_map<int64_t, int64_t> number;
  std::vector<std::string> names;
  for (size_t row = 0; row < corpus.images.size(); ++row) {
    int64_t& label = corpus.images[row].label;
    if (!corpus.has_identities) {
      number[label] = static_cast<int64_t>(row);
      label = static_cast<int64_t>(row);
      continue;
    }
    const auto [known, is_new] = number.emplace(label, static_cast<int64_t>(number.size()));
    const bool named = label < static_cast<int64_t>(corpus.label_names.size());
    if (is_new) names.push_back(named ? corpus.label_names[label] : number_text(label));
    label = known->second;
  }
  corpus.label_names = std::move(names);
  for (Modification& change : corpus.modifications) {
    change.target_label = number.at(change.target_label);
    if (change.source_row >= 0)
      change.source_label = corpus.images[static_cast<size_t>(change.source_row)].label;
    else
      change.source_label = number.at(change.source_label);
  }
}

void note_shared_files(Corpus& corpus) {
  std::unordered_map<std::string_view, const CorpusImage*> first;
  std::vector<std::string> shared;
  for (const CorpusImage& image : corpus.images) {
    const auto [known, is_new] = first.emplace(image.path, &image);
    if (is_new) continue;
    const bool leak = known->second->split != image.split;
    shared.push_back(concat(image.path, " (", known->second->id, " and ", image.id, leak ? ", in two splits)" : ")"));
  }
  if (!shared.empty()) corpus.notes.push_back(concat(shared.size(), " files belong to two ids: ", first_ids(shared)));
}

void note_shared_identities(Corpus& corpus) {
  if (!corpus.has_identities) return;
  std::unordered_map<int64_t, Split> first;
  std::set<int64_t> shared;
  for (const CorpusImage& image : corpus.images)
    if (first.emplace(image.label, image.split).first->second != image.split) shared.insert(image.label);
  if (!shared.empty()) corpus.notes.push_back(concat(shared.size(), " identities occur in more than one split"));
}

// Every text with its length before it, hashed in pieces so that a large corpus is never copied whole.
class Fingerprint {
 public:
  void add(std::string_view text) {
    add(static_cast<int64_t>(text.size()));
    bytes_ += text;
    if (bytes_.size() > (1 << 20)) bytes_ = xxh128(bytes_);
  }
  void add(int64_t value) {
    for (int i = 0; i < 8; ++i) bytes_ += static_cast<char>(static_cast<uint64_t>(value) >> (8 * i));
  }
  std::string text() const { return xxh128(bytes_); }

 private:
  std::string bytes_;
};

std::string fingerprint_of(const Corpus& corpus) {
  Fingerprint hash;
  hash.add(std::string_view("diptych corpus 1"));
  hash.add(corpus.name);
  hash.add(corpus.has_identities);
  hash.add(static_cast<int64_t>(corpus.images.size()));
  for (const CorpusImage& image : corpus.images) {
    hash.add(image.path), hash.add(image.id);
    hash.add(split_order(image.split)), hash.add(image.label);
    if (!image.pair.empty()) hash.add(image.pair), hash.add(image.relation);
    if (!image.gallery) hash.add(std::string_view("not in the gallery"));
  }
  hash.add(static_cast<int64_t>(corpus.captions.size()));
  for (const CorpusCaption& caption : corpus.captions) {
    hash.add(caption.image_row), hash.add(caption.text);
    hash.add(static_cast<int64_t>(caption.tokens.size()));
    for (const std::string& token : caption.tokens) hash.add(token);
  }
  if (!corpus.modifications.empty()) hash.add(static_cast<int64_t>(corpus.modifications.size()));
  for (const Modification& change : corpus.modifications) {
    hash.add(change.text), hash.add(split_order(change.split));
    hash.add(static_cast<int64_t>(change.tokens.size()));
    for (const std::string& token : change.tokens) hash.add(token);
    for (const int64_t number : {change.source_row, change.source_label, change.target_row, change.target_label})
      hash.add(number);
    hash.add(static_cast<int64_t>(change.subset.size()));
    for (const int64_t row : change.subset) hash.add(row);
  }
  return hash.text();
}

}  // namespace finishing

void finish_corpus(Corpus& corpus) {
  if (corpus.images.empty())
    throw DataError(escape_for_log(corpus.source.empty() ? corpus.name : corpus.source, 200), "holds no images");
  RecordProblems problems(corpus.source);
  finishing::check_texts(corpus, problems);
  finishing::check_ids(corpus, problems);
  finishing::check_captions(corpus, problems);
  finishing::check_pairs(corpus, problems);
  finishing::check_modifications(corpus, problems);
  problems.throw_if_any();
  finishing::sort_rows(corpus);
  finishing::renumber_labels(corpus);
  finishing::note_shared_files(corpus);
  finishing::note_shared_identities(corpus);
  corpus.fingerprint = finishing::fingerprint_of(corpus);
}

}  // namespace diptych
