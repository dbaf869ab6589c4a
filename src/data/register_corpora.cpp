#include "data/cirr.h"
#include "data/coco_captions.h"
#include "data/composed_jsonl.h"
#include "data/css.h"
#include "data/csv.h"
#include "data/cuhk_pedes.h"
#include "data/fashion200k.h"
#include "data/fashioniq.h"
#include "data/flickr_token.h"
#include "data/jsonl.h"
#include "data/karpathy.h"
#include "data/mit_states.h"
#include "data/mit_states_comp.h"
#include "data/reed.h"

namespace diptych {

void register_corpora(CorpusRegistry& corpora) {
  corpora.add<KarpathyReader>("karpathy", "dataset_*.json with splits and tokens: Flickr8k, Flickr30k, COCO",
                              "Karpathy and Fei-Fei, CVPR 2015");
  corpora.add<CocoCaptionsReader>("coco_captions", "captions_*.json of COCO, one file a split", "Chen et al. 2015");
  corpora.add<FlickrTokenReader>("flickr_token", "token file and split lists of Flickr8k and Flickr30k",
                                 "Hodosh et al., JAIR 2013; Young et al., TACL 2014");
  corpora.add<CuhkPedesReader>("cuhk_pedes",
                               "reid_raw.json or ICFG-PEDES.json: images and captions of persons, matched by identity",
                               "Li et al., CVPR 2017");
  corpora.add<ReedReader>("reed", "classes with ten captions a picture: CUB-200-2011, Oxford-102 Flowers",
                          "Reed et al., CVPR 2016");
  corpora.add<JsonlReader>("jsonl", "one's own data: one image with its captions a line, JSON");
  corpora.add<CsvReader>("csv", "one's own data: one caption a row, CSV or TSV with a header");
  corpora.add<CssReader>("css", "composed retrieval: scenes of coloured shapes, added to, removed from, changed",
                         "Vo et al., CVPR 2019");
  corpora.add<Fashion200kReader>("fashion200k",
                                 "composed retrieval: label files and test queries, \"replace X with Y\"",
                                 "Han et al., ICCV 2017; Vo et al., CVPR 2019");
  corpora.add<MitStatesReader>("mit_states", "composed retrieval: a noun in another state, from folders or a table",
                               "Isola et al., CVPR 2015; Vo et al., CVPR 2019");
  corpora.add<MitStatesCompReader>("mit_states_comp", "unseen pairs of attribute and object, classified",
                                   "Misra et al., CVPR 2017");
  corpora.add<FashionIqReader>("fashioniq", "composed retrieval: two captions of a change, three categories",
                               "Wu et al., CVPR 2021");
  corpora.add<CirrReader>("cirr", "composed retrieval: changes of real scenes, with sets of similar images",
                          "Liu et al., ICCV 2021");
  corpora.add<ComposedJsonlReader>("composed_jsonl",
                                   "one's own data for composed retrieval: JSONL set and a file of queries");
}

}  // namespace diptych
