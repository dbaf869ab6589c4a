#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "diptych/report/html.h"

namespace diptych {
struct ProtocolResult;
}

namespace diptych::report {

/// Four scores of a pair of opposites, as an evaluation under the protocol "positions" wrote them (pairs.jsonl).
struct OppositeRecord {
  std::string relation;
  std::string image[2], caption[2];  // ids of the images, texts of the captions
  double score[2][2];                // [image][caption]
  int64_t right() const;             // 0 to 4: of the two images and the two captions, how many choose their own
};
/// throws DataError with the line.
std::vector<OppositeRecord> read_opposites(const std::filesystem::path& file);

/// Of every relation: a pair that is all right, one that is all wrong and one in between, as far as there are such;
/// those with the clearest scores.
std::vector<OppositeRecord> example_opposites(const std::vector<OppositeRecord>& all);

/// Gives the picture of an image id, with a text for those who do not see it.
using ShowImage = std::function<Html(const std::string& image_id, const std::string& alternative)>;
/// Per relation the share of right choices in both directions and of groups, against chance, and example pairs with
/// their pictures and scores. Empty without `evaluation`/pairs.jsonl. `id` begins the ids on the page.
Html positions(const std::filesystem::path& evaluation, const ShowImage& show, const std::string& id = "opposites");

/// A run, or a setting of a sweep with a result for each seed, under "positions".
struct PositionsRow {
  std::string name;
  std::vector<const ProtocolResult*> results;
};
/// The study's table: a row each; right choices per relation as the mean of both directions, and groups; mean and
/// sample standard deviation over the results of a row. Empty without rows.
Html positions_study(const std::vector<PositionsRow>& rows, const std::string& id);

}  // namespace diptych::report
