#pragma once
#include <ATen/core/Tensor.h>

#include <array>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "diptych/core/io/json.h"
#include "diptych/report/html.h"
#include "diptych/report/thumbnails.h"

namespace diptych::report {

/// The picture, enlarged to `side_px` on its longer side, with what speaks for the similarity coloured: dark over red
/// to yellow at the highest relevance, nothing where relevance is zero or below, so that the rest stays visible. A
/// relevance without any positive place gives the plain picture.
///
/// rgb uint8 [H, W, 3]; relevance [h, w] float, of any size; first: where its first place looks, {row, column} in
/// shares of a place, the middle of its cell unless told otherwise; returns uint8 [H', W', 3]. throws ShapeError.
at::Tensor heat_overlay(const at::Tensor& rgb, const at::Tensor& relevance, int64_t side_px = 320,
                        const std::array<double, 2>& first = {0.5, 0.5});

/// One explained pair: picture, picture with heat, the words shaded by what leaving them out costs, and a table with
/// both measures for every word; attention maps if there are any. `record` is one pair of explain.json; `id` is unique
/// on the page. throws DataError if the record is no such thing.
Html explanation(const Json& record, const at::Tensor& picture, Thumbnails& thumbnails, const std::string& id);

/// A page of its own. `rows` stand in its table of facts, such as run and checkpoint.
std::string explanation_page(const Json& record, const at::Tensor& picture,
                             const std::vector<std::pair<std::string, std::string>>& rows);

/// The pairs that `diptych explain RUN --pairs ...` has written below `evaluation` (RUN/eval/<protocol>), one after the
/// other, each caption's own picture before the one that came first instead. Empty if there are none. throws DataError
/// if the files are damaged. `id` begins the ids on the page.
Html explanations(const std::filesystem::path& evaluation, const PictureReader& reader, Thumbnails& thumbnails,
                  const std::string& id = "explained");

}  // namespace diptych::report
