#include "diptych/train/catalog.h"

namespace diptych {

Catalog::Catalog() {
  register_corpora(corpora);
  register_samplers(samplers);
  register_image_encoders(image_encoders);
  register_text_encoders(text_encoders);
  register_heads(heads);
  register_scorers(scorers);
  register_composers(composers);
  register_losses(losses);
  register_protocols(protocols);
  register_optimizers(optimizers);
  register_schedules(schedules);
  register_fits(fits);
}

}  // namespace diptych
