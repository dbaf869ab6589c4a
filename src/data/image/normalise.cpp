#include <ATen/ATen.h>

#include <array>

#include "diptych/core/text.h"
#include "diptych/data/image/python.h"

namespace diptych {
namespace {

// Three channels repeat after 48 values, which whole vector registers cover: the inner loop has a fixed length, no
// remainder and no division by channel.
constexpr size_t kPeriod = 48;
struct Affine {
  std::array<float, kPeriod> scale, shift;
};

struct Statistics {
  std::array<double, 3> mean{0, 0, 0}, deviation{1, 1, 1};
};

Statistics statistics_of(Normalise preset) {
  if (preset == Normalise::imagenet) return {{0.485, 0.456, 0.406}, {0.229, 0.224, 0.225}};
  if (preset == Normalise::half) return {{0.5, 0.5, 0.5}, {0.5, 0.5, 0.5}};
  return {};
}

Affine affine_of(Normalise preset) {
  const auto [mean, deviation] = statistics_of(preset);
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

std::string python_preprocessing(const ImageOptions& options) {
  const auto [mean, deviation] = statistics_of(options.normalise);
  const auto list = [](const std::array<double, 3>& values) {
    return concat("[", values[0], ", ", values[1], ", ", values[2], "]");
  };
  std::string source = R"py(def read_image(path):
    """RGB uint8 [H, W, 3] of a picture; needs Pillow."""
    from PIL import Image, ImageOps

    with Image.open(path) as image:
)py";
  source += options.exif == Exif::apply ? "        image = ImageOps.exif_transpose(image).convert(\"RGB\")\n"
                                        : "        image = image.convert(\"RGB\")\n";
  source +=
      R"py(        return torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8).view(image.height, image.width, 3)


def resize(planes, height, width):
    """Antialiased bilinear, on uint8 [1, 3, H, W]."""
    if tuple(planes.shape[2:]) == (height, width):
        return planes
    planes = planes.contiguous(memory_format=torch.channels_last)
    return F.interpolate(planes, size=(height, width), mode="bilinear", align_corners=False, antialias=True)


def preprocess(pixels):
    """RGB uint8 [H, W, 3] -> what the image encoder takes, float32 [3, )py" +
      concat(options.height, ", ", options.width) + R"py(]."""
    planes = pixels.permute(2, 0, 1)[None]
)py";
  if (options.resize == Resize::squash) {
    source += concat("    view = resize(planes, ", options.height, ", ", options.width, ")[0]\n");
  } else {
    source += concat("    height, width, side = planes.shape[2], planes.shape[3], ", options.short_side, "\n");
    source += R"py(    longer = side * max(height, width) // min(height, width)
    planes = resize(planes, side, longer) if height <= width else resize(planes, longer, side)
)py";
    source += concat("    top, left = round((planes.shape[2] - ", options.height, ") / 2), round((planes.shape[3] - ",
                     options.width, ") / 2)\n", "    view = planes[0, :, top : top + ", options.height,
                     ", left : left + ", options.width, "]\n");
  }
  return source +
         concat("    mean = torch.tensor(", list(mean), ", dtype=torch.float64)\n", "    deviation = torch.tensor(",
                list(deviation), ", dtype=torch.float64)\n") +
         R"py(    scale, shift = (1 / (255 * deviation)).float(), (-mean / deviation).float()
    return view.float() * scale[:, None, None] + shift[:, None, None]
)py";
}

}  // namespace diptych
