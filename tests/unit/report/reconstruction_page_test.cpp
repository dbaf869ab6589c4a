#include "diptych/report/reconstruction_page.h"

#include <gmock/gmock.h>
#include <torch/torch.h>

#include "diptych/core/error.h"
#include "support/temp_dir.h"

namespace diptych::report {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::TempDir;

at::Tensor grey_or_broken(const std::filesystem::path& file) {
  if (file.filename() == "broken.jpg") throw DataError("broken.jpg", "is no picture");
  return torch::full({20, 30, 3}, 99, at::kByte);
}

TEST(ReconstructionPage, ShowsQueryDecodedPicturesAndNeighbours) {
  const TempDir folder;
  folder.write("a.jpg", "x"), folder.write("broken.jpg", "x");
  const auto decoded = [](int64_t level) { return torch::full({8, 8, 3}, level, at::kByte); };
  ReconstructionView view{folder / "", "cosine", {}, 0.0125, 0.25, {{"run", "runs/<x>"}}};
  view.queries.push_back({{"one", "a.jpg"},
                          {"two", "broken.jpg"},
                          "make <b>red</b> blue",
                          decoded(10),
                          decoded(100),
                          decoded(200),
                          {{"two", "a.jpg", 0.75, true}, {"three", "a.jpg", 0.5, false}}});
  const std::string html = reconstruction_page(view, grey_or_broken);
  EXPECT_THAT(html, AllOf(HasSubstr("make &lt;b&gt;red"), HasSubstr("0.01250"), HasSubstr("0.25000"),
                          HasSubstr("decoded composed feature"), HasSubstr("answer is-right"), HasSubstr("0.750"),
                          HasSubstr("runs/&lt;x&gt;")));
  EXPECT_THAT(html, AllOf(HasSubstr("is no picture"), HasSubstr("id=\"t3\""), Not(HasSubstr("id=\"t4\"")),
                          Not(HasSubstr("<b>red")), Not(HasSubstr("https:"))));
}

}  // namespace
}  // namespace diptych::report
