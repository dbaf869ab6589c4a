#include "train/ensemble.h"

#include <torch/torch.h>

#include "diptych/core/text.h"
#include "diptych/train/trained_model.h"
#include "train/split_ids.h"

namespace diptych {
namespace {

/// [N, M]: what the run's scorer gives, whatever form it ranks in.
at::Tensor scores_of(const LoadedRun& run, const EncodedSplit& encoded) {
  if (encoded.scores.defined()) return encoded.scores;
  const at::NoGradGuard no_grad;
  return run.system->model->scorer().from_products(all_scores(*score_tiles(*run.system, encoded)));
}

}  // namespace

std::vector<LoadedRun> load_runs(const Catalog& catalog, const std::vector<std::filesystem::path>& where,
                                 const std::string& which, const std::vector<std::string>& overrides, int64_t threads) {
  std::vector<std::pair<std::filesystem::path, std::string>> found;
  for (const auto& path : where) {
    found.push_back(locate_run(path, which));
    find_checkpoint(found.back().first, found.back().second);  // throws where there is none
  }
  std::vector<LoadedRun> out;
  for (const auto& [run, checkpoint] : found) out.push_back(load_run(catalog, run, checkpoint, overrides, threads));
  return out;
}

void require_same_split(const Corpus& corpus, const Corpus& other, Split split, const std::string& other_run) {
  const auto fail = [&](const std::string& difference) {
    throw DataError(escape_for_log(other_run, 400),
                    concat("its ", enum_text(split), " split is not that of the first run: ", difference),
                    "runs are evaluated together on one corpus and split");
  };
  const EncodedSplit rows = rows_of_split(corpus, split), other_rows = rows_of_split(other, split);
  const auto &images = rows.image_rows, &other_images = other_rows.image_rows;
  const size_t texts = rows.caption_rows.size(), other_texts = other_rows.caption_rows.size();
  const char* kind = rows.source_rows.empty() ? "caption" : "query";
  if (images.size() != other_images.size() || texts != other_texts ||
      rows.source_rows.empty() != other_rows.source_rows.empty())
    fail(concat(other_images.size(), " images and ", other_texts,
                other_rows.source_rows.empty() ? " captions" : " queries", ", not ", images.size(), " and ", texts));
  const auto id_of = [](const Corpus& of, int64_t row) { return of.images[static_cast<size_t>(row)].id; };
  for (size_t i = 0; i < images.size(); ++i)
    if (const auto a = id_of(corpus, images[i]), b = id_of(other, other_images[i]); a != b)
      fail(concat("image ", i + 1, " is '", escape_for_log(b, 80), "', not '", escape_for_log(a, 80), "'"));
  for (size_t j = 0; j < texts; ++j) {
    const SplitText a = text_of(corpus, rows, j), b = text_of(other, other_rows, j);
    if (a.text != b.text || id_of(corpus, a.image_row) != id_of(other, b.image_row))
      fail(concat(kind, " ", j + 1, " is '", escape_for_log(b.text, 80), "' of '",
                  escape_for_log(id_of(other, b.image_row), 80), "', not '", escape_for_log(a.text, 80), "' of '",
                  escape_for_log(id_of(corpus, a.image_row), 80), "'"));
  }
}

EncodedSplit encode_ensemble(const std::vector<const LoadedRun*>& runs, Split split,
                             const std::vector<std::string>& names) {
  for (size_t i = 1; i < runs.size(); ++i)
    require_same_split(runs[0]->data.corpus, runs[i]->data.corpus, split, names[i]);
  EncodedSplit out;
  at::Tensor sum;
  std::vector<std::string> scorers;
  for (const LoadedRun* run : runs) {
    EncodedSplit encoded = encode_split(*run->system, run->data, *run->experiment, split);
    const at::Tensor scores = scores_of(*run, encoded);
    sum = sum.defined() ? sum.add_(scores) : scores.clone();
    scorers.push_back(scorer_text(*run->system, *run->experiment));
    if (scorers.size() == 1) out = std::move(encoded);
  }
  out.scores = sum;
  out.scored_by = concat("ensemble of ", runs.size(), " runs, scores added: ", join(scorers, " + "));
  return out;
}

std::string ensemble_protocol(const std::string& protocol, size_t runs) { return concat(protocol, "-ensemble-", runs); }

}  // namespace diptych
