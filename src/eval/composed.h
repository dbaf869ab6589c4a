#pragma once
#include <string>
#include <vector>

#include "diptych/eval/protocol.h"

namespace diptych {

/// A protocol of composed retrieval as data; what all of them are made of.
struct ComposedPlan {
  enum class Sources {
    any,
    ranked,
    apart
  };  // the images to be changed: all in the gallery, or none (2-D asks for 3-D)

  std::string name;
  std::string answers;                       // who answers, in words: "same caption as the target"
  std::vector<int64_t> recall;               // K of t2i/R@K
  std::vector<int64_t> words = {};           // K of adjective/R@K and noun/R@K, label names being "adjective noun"
  std::vector<int64_t> subset = {};          // K of t2i/r_sub@K, the recall within ComposedQuery::subset
  std::vector<std::string> categories = {};  // of a gallery each, by the start of the ids: "dress/B00006M009"
  bool only_used = false;                    // images that no query starts from or asks for are left out of the gallery
  Sources sources = Sources::any;
  std::string sources_remedy = "";  // how the corpus is read as `sources` asks
};

/// Composed retrieval: a query is an image and a change in words, the answers are the gallery's images with its label
/// (RetrievalSet::y_label). The image itself is never ranked for its own query (left_out.h). In percent:
///
///   t2i/R@K        share of queries with an answer among the first K; t2i/medr and t2i/meanr of the best answer's
///   rank.
///                  With categories: their mean, each query being ranked within its own
///   t2i/r_sub@K    the same within the query's subset, over the queries whose subset holds an answer
///   adjective/R@K  share of queries with an image of the right adjective among the first K, whatever its noun;
///   noun/R@K       and the other way round (as the code of Vo et al. reports them)
///   CATEGORY/R@K   of one category, and average-recall: the mean of t2i/R@K over all K
///
/// Both tie rules. Bootstrap: source images, category by category.
class ComposedRetrieval : public Protocol {
 public:
  explicit ComposedRetrieval(ComposedPlan plan);
  /// throws also DataError for ids without a known category, label names that are not two words, subsets that nothing
  /// has, sources that are (not) ranked; UsageError for RetrievalSet::rescore, which the protocols do not know.
  ProtocolResult evaluate(const RetrievalSet& set) const override;
  std::vector<std::string> metric_names() const override;
  std::string main_metric() const override;
  bool by_identity() const override { return true; }
  bool composed() const override { return true; }

 private:
  ComposedPlan plan_;
};

}  // namespace diptych
