#pragma once
#include <gmock/gmock.h>
#include <torch/torch.h>

#include "diptych/core/registry.h"

// What holds for every component of every kind.
namespace diptych::testing {

/// A component from YAML, as a configuration makes it. The registry must outlive the call only.
template <class R, class... Args>
typename R::Made make_from(const R& registry, const std::string& yaml, Args&&... args) {
  Choice<R> choice(registry, "");
  Complaints complaints;
  choice.read(parse_config(yaml, "test.yaml"), "test", complaints);
  complaints.throw_if_any();
  return choice.make(std::forward<Args>(args)...);
}

template <class R>
void expect_documented(const R& registry) {
  for (const auto& [name, entry] : registry.entries()) {
    SCOPED_TRACE(name);
    EXPECT_FALSE(entry.doc.empty());
    Lister lister;
    entry.list(entry.defaults(), lister);
    for (const auto& row : lister.rows) EXPECT_GT(row.doc.size(), 10u) << row.key;
  }
}

/// Default options, written as YAML and read again, are the default options.
template <class R>
void expect_defaults_survive_yaml(const R& registry) {
  for (const auto& [name, entry] : registry.entries()) {
    SCOPED_TRACE(name);
    Lister before, after;
    const Choice<R> choice(registry, name);
    choice.list(before);
    Choice<R> again(registry, "");
    Complaints complaints;
    again.read(parse_config(to_yaml(before.rows), "defaults.yaml"), "", complaints);
    EXPECT_TRUE(complaints.empty());
    again.list(after);
    EXPECT_TRUE(difference(before.rows, after.rows).empty());
  }
}

inline void expect_finite_gradients(const torch::nn::Module& module) {
  for (const auto& each : module.named_parameters()) {
    SCOPED_TRACE(each.key());
    ASSERT_TRUE(each.value().grad().defined()) << "no gradient reached the parameter";
    EXPECT_TRUE(at::isfinite(each.value().grad()).all().item<bool>());
    EXPECT_GT(each.value().grad().abs().max().item<double>(), 0) << "the gradient is zero";
  }
}

}  // namespace diptych::testing
