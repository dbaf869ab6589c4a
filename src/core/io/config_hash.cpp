#include "diptych/core/io/hash.h"
#include "diptych/core/options.h"
namespace diptych {
std::string config_hash(const std::vector<Row>& rows) {
  std::string t;
  for (const auto& r : rows)
    if (!r.is_section && r.field.resume != Resume::free && !r.field.path) t += r.path + "=" + r.value + "\n";
  return sha256(t);
}
}  // namespace diptych
