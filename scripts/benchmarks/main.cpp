#include "diptych/core/tensor/scope.h"
#include "server.h"

int main(int argc, char** argv) {
  using namespace diptych::benchmark;
  const Settings settings = apply_arguments(argc, argv);
  diptych::configure_torch(settings.threads, /*deterministic=*/true);  // as diptych train runs
  Cases cases;
  add_calibration(cases);
  add_training(cases);
  add_optimizers(cases);
  add_retrieval(cases);
  add_text(cases);
  serve(cases, settings, DIPTYCH_BENCHMARK_FLAGS);
}
