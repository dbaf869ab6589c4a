#include "diptych/train/doctor.h"

#include <algorithm>

#include "command.h"
#include "diptych/core/text.h"

namespace diptych::tools {

Command add_doctor(CLI::App& app) {
  auto names = std::make_shared<std::pair<std::string, std::string>>("", "runs");
  CLI::App* command = app.add_subcommand(
      "doctor", "is this machine, and the data of a configuration, ready? exit 9 if something fails");
  command->add_option("-c,--config", names->first, "configuration whose files, data and weights are looked at too");
  command->add_option("--run-root", names->second, "folder that runs will be written to (default: runs)");
  const auto run = [names](const Globals& globals, const Catalog& catalog, const std::vector<std::string>& overrides) {
    DoctorRequest request{names->first, overrides, names->second, globals.threads};
    if (request.config.empty() && !overrides.empty())
      throw UsageError::command_line(escape_for_log(overrides.front()) + ": an override needs a configuration",
                                     "diptych doctor --config FILE KEY=VALUE");
    const std::vector<Diagnosis> found = examine(catalog, request);
    print(globals, to_text(found));
    Json document{{"diptych", "doctor/1"}, {"ok", true}, {"exit", 0}, {"checks", to_json(found)}};
    if (!any_failed(found)) return document;
    const auto failed = std::ranges::count(found, Health::fail, &Diagnosis::health);
    throw ReportedFailure(std::move(document), "doctor", concat(failed, failed == 1 ? " check" : " checks", " failed"));
  };
  return {command, run, true};
}

}  // namespace diptych::tools
