#include "eval/register_composed.h"

#include "eval/composed.h"
#include "eval/recall_options.h"

namespace diptych {
namespace composed_protocols {

/// R@1, 5, 10 and 50 unless a data set has other habits.
struct Recalls : RecallOptions {
  Recalls() { recall = {1, 5, 10, 50}; }
};

struct Fashion200kOptions : RecallOptions {
  Fashion200kOptions() { recall = {1, 10, 50}; }
};

struct FashionIqOptions : RecallOptions {
  FashionIqOptions() { recall = {10, 50}; }
};

struct MitStatesOptions : RecallOptions {
  std::vector<int64_t> word_recall{1, 5, 10, 50, 100};
  static void visit(auto& self, auto& field) {
    RecallOptions::visit(self, field);
    field("word_recall", self.word_recall, "K of the recalls of the adjective alone and of the noun alone", {.lo = 1});
  }
  void validate(const std::string& path, const Origin& origin, Complaints& complaints) const {
    RecallOptions::validate(path, origin, complaints);
    check_cutoffs(path + ".word_recall", word_recall, origin, complaints);
  }
};

struct CirrOptions : Recalls {
  std::vector<int64_t> subset_recall{1, 2, 3};
  static void visit(auto& self, auto& field) {
    RecallOptions::visit(self, field);
    field("subset_recall", self.subset_recall, "K of r_sub@K, the recall within the subset of similar images",
          {.lo = 1});
  }
  void validate(const std::string& path, const Origin& origin, Complaints& complaints) const {
    RecallOptions::validate(path, origin, complaints);
    check_cutoffs(path + ".subset_recall", subset_recall, origin, complaints);
  }
};

ComposedPlan css_plan(const Recalls& options, std::string name, ComposedPlan::Sources sources, std::string remedy) {
  return {.name = std::move(name),
          .answers = "the scene that the change leads to",
          .recall = options.recall,
          .sources = sources,
          .sources_remedy = std::move(remedy)};
}
struct Css2d final : ComposedRetrieval {
  using Options = Recalls;
  explicit Css2d(const Options& options)
      : ComposedRetrieval(css_plan(options, "css-2d", ComposedPlan::Sources::ranked,
                                   "set data.corpus.query_images=2d and data.corpus.gallery_images=2d")) {}
};
struct Css2d3d final : ComposedRetrieval {
  using Options = Recalls;
  explicit Css2d3d(const Options& options)
      : ComposedRetrieval(css_plan(options, "css-2d3d", ComposedPlan::Sources::apart,
                                   "set data.corpus.query_images=2d and data.corpus.gallery_images=3d")) {}
};
struct Css3d final : ComposedRetrieval {
  using Options = Recalls;
  explicit Css3d(const Options& options)
      : ComposedRetrieval(css_plan(options, "css-3d", ComposedPlan::Sources::ranked,
                                   "set data.corpus.query_images=3d and data.corpus.gallery_images=3d")) {}
};

struct Fashion200k final : ComposedRetrieval {
  using Options = Fashion200kOptions;
  explicit Fashion200k(const Options& options)
      : ComposedRetrieval({.name = "fashion200k", .answers = "same caption as the target", .recall = options.recall}) {}
};
struct MitStates final : ComposedRetrieval {
  using Options = MitStatesOptions;
  explicit MitStates(const Options& options)
      : ComposedRetrieval({.name = "mit-states",
                           .answers = "the source's noun with the adjective asked for",
                           .recall = options.recall,
                           .words = options.word_recall}) {}
};
struct Cirr final : ComposedRetrieval {
  using Options = CirrOptions;
  explicit Cirr(const Options& options)
      : ComposedRetrieval({.name = "cirr",
                           .answers = "the target image",
                           .recall = options.recall,
                           .subset = options.subset_recall}) {}
};

ComposedPlan fashioniq_plan(const FashionIqOptions& options, std::string name, bool only_used) {
  return {.name = std::move(name),
          .answers = "the target image",
          .recall = options.recall,
          .categories = {"dress", "shirt", "toptee"},
          .only_used = only_used};
}
struct FashionIqFull final : ComposedRetrieval {
  using Options = FashionIqOptions;
  explicit FashionIqFull(const Options& options)
      : ComposedRetrieval(fashioniq_plan(options, "fashioniq-full", false)) {}
};
struct FashionIqVal final : ComposedRetrieval {
  using Options = FashionIqOptions;
  explicit FashionIqVal(const Options& options) : ComposedRetrieval(fashioniq_plan(options, "fashioniq-val", true)) {}
};

struct AnyComposed final : ComposedRetrieval {
  using Options = Recalls;
  explicit AnyComposed(const Options& options)
      : ComposedRetrieval(
            {.name = "composed-retrieval", .answers = "same label as the target", .recall = options.recall}) {}
};

}  // namespace composed_protocols

void register_composed_protocols(ProtocolRegistry& protocols) {
  using namespace composed_protocols;
  protocols.add<Css2d>("css-2d", "CSS: 2-D drawings of scenes, changed in words, find 2-D drawings",
                       "drawings of Vo et al., CVPR 2019");
  protocols.add<Css2d3d>("css-2d3d", "CSS: 2-D drawings of scenes, changed in words, find 3-D drawings",
                         "Vo et al., CVPR 2019");
  protocols.add<Css3d>("css-3d", "CSS: 3-D drawings of scenes, changed in words, find 3-D drawings",
                       "Vo et al., CVPR 2019");
  protocols.add<Fashion200k>("fashion200k", "changed products find products; relevant: same caption as the target",
                             "Vo et al., CVPR 2019");
  protocols.add<MitStates>("mit-states",
                           "images and another adjective find images of both; recalls of adjective and noun alone",
                           "Vo et al., CVPR 2019");
  protocols.add<FashionIqFull>("fashioniq-full",
                               "each category ranks all its images of the split (the original protocol); R@10, R@50",
                               "Wu et al., CVPR 2021");
  protocols.add<FashionIqVal>("fashioniq-val",
                              "each category ranks only its sources and targets (easier; not comparable with -full)",
                              "Chen et al.: VAL, CVPR 2020");
  protocols.add<Cirr>("cirr", "changed images find the target among all, and within the subset of similar images",
                      "Liu et al., ICCV 2021");
  protocols.add<AnyComposed>("composed-retrieval",
                             "any corpus with modifications; relevant: the label asked for, own image left out");
}

}  // namespace diptych
