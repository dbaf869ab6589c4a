#include "diptych/loss/loss.h"
#include "loss/attention_penalty.h"
#include "loss/bidirectional_triplet.h"
#include "loss/cmpc.h"
#include "loss/cmpm.h"
#include "loss/dcca.h"
#include "loss/dualpath_rank.h"
#include "loss/histogram.h"
#include "loss/infonce.h"
#include "loss/instance.h"
#include "loss/lifted.h"
#include "loss/match_logistic.h"
#include "loss/n_pair.h"
#include "loss/reconstruction.h"
#include "loss/rotation_symmetry.h"
#include "loss/sdm.h"
#include "loss/sigmoid.h"
#include "loss/sje.h"
#include "loss/soft_triplet_code.h"
#include "loss/structure_preserving.h"
#include "loss/tirg_softmax.h"

namespace diptych {

void register_losses(LossRegistry& losses) {
  losses.add<AttentionPenaltyLoss>("attention_penalty", "what the attention of sm_lstm left out or looked at twice",
                                   "Xu et al., ICML 2015; Huang et al., CVPR 2017");
  losses.add<CmpmLoss>("cmpm", "KL divergence between projections and matches", "Zhang and Lu, ECCV 2018");
  losses.add<CmpcLoss>("cmpc", "classification of each view projected on its partner, unit classifier columns",
                       "Zhang and Lu, ECCV 2018");
  losses.add<BidirectionalTripletLoss>("bidirectional_triplet", "hinge over the negatives of a batch, both directions",
                                       "Kiros et al., 2014; Faghri et al., BMVC 2018");
  losses.add<InstanceLoss>("instance", "every image with its captions is a class; one classifier for both views",
                           "Zheng et al., TOMM 2020");
  losses.add<StructurePreservingLoss>("structure_preserving",
                                      "two-branch ranking across the views and neighbourhoods within them",
                                      "Wang, Li and Lazebnik, CVPR 2016; TPAMI 2018");
  losses.add<InfoNceLoss>("infonce", "symmetric batch softmax with fixed or learned temperature, several positives",
                          "van den Oord et al., 2018; Radford et al., ICML 2021");
  losses.add<SdmLoss>("sdm", "CMPM of cosines with a temperature", "Jiang and Ye, CVPR 2023");
  losses.add<SigmoidLoss>("sigmoid", "a yes-no question for every cell of the score matrix, learned scale and bias",
                          "Zhai et al., ICCV 2023");
  losses.add<MatchLogisticLoss>("match_logistic", "is it a match? logistic loss over the pairs of a batch, balanced",
                                "Wang, Li, Huang and Lazebnik, TPAMI 2018");
  losses.add<NPairLoss>("n_pair", "each pair against all negatives of its row, a softmax without temperature",
                        "Sohn, NeurIPS 2016");
  losses.add<LiftedLoss>("lifted", "smooth maximum over all negatives of a pair, squared hinge",
                         "Oh Song et al., CVPR 2016");
  losses.add<HistogramLoss>("histogram", "probability that a negative pair is more similar than a positive one",
                            "Ustinova and Lempitsky, NeurIPS 2016");
  losses.add<SjeLoss>("sje", "structured joint embedding: every negative with margin 1, divided by the squared batch",
                      "Reed et al., CVPR 2016");
  losses.add<DualpathRankLoss>("dualpath_rank", "hinge against one mined caption and one image per pair",
                               "Zheng et al., TOMM 2020");
  losses.add<TirgSoftmaxLoss>("tirg_softmax", "composed queries choose among K targets of the batch, M times",
                              "Vo et al., CVPR 2019");
  losses.add<RotationSymmetryLoss>("rotation_symmetry",
                                   "targets with the change taken back choose their source among those of the batch",
                                   "Anwaar et al., WACV 2021");
  losses.add<ReconstructionLoss>("reconstruction",
                                 "a decoder gives back the image or the text that a query was composed of",
                                 "Anwaar et al., WACV 2021");
  losses.add<SoftTripletCodeLoss>("soft_triplet_code",
                                  "composed retrieval's soft triplets, queries and targets as one set",
                                  "Vo et al., CVPR 2019, published code");
  losses.add<DccaLoss>("dcca", "minus the sum of the canonical correlations of a batch", "Andrew et al., ICML 2013");
}

}  // namespace diptych
