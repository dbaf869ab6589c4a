#include "diptych/report/search_page.h"

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

at::Tensor grey_or_throw(const std::filesystem::path& file) {
  if (file.filename() == "broken.jpg") throw DataError("broken.jpg", "is no picture");
  return torch::full({20, 30, 3}, 99, at::kByte);
}

TEST(SearchPage, ShowsPicturesWithRankScoreAndName) {
  const TempDir folder;
  folder.write("a.jpg", "x"), folder.write("broken.jpg", "x");
  const std::string html =
      search_page("cosine",
                  {{"a red <b>dog</b>",
                    {},
                    {"dog"},
                    {{0.75, "a.jpg", "", folder / "a.jpg"}, {0.5, "b\"><script>", "", folder / "broken.jpg"}}}},
                  {{"run", "runs/<x>"}}, grey_or_throw);
  EXPECT_THAT(html, AllOf(HasSubstr("a red &lt;b&gt;dog"), HasSubstr("does not know: dog"), HasSubstr("#1"),
                          HasSubstr("0.750"), HasSubstr("#2"), HasSubstr("runs/&lt;x&gt;")));
  EXPECT_THAT(html, AllOf(HasSubstr("data:image/jpeg;base64,"), HasSubstr("is no picture")));
  EXPECT_THAT(html, AllOf(Not(HasSubstr("<b>dog")), Not(HasSubstr("\"><script>")), Not(HasSubstr("https:"))));
}

TEST(SearchPage, ShowsCaptionsForAPicture) {
  const TempDir folder;
  folder.write("a.jpg", "x");
  const std::string html =
      search_page("dot", {{"", folder / "a.jpg", {}, {{12.5, "7#0", "two cats & a dog", {}}}}, {"nothing", {}, {}, {}}},
                  {}, grey_or_throw);
  EXPECT_THAT(html, AllOf(HasSubstr("two cats &amp; a dog"), HasSubstr("7#0"), HasSubstr("12.50"), HasSubstr("a.jpg"),
                          HasSubstr("2 queries")));
}

}  // namespace
}  // namespace diptych::report
