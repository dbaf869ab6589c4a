#include "train/shortlist.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "diptych/core/text.h"
#include "diptych/eval/top_k.h"
#include "train/ensemble.h"

namespace diptych {
namespace {

/// The values, moved above `floor` by one number, in their order; equal ones stay equal, others stay different.
std::vector<float> raised_above(const float* values, size_t count, float floor) {
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::sort(order, {}, [&](size_t i) { return values[i]; });
  const double lift = std::max(0.0, static_cast<double>(floor) - values[order.front()]);
  std::vector<float> out(count);
  float last = floor;
  for (size_t k = 0; k < count; ++k) {
    const size_t i = order[k];
    if (k == 0 || values[i] != values[order[k - 1]])
      last =
          std::max(static_cast<float>(values[i] + lift), std::nextafter(last, std::numeric_limits<float>::infinity()));
    out[i] = last;
  }
  return out;
}

void require_rankable(const LoadedRun& precise, const LoadedRun& fast) {
  if (!precise.system->model->pair_scorer())
    throw UsageError::command_line(
        concat("--shortlist: the run's scorer '", precise.system->model->scorer().describe(),
               "' compares embeddings, which is fast: a shortlist saves nothing"),
        "leave --shortlist out, or evaluate a run whose scorer compares pairs, such as sm_lstm");
  if (fast.system->model->pair_scorer())
    throw UsageError::command_line(concat("--shortlist: the scorer '", fast.system->model->scorer().describe(),
                                          "' of the run that chooses compares pairs itself"),
                                   "give a run of embeddings");
  if (precise.experiment->evaluate.rescore.method != Rescore::none)
    throw UsageError("", "evaluate.rescore looks at the scores of all pairs, of which a shortlist has few",
                     "set evaluate.rescore.method=none");
}

}  // namespace

PairCells shortlisted_cells(const ScoreTiles& fast, int64_t k, const std::vector<int32_t>& row_block,
                            const std::vector<int32_t>& col_block) {
  const TopLists best = top_lists(fast, k, row_block, col_block);
  PairCells cells;
  for (size_t i = 0; i < best.cols_of_row.size(); ++i)
    for (const Scored& item : best.cols_of_row[i]) cells.emplace_back(static_cast<int64_t>(i), item.index);
  for (size_t j = 0; j < best.rows_of_col.size(); ++j)
    for (const Scored& item : best.rows_of_col[j]) cells.emplace_back(item.index, static_cast<int64_t>(j));
  std::ranges::sort(cells);
  cells.erase(std::unique(cells.begin(), cells.end()), cells.end());
  return cells;
}

at::Tensor reranked(const ScoreTiles& fast, const PairCells& cells, const at::Tensor& cell_scores) {
  if (cell_scores.dim() != 1 || cell_scores.scalar_type() != at::kFloat ||
      cell_scores.size(0) != static_cast<int64_t>(cells.size()))
    throw ShapeError(concat("reranked: ", cell_scores.sizes(), " scores for ", cells.size(), " cells"));
  if (!cell_scores.isfinite().all().item<bool>())
    throw NumericError("scores", "a pair score is not finite", "look for the step whose loss or weights became so");
  at::Tensor out = all_scores(fast);
  if (cells.empty()) return out;
  const at::Tensor given = cell_scores.contiguous();
  const std::vector<float> raised = raised_above(given.data_ptr<float>(), cells.size(), out.max().item<float>());
  float* scores = out.data_ptr<float>();
  for (size_t i = 0; i < cells.size(); ++i) scores[cells[i].first * out.size(1) + cells[i].second] = raised[i];
  return out;
}

Shortlist::Shortlist(const LoadedRun& precise, const LoadedRun& fast, const std::string& fast_name, int64_t k,
                     Split split)
    : precise_(precise), fast_(fast), k_(k), split_(split) {
  require_rankable(precise, fast);
  require_same_split(precise.data.corpus, fast.data.corpus, split, fast_name);
  fast_split_ = encode_split(*fast.system, fast.data, *fast.experiment, split);
}

std::string Shortlist::name(const std::string& protocol) const { return concat(protocol, "-shortlist-", k_); }

const EncodedSplit& Shortlist::encode(const Protocol& protocol) {
  const auto tiles = score_tiles(*fast_.system, fast_split_);
  const ProtocolResult ranked = protocol.class_texts()
                                    ? ProtocolResult{}
                                    : evaluate_split(*fast_.system, fast_.data, *precise_.experiment, protocol,
                                                     fast_split_, split_, /*bootstrap=*/false);
  if (ranked.x_fold.empty() || !ranked.opposites.empty())
    throw UsageError::command_line("--shortlist: this protocol asks for scores of other pairs than the best",
                                   "a protocol that ranks images and captions, such as image-retrieval");
  PairCells cells = shortlisted_cells(*tiles, k_, ranked.x_fold, ranked.y_fold);
  if (!encoded_.cell_scores.defined() || cells != cells_) {
    cells_ = std::move(cells);
    encoded_ = encode_split(*precise_.system, precise_.data, *precise_.experiment, split_, nullptr, &cells_);
  }
  encoded_.scores = reranked(*tiles, cells_, encoded_.cell_scores);
  encoded_.scored_by =
      concat("shortlist of ", k_, " by ", scorer_text(*fast_.system, *fast_.experiment), ", ", pairs_scored(), " of ",
             pairs(), " pairs scored by ", scorer_text(*precise_.system, *precise_.experiment));
  return encoded_;
}

}  // namespace diptych
