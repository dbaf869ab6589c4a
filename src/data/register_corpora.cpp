#include "data/coco_captions.h"
#include "data/csv.h"
#include "data/cuhk_pedes.h"
#include "data/flickr_token.h"
#include "data/jsonl.h"
#include "data/karpathy.h"
#include "data/reed.h"

namespace diptych {

void register_corpora(CorpusRegistry& corpora) {
  corpora.add<KarpathyReader>("karpathy", "dataset_*.json with splits and tokens: Flickr8k, Flickr30k, COCO",
                              "Karpathy and Fei-Fei, CVPR 2015");
  corpora.add<CocoCaptionsReader>("coco_captions", "captions_*.json of COCO, one file a split", "Chen et al. 2015");
  corpora.add<FlickrTokenReader>("flickr_token", "token file and split lists of Flickr8k and Flickr30k",
                                 "Hodosh et al., JAIR 2013; Young et al., TACL 2014");
  corpora.add<CuhkPedesReader>("cuhk_pedes", "reid_raw.json: images and captions of persons, matched by identity",
                               "Li et al., CVPR 2017");
  corpora.add<ReedReader>("reed", "classes with ten captions a picture: CUB-200-2011, Oxford-102 Flowers",
                          "Reed et al., CVPR 2016");
  corpora.add<JsonlReader>("jsonl", "one's own data: one image with its captions a line, JSON");
  corpora.add<CsvReader>("csv", "one's own data: one caption a row, CSV or TSV with a header");
}

}  // namespace diptych
