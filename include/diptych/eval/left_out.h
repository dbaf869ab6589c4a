#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "diptych/eval/protocol.h"
#include "diptych/eval/ranks.h"

namespace diptych {

/// Rows of the gallery that each composed query leaves out, ascending: the image that it starts from; and, where that
/// image is not ranked itself, every ranked one with its label (the 3-D drawing of a scene whose 2-D drawing asks).
///
/// y_image    [M] row of x that each query starts from
/// x_label    [N] labels; needed where x_gallery is not empty
/// x_gallery  [N] false: only ever a source; empty: all rows are ranked
/// throws     ShapeError if a list does not fit or a row does not exist
IndexLists left_out_rows(const std::vector<int64_t>& y_image, const std::vector<int64_t>& x_label,
                         const std::vector<bool>& x_gallery);

/// The scores of `source` with ScoreTiles::kLeftOut in the cells [row, column] of the lists, so that these are neither
/// ranked nor among the best. All other scores keep their bits. `source` must outlive it.
/// throws ShapeError if the lists are not one for each column, ascending and within the rows
std::unique_ptr<ScoreTiles> without_rows(const ScoreTiles& source, IndexLists rows_of_col);

/// The same for the lists of left_out_rows.
std::unique_ptr<ScoreTiles> without_own(const ScoreTiles& source, const std::vector<int64_t>& y_image,
                                        const std::vector<int64_t>& x_label, const std::vector<bool>& x_gallery);

}  // namespace diptych
