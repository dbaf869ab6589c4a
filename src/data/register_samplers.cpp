#include "data/identities.h"
#include "data/modifications.h"
#include "data/shuffled_pairs.h"
#include "data/unique_images.h"

namespace diptych {

void register_samplers(SamplerRegistry& samplers) {
  samplers.add<ShuffledPairs>("shuffled_pairs", "every pair once an epoch in random order; optional length bucketing");
  samplers.add<UniqueImages>("unique_images", "no image twice in a batch, N captions of each");
  samplers.add<Identities>("identities", "P identities x K images", "Hermans et al. 2017");
  samplers.add<Modifications>("modifications", "composed retrieval: source image, change in words and target image",
                              "Vo et al., CVPR 2019");
}

}  // namespace diptych
