#include <torch/torch.h>

#include "model/artemis.h"
#include "model/composer_combiner.h"
#include "model/composer_compose_ae.h"
#include "model/composer_film.h"
#include "model/composer_mrn.h"
#include "model/composer_operator.h"
#include "model/composer_relationship.h"
#include "model/composer_rtic.h"
#include "model/composer_show_tell.h"
#include "model/composer_simple.h"
#include "model/composer_tirg.h"

namespace diptych {

void register_composers(ComposerRegistry& composers) {
  const char* vo = "Vo et al.: Composing text and image for image retrieval - an empirical odyssey, CVPR 2019";
  composers.add<NoComposer>("none", "matching: images and texts stand on either side, and nothing is composed");
  composers.add<ImageOnlyComposer>("image_only", "the image without its text", vo);
  composers.add<TextOnlyComposer>("text_only", "the text without its image", vo);
  composers.add<ConcatComposer>("concat", "two layers over both embeddings side by side", vo);
  composers.add<ShowTellComposer>("show_tell", "an LSTM reads the image, then the words; its last state",
                                  "Vinyals et al.: Show and tell: a neural image caption generator, CVPR 2015");
  composers.add<AttrOperatorComposer>("attr_operator", "the text makes a matrix that is applied to the image",
                                      "Nagarajan and Grauman: Attributes as operators, ECCV 2018");
  composers.add<ParamHashComposer>("param_hash", "the text makes the weights of the image's last layer by a fixed hash",
                                   "Noh et al.: Image question answering using convolutional neural network with "
                                   "dynamic parameter prediction, CVPR 2016");
  composers.add<RelationshipComposer>("relationship", "a network over all pairs of places of the image with the text",
                                      "Santoro et al.: A simple neural network module for relational reasoning, "
                                      "NeurIPS 2017");
  composers.add<MrnComposer>("mrn", "the text, to which products with the image are added block by block",
                             "Kim et al.: Multimodal residual learning for visual QA, NeurIPS 2016");
  composers.add<FilmComposer>("film", "the text scales and shifts the channels of every block of the image encoder",
                              "Perez et al.: FiLM: visual reasoning with a general conditioning layer, AAAI 2018");
  composers.add<TirgFcComposer>("tirg_fc", "a gated image plus a residual, on the embeddings", vo);
  composers.add<TirgConvComposer>("tirg_conv", "a gated image plus a residual, on the last feature map", vo);
  composers.add<ComposeAeComposer>("compose_ae", "the text turns the image in a complex space",
                                   "Anwaar et al.: Compositional learning of image-text query for image retrieval, "
                                   "WACV 2021");
  composers.add<RticComposer>("rtic", "a residual network's estimate of the target, mixed with the image by a gate",
                              "Shin et al.: RTIC: residual learning for text and image composition using graph "
                              "convolutional network, 2021");
  composers.add<CombinerComposer>("combiner", "a learned mixture of both embeddings and a correction",
                                  "Baldrati et al.: Conditioned and composed image retrieval combining and partially "
                                  "fine-tuning CLIP-based features, CVPR workshops 2022");
  composers.add<ArtemisComposer>("artemis", "the text weighs the dimensions that scorer artemis compares",
                                 "Delmas et al.: ARTEMIS: attention-based retrieval with text-explicit matching and "
                                 "implicit similarity, ICLR 2022");
}

}  // namespace diptych
