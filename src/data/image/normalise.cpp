#include <ATen/ATen.h>

#include <array>

#include "diptych/data/image/pipeline.h"

namespace diptych {
namespace {

// Three channels repeat after 48 values, which whole vector registers cover: the inner loop has a fixed length, no
// remainder and no division by channel.
constexpr size_t kPeriod = 48;
struct Affine {
  std::array<float, kPeriod> scale, shift;
};

Affine affine_of(Normalise preset) {
  std::array<double, 3> mean{0, 0, 0}, deviation{1, 1, 1};
  if (preset == Normalise::imagenet) mean = {0.485, 0.456, 0.406}, deviation = {0.229, 0.224, 0.225};
  if (preset == Normalise::half) mean = {0.5, 0.5, 0.5}, deviation = {0.5, 0.5, 0.5};
  Affine affine;
  for (size_t i = 0; i < kPeriod; ++i) {
    affine.scale[i] = static_cast<float>(1 / (255 * deviation[i % 3]));
    affine.shift[i] = static_cast<float>(-mean[i % 3] / deviation[i % 3]);
  }
  return affine;
}

// `restrict`, because bytes may alias anything and the compiler would not vectorise.
[[gnu::always_inline]] inline void apply_affine(const uint8_t* __restrict in, size_t count, const Affine& affine,
                                                float* __restrict out) {
  const float* __restrict const scale = affine.scale.data();
  const float* __restrict const shift = affine.shift.data();
  size_t i = 0;
  for (; i + kPeriod <= count; i += kPeriod)
    for (size_t j = 0; j < kPeriod; ++j) out[i + j] = static_cast<float>(in[i + j]) * scale[j] + shift[j];
  for (; i < count; ++i) out[i] = static_cast<float>(in[i]) * scale[i % kPeriod] + shift[i % kPeriod];
}

#if defined(__x86_64__) && defined(__GNUC__)
// AVX2 without FMA: the values are the same on every processor.
[[gnu::target("avx2")]] void apply_affine_avx2(const uint8_t* in, size_t count, const Affine& affine, float* out) {
  apply_affine(in, count, affine, out);
}
void apply_affine_best(const uint8_t* in, size_t count, const Affine& affine, float* out) {
  static const bool avx2 = __builtin_cpu_supports("avx2");
  if (avx2)
    apply_affine_avx2(in, count, affine, out);
  else
    apply_affine(in, count, affine, out);
}
#else
void apply_affine_best(const uint8_t* in, size_t count, const Affine& affine, float* out) {
  apply_affine(in, count, affine, out);
}
#endif

}  // namespace

void normalise_into(const at::Tensor& image, Normalise preset, float* out) {
  const at::Tensor packed = image.contiguous();
  apply_affine_best(packed.const_data_ptr<uint8_t>(), static_cast<size_t>(packed.numel()), affine_of(preset), out);
}

}  // namespace diptych
