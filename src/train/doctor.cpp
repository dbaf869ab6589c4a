#include "diptych/train/doctor.h"

#include <algorithm>

#include "diptych/core/text.h"
#include "train/doctor_checks.h"

namespace diptych {

std::vector<Diagnosis> examine(const Catalog& catalog, const DoctorRequest& request) {
  Diagnoses out;
  doctor::examine_build(out);
  doctor::examine_device(out);
  doctor::examine_threads(out, request.threads);
  doctor::examine_speed(out);
  doctor::examine_images(out);
  doctor::examine_files(out, request.run_root);
  if (!request.config.empty()) doctor::examine_configuration(out, catalog, request);
  return std::move(out.found);
}

bool any_failed(const std::vector<Diagnosis>& found) {
  return std::ranges::any_of(found, [](const Diagnosis& each) { return each.health == Health::fail; });
}

std::string to_text(const std::vector<Diagnosis>& found) {
  constexpr size_t kWidth = 9;
  std::string out;
  for (const Diagnosis& each : found) {
    std::string line = enum_text(each.health);
    line.resize(6, ' ');
    line += each.check;
    line.resize(std::max(line.size() + 1, 6 + kWidth), ' ');
    out += line + each.finding + "\n";
    if (!each.remedy.empty()) out += std::string(6 + kWidth, ' ') + "mend: " + each.remedy + "\n";
  }
  const auto count = [&](Health health) { return std::ranges::count(found, health, &Diagnosis::health); };
  return out + concat(count(Health::ok), " ok, ", count(Health::warn), " warnings, ", count(Health::fail), " failed\n");
}

Json to_json(const std::vector<Diagnosis>& found) {
  Json out = Json::array();
  for (const Diagnosis& each : found)
    out.push_back({{"health", enum_text(each.health)},
                   {"check", each.check},
                   {"finding", each.finding},
                   {"remedy", each.remedy}});
  return out;
}

}  // namespace diptych
