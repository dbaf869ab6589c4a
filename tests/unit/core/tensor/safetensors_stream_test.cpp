#include "diptych/core/tensor/safetensors_stream.h"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include "diptych/core/error.h"

namespace diptych {
namespace {

std::string streamed_bytes(const TensorFile& file) {
  std::string bytes;
  write_safetensors(file, [&](const void* data, size_t size) { bytes.append(static_cast<const char*>(data), size); });
  return bytes;
}

TEST(SafetensorsStream, MetaTensorsAreFilledPieceByPiece) {
  TensorFile whole, streamed;
  whole.metadata = streamed.metadata = {{"a", "b"}};
  whole.tensors["x"] = at::arange(6, at::kFloat).view({3, 2});
  whole.tensors["y"] = streamed.tensors["y"] = at::ones({2});
  streamed.tensors["x"] = at::empty({3, 2}, at::TensorOptions(at::kFloat).device(at::kMeta));
  std::string bytes;
  const auto sink = [&](const void* data, size_t size) { bytes.append(static_cast<const char*>(data), size); };
  const auto rows = [&](int64_t count) {
    return [&whole, count](const std::string& name, const ByteSink& into) {
      for (int64_t i = 0; i < count; ++i) into(whole.tensors.at(name)[i].const_data_ptr(), 8);
    };
  };
  write_safetensors(streamed, rows(3), sink);
  EXPECT_EQ(bytes, streamed_bytes(whole));
  EXPECT_THROW(write_safetensors(streamed, rows(2), sink), ShapeError);
  EXPECT_THROW(streamed_bytes(streamed), ShapeError);
}

}  // namespace
}  // namespace diptych
