#include "diptych/core/tensor/class_features.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include "diptych/core/error.h"
#include "support/tensor_near.h"

// The files of tests/golden/torch7 are made by scripts/golden/torch7.py.

namespace diptych::testing {
namespace {

using ::testing::HasSubstr;

std::filesystem::path golden_features(const std::string& name) {
  return std::filesystem::path(DIPTYCH_GOLDEN_DIR) / "torch7" / name;
}

template <class Act>
std::string class_features_error(Act&& act) {
  try {
    act();
  } catch (const DataError& error) {
    return error.what();
  }
  return "(read)";
}

TEST(ClassFeatures, GivesImagesFeaturesAndViews) {
  const at::Tensor views_first = read_class_features(golden_features("features.t7"), 3);  // stored out of order
  EXPECT_EQ(views_first.scalar_type(), at::kFloat);
  EXPECT_THAT(views_first, TensorNear(torch::arange(24, at::kFloat).reshape({3, 4, 2}).permute({2, 0, 1})));
  EXPECT_THAT(read_class_features(golden_features("features_float.t7"), 3),
              TensorNear(torch::arange(24, at::kFloat).reshape({2, 3, 4})));
  EXPECT_EQ(class_features_sizes(golden_features("features.t7")), (std::vector<int64_t>{2, 3, 4}));
}

TEST(ClassFeatures, OtherContentIsRefused) {
  const auto message = [](const char* name, int64_t width = 3) {
    const std::string error = class_features_error([&] { read_class_features(golden_features(name), width); });
    const std::string of_sizes = class_features_error([&] { class_features_sizes(golden_features(name), width); });
    EXPECT_EQ(of_sizes, name == std::string("features_nan.t7") ? "(read)" : error);
    return error;
  };
  EXPECT_THAT(message("features.t7", 1024), HasSubstr("[2, 3, 4], needed are features [N, 1024, V]"));
  EXPECT_THAT(message("features_flat.t7"), HasSubstr("[2, 3], needed are features [N, 3, V]"));
  EXPECT_THAT(message("features_long.t7"), HasSubstr("numbers of type Long"));
  EXPECT_THAT(message("features_nan.t7"), HasSubstr("not finite"));
  EXPECT_THAT(message("mixed.t7"), HasSubstr("holds a table of"));
  EXPECT_THAT(message("absent.t7"), HasSubstr("No such file"));
  EXPECT_EQ(message("features.t7", kAnyWidth), "(read)");
  EXPECT_THAT(message("features_flat.t7", kAnyWidth), HasSubstr("[2, 3], needed are features [N, F, V]"));
}

}  // namespace
}  // namespace diptych::testing
