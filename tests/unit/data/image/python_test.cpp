#include "diptych/data/image/python.h"

#include <gmock/gmock.h>

namespace diptych {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// That it computes what pipeline.h computes is tested with the exported module, which runs it.
TEST(PythonPreprocessing, SaysWhatTheOptionsSay) {
  ImageOptions options;
  options.height = 40, options.width = 32, options.normalise = Normalise::half;
  const std::string squash = python_preprocessing(options);
  EXPECT_THAT(squash, HasSubstr("resize(planes, 40, 32)"));
  EXPECT_THAT(squash, HasSubstr("[0.5, 0.5, 0.5]"));
  EXPECT_THAT(squash, Not(HasSubstr("exif_transpose")));
  options.resize = Resize::short_side_crop, options.short_side = 48, options.exif = Exif::apply;
  const std::string crop = python_preprocessing(options);
  EXPECT_THAT(crop, HasSubstr("planes.shape[3], 48"));
  EXPECT_THAT(crop, HasSubstr("top : top + 40, left : left + 32"));
  EXPECT_THAT(crop, HasSubstr("exif_transpose"));
}

}  // namespace
}  // namespace diptych
