#include "diptych/report/positions.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "diptych/core/io/fs.h"
#include "diptych/core/io/json.h"
#include "diptych/core/text.h"
#include "diptych/report/aggregate.h"
#include "diptych/report/page.h"

namespace diptych::report {
namespace opposites {

constexpr uint64_t kMaxLines = 256 << 20;

bool image_right(const OppositeRecord& pair, int side) { return pair.score[side][side] > pair.score[side][1 - side]; }
bool caption_right(const OppositeRecord& pair, int side) { return pair.score[side][side] > pair.score[1 - side][side]; }

/// How clear the four choices are: the smallest difference that decides one.
double clearness(const OppositeRecord& pair) {
  double least = std::numeric_limits<double>::infinity();
  for (int side = 0; side < 2; ++side) {
    least = std::min(least, std::abs(pair.score[side][side] - pair.score[side][1 - side]));
    least = std::min(least, std::abs(pair.score[side][side] - pair.score[1 - side][side]));
  }
  return least;
}

OppositeRecord record_of(const Json& line) {
  OppositeRecord out;
  out.relation = line.at("relation").get<std::string>();
  for (size_t i = 0; i < 2; ++i) {
    out.image[i] = line.at("images").at(i).get<std::string>();
    out.caption[i] = line.at("captions").at(i).get<std::string>();
    for (size_t j = 0; j < 2; ++j) out.score[i][j] = line.at("scores").at(i).at(j).get<double>();
  }
  return out;
}

struct Shares {
  int64_t pairs = 0, images = 0, captions = 0, groups = 0;
  void add(const OppositeRecord& pair) {
    ++pairs;
    for (int side = 0; side < 2; ++side) images += image_right(pair, side), captions += caption_right(pair, side);
    groups += pair.right() == 4;
  }
};

/// "left_right" -> "left/right", which a narrow page can break.
std::string relation_name(std::string relation) {
  std::ranges::replace(relation, '_', '/');
  return relation;
}

TableCell share_cell(int64_t right, int64_t asked) {
  const double percent = 100.0 * static_cast<double>(right) / static_cast<double>(asked);
  return {fixed_text(percent, 1), percent};
}

Html relation_table(const std::vector<OppositeRecord>& all, const std::string& id) {
  std::map<std::string, Shares> by_relation;
  Shares total;
  for (const OppositeRecord& pair : all) by_relation[pair.relation].add(pair), total.add(pair);
  TableView view;
  view.id = id + "-relations", view.caption = "Percent right; chance 50, groups 16.7";
  view.columns = {{"relation"},
                  {"pairs", true},
                  {"image chooses caption", true},
                  {"caption chooses image", true},
                  {"group", true, "both images and both captions are right"}};
  const auto add = [&](const std::string& name, const Shares& shares) {
    view.rows.push_back({name,
                         {concat(shares.pairs), static_cast<double>(shares.pairs)},
                         share_cell(shares.images, 2 * shares.pairs),
                         share_cell(shares.captions, 2 * shares.pairs),
                         share_cell(shares.groups, shares.pairs)});
  };
  for (const auto& [relation, shares] : by_relation) add(relation_name(relation), shares);
  add("all", total);
  return table(view);
}

Html score_table(const OppositeRecord& pair, const std::string& id) {
  TableView view;
  view.id = id, view.caption = "Scores; each picture's own caption in bold";
  view.columns = {{"caption"}, {"picture 1", true}, {"picture 2", true}};
  view.sortable = false;
  for (int j = 0; j < 2; ++j) {
    std::vector<TableCell> row = {pair.caption[j]};
    for (int i = 0; i < 2; ++i) {
      TableCell cell(fixed_text(pair.score[i][j], 4), pair.score[i][j]);
      cell.strong = i == j;
      row.push_back(std::move(cell));
    }
    view.rows.push_back(std::move(row));
  }
  return table(view);
}

Html example(const OppositeRecord& pair, const std::string& id, const ShowImage& show) {
  Html shown;
  for (int i = 0; i < 2; ++i)
    shown += figure(show(pair.image[i], pair.caption[i]), concat(i + 1, ": ", pair.caption[i]));
  return text_element("h4", concat(relation_name(pair.relation), ": ", pair.right(), " of 4 right")) + grid(shown) +
         score_table(pair, id);
}

/// Percent of the right choices of a relation, the mean of both directions.
std::optional<double> both_directions(const ProtocolResult& result, const std::string& relation) {
  const Metric *i2t = result.find("i2t/" + relation), *t2i = result.find("t2i/" + relation);
  return i2t && t2i ? std::optional((i2t->value + t2i->value) / 2) : std::nullopt;
}

/// Those of all results, in the order met; "all" last.
std::vector<std::string> relations_of(const std::vector<PositionsRow>& rows) {
  std::vector<std::string> out;
  for (const PositionsRow& row : rows)
    for (const ProtocolResult* result : row.results)
      for (const auto& [name, metric] : result->metrics)
        if (name.starts_with("i2t/") && name != "i2t/all" && !std::ranges::count(out, name.substr(4)))
          out.push_back(name.substr(4));
  out.emplace_back("all");
  return out;
}

TableCell mean_cell(const std::vector<double>& values) {
  const MeanStd mean = mean_std(values);
  return mean.n ? TableCell(to_text(mean), mean.mean) : TableCell("\u2013");
}

}  // namespace opposites

Html positions_study(const std::vector<PositionsRow>& rows, const std::string& id) {
  if (rows.empty()) return {};
  const std::vector<std::string> relations = opposites::relations_of(rows);
  const bool seeds = std::ranges::any_of(rows, [](const PositionsRow& row) { return row.results.size() > 1; });
  TableView view{.id = id,
                 .caption = concat("Percent right, mean of both directions: chance 50; groups 16.7",
                                   seeds ? "; mean \u00b1 sample standard deviation over n seeds" : "")};
  view.columns = {{""}, {"n", true}};
  for (const std::string& relation : relations) view.columns.push_back({opposites::relation_name(relation), true});
  view.columns.push_back({"group", true, "both images and both captions of a pair are right"});
  for (const PositionsRow& row : rows) {
    std::vector<TableCell> cells{row.name, {concat(row.results.size()), static_cast<double>(row.results.size())}};
    for (const std::string& relation : relations) {
      std::vector<double> values;
      for (const ProtocolResult* result : row.results)
        if (const auto value = opposites::both_directions(*result, relation)) values.push_back(*value);
      cells.push_back(opposites::mean_cell(values));
    }
    std::vector<double> groups;
    for (const ProtocolResult* result : row.results)
      if (const Metric* group = result->find("group/all")) groups.push_back(group->value);
    cells.push_back(opposites::mean_cell(groups));
    view.rows.push_back(std::move(cells));
  }
  return table(view);
}

int64_t OppositeRecord::right() const {
  int64_t count = 0;
  for (int side = 0; side < 2; ++side)
    count += opposites::image_right(*this, side) + opposites::caption_right(*this, side);
  return count;
}

std::vector<OppositeRecord> read_opposites(const std::filesystem::path& file) {
  const std::string text = read_file(file, opposites::kMaxLines);
  std::vector<OppositeRecord> out;
  int64_t number = 0;
  for (const std::string& line : split(text, '\n')) {
    ++number;
    if (line.empty()) continue;
    const std::string where = concat(escape_for_log(file.string(), 200), ":", number);
    try {
      out.push_back(opposites::record_of(parse_json(line, where)));
    } catch (const Json::exception& error) {
      throw DataError(where, concat("is no pair of opposites: ", escape_for_log(error.what(), 200)),
                      "write it anew: diptych evaluate RUN --protocol positions");
    }
  }
  return out;
}

std::vector<OppositeRecord> example_opposites(const std::vector<OppositeRecord>& all) {
  // By relation and by kind: 0 all right, 1 all wrong, 2 in between.
  std::map<std::pair<std::string, int>, const OppositeRecord*> best;
  for (const OppositeRecord& pair : all) {
    const int kind = pair.right() == 4 ? 0 : pair.right() == 0 ? 1 : 2;
    const OppositeRecord*& kept = best[{pair.relation, kind}];
    if (!kept || opposites::clearness(pair) > opposites::clearness(*kept)) kept = &pair;
  }
  std::vector<OppositeRecord> out;
  for (const auto& [key, pair] : best) out.push_back(*pair);
  return out;
}

Html positions(const std::filesystem::path& evaluation, const ShowImage& show, const std::string& id) {
  const auto file = evaluation / "pairs.jsonl";
  if (std::error_code error; !std::filesystem::exists(file, error)) return {};
  const std::vector<OppositeRecord> all = read_opposites(file);
  if (all.empty()) return {};
  Html out =
      paragraph(
          "Pairs of pictures and captions that differ only in a relation. A picture is right if it scores its own "
          "caption above the opposite one, a caption likewise; equal scores are wrong.") +
      opposites::relation_table(all, id);
  const auto examples = example_opposites(all);
  for (size_t i = 0; i < examples.size(); ++i) out += opposites::example(examples[i], concat(id, "-", i), show);
  return out;
}

}  // namespace diptych::report
