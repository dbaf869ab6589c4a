#include "diptych/loss/loss.h"
#include "loss/bidirectional_triplet.h"
#include "loss/cmpc.h"
#include "loss/cmpm.h"
#include "loss/dcca.h"
#include "loss/infonce.h"
#include "loss/instance.h"
#include "loss/structure_preserving.h"

namespace diptych {

void register_losses(LossRegistry& losses) {
  losses.add<CmpmLoss>("cmpm", "KL divergence between projections and matches; with normalize_both: SDM",
                       "Zhang and Lu, ECCV 2018; SDM: Jiang and Ye, CVPR 2023");
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
  losses.add<DccaLoss>("dcca", "minus the sum of the canonical correlations of a batch", "Andrew et al., ICML 2013");
}

}  // namespace diptych
