#include <array>

#include "diptych/core/options.h"
#include "diptych/eval/protocol.h"
#include "eval/class_zeroshot.h"
#include "eval/pair_top1.h"
#include "eval/positions.h"
#include "eval/recall_options.h"
#include "eval/register_composed.h"
#include "eval/retrieval.h"

namespace diptych {
namespace {

using Ks = std::vector<int64_t>;

void list_captions(auto& self, auto& field) {
  field("captions_per_image", self.captions_per_image, "the first n captions of each image take part; 0 = all",
        {.lo = 0});
}

struct ImageOptions : RecallOptions {
  int64_t captions_per_image = 0;
  static void visit(auto& self, auto& field) { RecallOptions::visit(self, field), list_captions(self, field); }
};
struct CocoOptions : RecallOptions {
  int64_t captions_per_image = 5;
  static void visit(auto& self, auto& field) { RecallOptions::visit(self, field), list_captions(self, field); }
};
struct CocoFoldOptions : CocoOptions {
  int64_t folds = 5;
  static void visit(auto& self, auto& field) {
    CocoOptions::visit(self, field);
    field("folds", self.folds, "contiguous blocks of images, evaluated apart and averaged", {.lo = 1});
  }
};
struct CocoFirstOptions : CocoOptions {
  int64_t images = 1000;
  static void visit(auto& self, auto& field) {
    CocoOptions::visit(self, field);
    field("images", self.images, "the first n images take part", {.lo = 1});
  }
};
struct IdentityOptions : RecallOptions {
  bool ap_trapezoid = false;
  static void visit(auto& self, auto& field) {
    RecallOptions::visit(self, field);
    field("ap_trapezoid", self.ap_trapezoid,
          "also mAP-trapezoid, the area under the precision-recall curve by trapezia, as the code of dual path has it; "
          "never above mAP");
  }
};

enum class Gallery { unique, duplicated };
constexpr auto enum_names(Gallery) {
  return std::array{std::pair{Gallery::unique, "unique"}, std::pair{Gallery::duplicated, "duplicated"}};
}
struct CuhkOptions : IdentityOptions {
  Gallery gallery = Gallery::unique;
  static void visit(auto& self, auto& field) {
    IdentityOptions::visit(self, field);
    field("gallery", self.gallery,
          "every image once, or once for each of its captions (only to reproduce ports that rank so)");
  }
};

struct ClassOptions {
  Ks precision{50};
  int64_t captions_per_class = 0;
  static void visit(auto& self, auto& field) {
    field("precision", self.precision, "K of class-ap@K, the precision at K of a class's text", {.lo = 1});
    field("captions_per_class", self.captions_per_class,
          "a class's text is the mean of at most n captions, spread over its images; 0 = all", {.lo = 0});
  }
  void validate(const std::string& path, const Origin& origin, Complaints& complaints) const {
    check_cutoffs(path + ".precision", precision, origin, complaints);
  }
};

RetrievalPlan image_plan(const auto& options, std::string name, int64_t images = 0, int64_t captions = 0) {
  RetrievalPlan plan;
  plan.name = std::move(name);
  plan.recall = options.recall;
  plan.captions_per_image = options.captions_per_image;
  plan.published_images = images, plan.published_captions = captions;
  return plan;
}

struct Flickr8k final : RetrievalProtocol {
  using Options = ImageOptions;
  explicit Flickr8k(const Options& options) : RetrievalProtocol(image_plan(options, "flickr8k-1k", 1000, 5000)) {}
};
struct Flickr30k final : RetrievalProtocol {
  using Options = ImageOptions;
  explicit Flickr30k(const Options& options) : RetrievalProtocol(image_plan(options, "flickr30k-1k", 1000, 5000)) {}
};
/// The metrics of flickr30k-1k under a name of their own: numbers of other test lists are not comparable. Which images
/// are ranked is the corpus' matter (train, val and test lists of the reader flickr_token).
struct Flickr30kEntities final : RetrievalProtocol {
  using Options = ImageOptions;
  explicit Flickr30kEntities(const Options& options)
      : RetrievalProtocol(image_plan(options, "flickr30k-entities-1k", 1000, 5000)) {}
};
struct Flickr30kDualpath final : RetrievalProtocol {
  using Options = ImageOptions;
  explicit Flickr30kDualpath(const Options& options)
      : RetrievalProtocol(image_plan(options, "flickr30k-dualpath-1k", 1000, 5000)) {}
};
struct Coco5k final : RetrievalProtocol {
  using Options = CocoOptions;
  explicit Coco5k(const Options& options) : RetrievalProtocol(image_plan(options, "coco-5k", 5000, 25000)) {}
};
struct Shapes final : RetrievalProtocol {
  using Options = ImageOptions;
  explicit Shapes(const Options& options) : RetrievalProtocol(image_plan(options, "shapes")) {}
};
struct ImageRetrieval final : RetrievalProtocol {
  using Options = ImageOptions;
  explicit ImageRetrieval(const Options& options) : RetrievalProtocol(image_plan(options, "image-retrieval")) {}
};

struct CocoFolds final : RetrievalProtocol {
  using Options = CocoFoldOptions;
  explicit CocoFolds(const Options& options) : RetrievalProtocol(plan(options)) {}
  static RetrievalPlan plan(const Options& options) {
    RetrievalPlan plan = image_plan(options, "coco-1k-5fold", 5000, 25000);
    plan.folds = options.folds;
    return plan;
  }
};
struct CocoFirst final : RetrievalProtocol {
  using Options = CocoFirstOptions;
  explicit CocoFirst(const Options& options) : RetrievalProtocol(plan(options)) {}
  static RetrievalPlan plan(const Options& options) {
    RetrievalPlan plan = image_plan(options, "coco-1k-first", 1000, 5000);
    plan.first_images = options.images;
    return plan;
  }
};

RetrievalPlan identity_plan(const IdentityOptions& options, std::string name) {
  RetrievalPlan plan;
  plan.name = std::move(name);
  plan.recall = options.recall;
  plan.by_label = true;
  plan.lists = {kMeanAp, kMeanInp};
  if (options.ap_trapezoid) plan.lists.push_back(kMeanApTrapezoid);
  return plan;
}

/// The paper averages the features of one file name, since its records repeat an image; a corpus here holds an image
/// once and encodes it without chance, so that there are no copies to average.
struct Cmpl final : RetrievalProtocol {
  using Options = IdentityOptions;
  explicit Cmpl(const Options& options) : RetrievalProtocol(identity_plan(options, "cmpl")) {}
};
struct IdentityRetrieval final : RetrievalProtocol {
  using Options = IdentityOptions;
  explicit IdentityRetrieval(const Options& options)
      : RetrievalProtocol(identity_plan(options, "identity-retrieval")) {}
};
struct CuhkPedes final : RetrievalProtocol {
  using Options = CuhkOptions;
  explicit CuhkPedes(const Options& options) : RetrievalProtocol(plan(options)) {}
  static RetrievalPlan plan(const Options& options) {
    RetrievalPlan plan = identity_plan(options, "cuhk-pedes");
    plan.i2t = false;
    plan.one_copy_per_caption = options.gallery == Gallery::duplicated;
    plan.published_images = 3074, plan.published_captions = 6156;
    return plan;
  }
};

ClassPlan class_plan(const ClassOptions& options, std::string name, int64_t classes = 0) {
  return {std::move(name), options.precision, {options.captions_per_class}, classes};
}
struct AnyClasses final : ClassZeroshot {
  using Options = ClassOptions;
  explicit AnyClasses(const Options& options) : ClassZeroshot(class_plan(options, "class-zeroshot")) {}
};
struct Cub final : ClassZeroshot {
  using Options = ClassOptions;
  explicit Cub(const Options& options) : ClassZeroshot(class_plan(options, "cub", 50)) {}
};
struct Flowers final : ClassZeroshot {
  using Options = ClassOptions;
  explicit Flowers(const Options& options) : ClassZeroshot(class_plan(options, "flowers", 20)) {}
};

}  // namespace

void register_protocols(ProtocolRegistry& protocols) {
  protocols.add<Flickr8k>("flickr8k-1k", "1,000 test images x 5,000 captions, both directions",
                          "Hodosh et al., JAIR 2013");
  protocols.add<Flickr30k>("flickr30k-1k", "1,000 images x 5,000 captions of the Karpathy test split, both directions",
                           "Karpathy and Fei-Fei, CVPR 2015");
  protocols.add<Flickr30kEntities>("flickr30k-entities-1k",
                                   "1,000 images x 5,000 captions of the test list of Flickr30k Entities, both "
                                   "directions",
                                   "Plummer et al., ICCV 2015");
  protocols.add<Flickr30kDualpath>("flickr30k-dualpath-1k",
                                   "1,000 images x 5,000 captions of the dual-path author's own test list, both "
                                   "directions",
                                   "Zheng et al., TOMM 2020");
  protocols.add<Coco5k>("coco-5k", "all 5,000 test images x 25,000 captions (the first five of each image)",
                        "Karpathy and Fei-Fei, CVPR 2015");
  protocols.add<CocoFolds>("coco-1k-5fold", "mean of five contiguous blocks of 1,000 test images with their captions",
                           "Faghri et al., BMVC 2018");
  protocols.add<CocoFirst>("coco-1k-first", "the first 1,000 test images with their captions",
                           "Wang et al., CVPR 2016");
  protocols.add<CuhkPedes>("cuhk-pedes", "every caption queries the unique test images; relevant: same person",
                           "Li et al., CVPR 2017");
  protocols.add<Cmpl>("cmpl", "both directions, relevant: same label", "Zhang and Lu, ECCV 2018");
  protocols.add<Cub>("cub", "CUB-200-2011: images against one text for each of 50 unseen classes",
                     "Reed et al., CVPR 2016");
  protocols.add<Flowers>("flowers", "Oxford-102 Flowers: images against one text for each of 20 unseen classes",
                         "Reed et al., CVPR 2016");
  protocols.add<PairTop1>("mit-states-unseen",
                          "MIT-States, unseen pairs: every image chooses among the pairs of the split (closed world)",
                          "Misra et al., CVPR 2017");
  protocols.add<Shapes>("shapes", "the generated corpus, both directions, relevant: same image");
  protocols.add<PositionsProtocol>(
      "positions", "pairs of images and captions that differ only in a relation: is the right one of two chosen?",
      "as in Thrush et al.: Winoground, CVPR 2022");
  protocols.add<ImageRetrieval>("image-retrieval", "any corpus, both directions, relevant: same image");
  protocols.add<IdentityRetrieval>("identity-retrieval",
                                   "any corpus with labels, both directions, relevant: same label");
  protocols.add<AnyClasses>("class-zeroshot", "any corpus with labels: images against one text for each class",
                            "Reed et al., CVPR 2016");
  register_composed_protocols(protocols);
}

}  // namespace diptych
