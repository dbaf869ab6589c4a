#pragma once
#include <string>
#include <vector>

#include "diptych/train/doctor.h"

namespace diptych {

/// Collects what was found.
struct Diagnoses {
  std::vector<Diagnosis> found;
  void ok(std::string check, std::string finding) {
    found.push_back({Health::ok, std::move(check), std::move(finding), ""});
  }
  void warn(std::string check, std::string finding, std::string remedy = "") {
    found.push_back({Health::warn, std::move(check), std::move(finding), std::move(remedy)});
  }
  void fail(std::string check, std::string finding, std::string remedy) {
    found.push_back({Health::fail, std::move(check), std::move(finding), std::move(remedy)});
  }
};

namespace doctor {

void examine_build(Diagnoses& out);
void examine_device(Diagnoses& out);
void examine_threads(Diagnoses& out, int64_t threads);
void examine_speed(Diagnoses& out);
void examine_images(Diagnoses& out);
void examine_files(Diagnoses& out, const std::filesystem::path& run_root);
void examine_configuration(Diagnoses& out, const Catalog& catalog, const DoctorRequest& request);

/// "2.13.0" of the library's own description, "" if it does not say.
std::string version_in(const std::string& description);
/// Cores that a line of cgroup v2's cpu.max allows: "150000 100000" = 1.5; 0 = no limit.
double cores_of_limit(const std::string& line);
/// Different OpenMP runtimes among the files that /proc/self/maps names.
std::vector<std::string> openmp_runtimes(const std::string& maps);
/// K of "t2i/R@10", 0 for other metrics.
int64_t cutoff_of(const std::string& metric);
/// Free bytes for this user where `path` is or will be; -1 if unknown.
int64_t free_bytes(const std::filesystem::path& path);

}  // namespace doctor
}  // namespace diptych
