#pragma once
#include <functional>
#include <vector>

#include "diptych/core/error.h"
#include "diptych/data/image/loader.h"

namespace diptych {

/// Test-time batches (as for_each_image_batch makes them) of pictures of which some may be unreadable. `failed(place,
/// error)` is called for each of those, by its place in image_rows; visit(images, places) then gets the others of the
/// batch, if there are any. Errors that are not about a picture are thrown. A source with features gives those, all of
/// them readable.
void for_each_readable_image_batch(
    const LoaderSource& source, const std::vector<int64_t>& image_rows, int64_t batch_size,
    const std::function<void(const at::Tensor& images, const std::vector<int64_t>& places)>& visit,
    const std::function<void(int64_t place, const Error& error)>& failed);

}  // namespace diptych
