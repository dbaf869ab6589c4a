#pragma once
#include <string>
#include <vector>

#include "diptych/eval/protocol.h"
#include "eval/resampled_metrics.h"

namespace diptych {

/// A retrieval protocol as data; what all registered protocols are made of.
struct RetrievalPlan {
  std::string name;
  bool by_label = false;              // a hit has the same label; otherwise: is (a caption of) the same image
  bool i2t = true;                    // image queries
  std::vector<ListMetric> lists;      // mAP and the like; only where an item can have several relevant ones
  std::vector<int64_t> recall;        // K of R@K; rsum always adds R@1, R@5 and R@10
  int64_t captions_per_image = 0;     // the first n of each image take part; 0: all
  int64_t first_images = 0;           // only the first n images; 0: all
  int64_t folds = 1;                  // contiguous blocks of images, metrics averaged
  bool one_copy_per_caption = false;  // the gallery holds an image once for each of its captions
  int64_t published_images = 0, published_captions = 0;  // of the test split; 0: nothing published
};

class RetrievalProtocol : public Protocol {
 public:
  explicit RetrievalProtocol(RetrievalPlan plan);
  ProtocolResult evaluate(const RetrievalSet& set) const override;
  std::vector<std::string> metric_names() const override;
  std::string main_metric() const override;
  bool by_identity() const override { return plan_.by_label; }

 private:
  RetrievalPlan plan_;
};

}  // namespace diptych
