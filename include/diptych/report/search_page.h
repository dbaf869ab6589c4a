#pragma once
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "diptych/report/thumbnails.h"

namespace diptych::report {

/// One found item: a picture, or a caption.
struct SearchHit {
  double score = 0;
  std::string id;
  std::string text;               // of a caption
  std::filesystem::path picture;  // of an image; empty: it is a caption
};
/// What was asked and what was found, best first.
struct SearchedFor {
  std::string text;
  std::filesystem::path picture;          // a query by example, changed by `text` if there is one; empty: by text
  std::vector<std::string> unknown = {};  // words that the model does not know
  std::vector<SearchHit> hits = {};
};

/// An offline page of search results: for every query its thumbnails or captions with rank, score and id, and a box
/// that filters them. `facts`: what was searched, as rows at the end. Pictures that are missing or damaged become tiles
/// that say so.
std::string search_page(const std::string& scorer, const std::vector<SearchedFor>& queries,
                        const std::vector<std::pair<std::string, std::string>>& facts, const PictureReader& reader);

}  // namespace diptych::report
