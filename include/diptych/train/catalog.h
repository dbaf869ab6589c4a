#pragma once
#include "diptych/data/corpus.h"
#include "diptych/data/sampler.h"
#include "diptych/eval/protocol.h"
#include "diptych/loss/loss.h"
#include "diptych/model/composer.h"
#include "diptych/model/head.h"
#include "diptych/model/image_encoder.h"
#include "diptych/model/scorer.h"
#include "diptych/model/text_encoder.h"
#include "diptych/train/fit.h"
#include "diptych/train/optimizer.h"
#include "diptych/train/schedule.h"

namespace diptych {

/// Every component there is, by kind and name. Made once in main (or a test) and passed down; options hold pointers
/// into it, so it must outlive them.
struct Catalog {
  Catalog();  // filled by the register functions
  Catalog(const Catalog&) = delete;
  Catalog& operator=(const Catalog&) = delete;

  CorpusRegistry corpora{"corpus"};
  SamplerRegistry samplers{"sampler"};
  ImageEncoderRegistry image_encoders{"image_encoder"};
  TextEncoderRegistry text_encoders{"text_encoder"};
  HeadRegistry heads{"head"};
  ScorerRegistry scorers{"scorer"};
  ComposerRegistry composers{"composer"};
  LossRegistry losses{"loss"};
  ProtocolRegistry protocols{"protocol"};
  OptimizerRegistry optimizers{"optimizer"};
  ScheduleRegistry schedules{"schedule"};
  FitRegistry fits{"fit"};

  /// visit(registry) for every kind, in the order above.
  void for_each(auto&& visit) const {
    visit(corpora), visit(samplers), visit(image_encoders), visit(text_encoders), visit(heads), visit(scorers);
    visit(composers), visit(losses), visit(protocols), visit(optimizers), visit(schedules), visit(fits);
  }
};

}  // namespace diptych
