#include <cstdio>

#include "diptych/core/text.h"
#include "diptych/train/version.h"

int main() {
  if (diptych::kVersion[0] == 0) return 1;
  std::puts(diptych::did_you_mean("cmmp", {"cmpm", "infonce"}).c_str());
}
