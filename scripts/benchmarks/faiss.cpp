#include <faiss/IndexFlat.h>
#include <torch/torch.h>

#include "formula.h"
#include "server.h"

// The peer of C7: Faiss 1.7's exact index, k = 10, both ways.
namespace diptych::benchmark {
namespace {

// Best 10 of `gallery` for each query, [Q, 10].
std::vector<faiss::Index::idx_t> search(const at::Tensor& queries, const at::Tensor& gallery) {
  faiss::IndexFlatIP index(static_cast<int>(gallery.size(1)));
  index.add(gallery.size(0), gallery.const_data_ptr<float>());
  std::vector<float> score(static_cast<size_t>(queries.size(0)) * 10);
  std::vector<faiss::Index::idx_t> found(score.size());
  index.search(queries.size(0), queries.const_data_ptr<float>(), 10, score.data(), found.data());
  return found;
}

// relevant(query, item)
template <class Relevant>
void append_recalls(const std::vector<faiss::Index::idx_t>& found, Relevant relevant, std::vector<double>& out) {
  const auto queries = static_cast<int64_t>(found.size()) / 10;
  for (const int64_t k : {1, 5, 10}) {
    int64_t hits = 0;
    for (int64_t q = 0; q < queries; ++q)
      for (int64_t i = 0; i < k; ++i)
        if (relevant(q, found[static_cast<size_t>(q * 10 + i)])) {
          ++hits;
          break;
        }
    out.push_back(100.0 * static_cast<double>(hits) / static_cast<double>(queries));
  }
}

Case recalls() {
  const Gallery data = gallery();
  auto result = std::make_shared<std::vector<double>>();
  const auto run = [=] {
    result->clear();
    constexpr int64_t n = Gallery::kPerImage;
    append_recalls(
        search(data.images, data.captions), [](int64_t q, int64_t i) { return i / n == q; }, *result);
    append_recalls(
        search(data.captions, data.images), [](int64_t q, int64_t i) { return i == q / n; }, *result);
  };
  return {{}, run, [=] { return *result; }};
}

}  // namespace
}  // namespace diptych::benchmark

int main(int argc, char** argv) {
  using namespace diptych::benchmark;
  const Settings settings = apply_arguments(argc, argv);
  serve({{"c7-faiss", recalls}}, settings, "");
}
