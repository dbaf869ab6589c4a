#include "diptych/core/config_flow.h"

#include <gtest/gtest.h>

#include <functional>

namespace diptych {
namespace {

TEST(FlowText, ReadsBackToTheSameNode) {
  const ConfigNode tree = parse_config(
      "a: 1e-3\nb: '5'\nc: [x, \"y, z\", null, true]\nd:\n  - type: cmpm\n    direction: \"p||q\"\n  - {type: b}\n"
      "e: \"${env:HOME}/$${x}\"\nf: \"quote \\\" and \\\\\"\ng: ${a}\nh: {}\ni: []\nj: it's\nk: \"true\"\n",
      "a.yaml");
  const std::string flow = to_flow_text(tree);
  EXPECT_EQ(flow.find('\n'), std::string::npos);
  const ConfigNode back = parse_config("v: " + flow, "b.yaml").entries.at(0).value;
  const std::function<void(const ConfigNode&, const ConfigNode&, const std::string&)> compare =
      [&](const ConfigNode& x, const ConfigNode& y, const std::string& path) {
        ASSERT_EQ(x.kind, y.kind) << path;
        EXPECT_EQ(x.text, y.text) << path;
        ASSERT_EQ(x.items.size(), y.items.size()) << path;
        ASSERT_EQ(x.entries.size(), y.entries.size()) << path;
        for (size_t i = 0; i < x.items.size(); ++i) compare(x.items[i], y.items[i], path + "." + std::to_string(i));
        for (size_t i = 0; i < x.entries.size(); ++i) {
          EXPECT_EQ(x.entries[i].key, y.entries[i].key);
          compare(x.entries[i].value, y.entries[i].value, path + "." + x.entries[i].key);
        }
      };
  compare(tree, back, "");
  EXPECT_TRUE(back.at_path("b")->quoted);
  EXPECT_FALSE(back.at_path("a")->quoted);
  EXPECT_TRUE(back.at_path("k")->quoted);
  EXPECT_FALSE(back.at_path("c.3")->quoted);
  EXPECT_EQ(to_flow_text(*tree.at_path("d")), "[{type: cmpm, direction: \"p||q\"}, {type: b}]");
}

}  // namespace
}  // namespace diptych
