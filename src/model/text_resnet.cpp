#include "model/text_resnet.h"

#include <torch/torch.h>

#include <algorithm>
#include <cmath>

#include "diptych/core/text.h"

namespace diptych {
namespace {

struct BlockShape {
  int64_t inner, out, stride;
};
// Of width 1, from the words on.
constexpr BlockShape kBlocks[] = {{128, 256, 1},  {64, 256, 1},   {64, 256, 1},    {512, 512, 2},  {128, 512, 1},
                                  {128, 512, 1},  {128, 512, 1},  {1024, 1024, 2}, {256, 1024, 1}, {256, 1024, 1},
                                  {256, 1024, 1}, {256, 1024, 1}, {256, 1024, 1},  {2048, 2048, 1}};
constexpr int64_t kStride = 4;  // of all blocks together

int64_t scaled(int64_t channels, double width) {
  return std::max<int64_t>(1, std::llround(static_cast<double>(channels) * width));
}

torch::nn::Conv1d text_conv(int64_t in, int64_t out, int64_t kernel, int64_t stride = 1) {
  torch::nn::Conv1d conv(torch::nn::Conv1dOptions(in, out, kernel).stride(stride).bias(false));
  torch::nn::init::kaiming_normal_(conv->weight, 0, torch::kFanIn, torch::kReLU);
  return conv;
}

torch::nn::BatchNorm1d text_norm(int64_t channels) {
  return torch::nn::BatchNorm1d(torch::nn::BatchNorm1dOptions(channels).eps(1e-3));
}

}  // namespace

/// x [B, C, places] -> [B, out, places / stride].
class TextResNet::Block : public torch::nn::Module {
 public:
  Block(int64_t in, int64_t inner, int64_t out, int64_t stride)
      : conv1_(register_module("conv1", text_conv(in, inner, 1))),
        conv2_(register_module("conv2", text_conv(inner, inner, 2, stride))),
        conv3_(register_module("conv3", text_conv(inner, out, 1))),
        bn1_(register_module("bn1", text_norm(inner))),
        bn2_(register_module("bn2", text_norm(inner))),
        bn3_(register_module("bn3", text_norm(out))) {
    if (stride == 1 && in == out) return;
    const auto downsample = register_module("downsample", std::make_shared<torch::nn::Module>());
    shortcut_ = downsample->register_module("0", text_conv(in, out, 1, stride));
    shortcut_bn_ = downsample->register_module("1", text_norm(out));
  }
  void pass_on() { torch::nn::init::zeros_(bn3_->weight); }
  at::Tensor forward(const at::Tensor& input) {
    at::Tensor x = bn1_->forward(conv1_->forward(input)).relu_();
    x = bn2_->forward(conv2_->forward(at::constant_pad_nd(x, {1, 0}))).relu_();
    x = bn3_->forward(conv3_->forward(x));
    return x.add_(shortcut_ ? shortcut_bn_->forward(shortcut_->forward(input)) : input).relu_();
  }

 private:
  torch::nn::Conv1d conv1_, conv2_, conv3_, shortcut_{nullptr};
  torch::nn::BatchNorm1d bn1_, bn2_, bn3_, shortcut_bn_{nullptr};
};

TextResNet::TextResNet(const Options& options, const TextContext& context)
    : WordEncoder(options, context), options_(options), channels_(options.word_dim) {
  bn_ = register_module("bn", text_norm(options.word_dim));
  const auto blocks = register_module("blocks", std::make_shared<torch::nn::Module>());
  for (const auto& [inner, out, stride] : kBlocks) {
    const int64_t next = scaled(out, options.width);
    const auto block = std::make_shared<Block>(channels_, scaled(inner, options.width), next, stride);
    if (options.zero_init) block->pass_on();
    blocks_.push_back(blocks->register_module(std::to_string(blocks_.size()), block));
    channels_ = next;
  }
  pool_ = register_module("pool", std::make_shared<Pool>(options.pool, options.pooling, channels_));
}

TextResNet::Places TextResNet::places(const at::Tensor& length, const at::Tensor& start, int64_t steps) const {
  const at::Tensor word = at::arange(options_.length, length.options()) - start.unsqueeze(1);  // [b, length]
  return {word.clamp(0, steps - 1), (word >= 0) & (word < length.unsqueeze(1))};
}

Encoded TextResNet::forward(const at::Tensor& tokens, const at::Tensor& length) {
  check_text(tokens, length);
  const at::Tensor kept = drop_words(tokens);
  return encode_started(length, tokens.size(1), [&](const Places& placed, const at::Tensor& rows) {
    const at::Tensor some = rows.defined() ? kept.index_select(0, rows) : kept;
    return embed_words(some.gather(1, placed.index).masked_fill(~placed.real, 0));
  });
}

Encoded TextResNet::encode(const at::Tensor& words, const at::Tensor& length) {
  return encode_started(length, words.size(1), [&](const Places& placed, const at::Tensor& rows) {
    const at::Tensor some = rows.defined() ? words.index_select(0, rows) : words;
    const at::Tensor index = placed.index.unsqueeze(2).expand({-1, -1, words.size(2)});
    return some.gather(1, index).masked_fill(~placed.real.unsqueeze(2), 0);
  });
}

Encoded TextResNet::encode_started(const at::Tensor& length, int64_t steps, const Fill& fill) {
  const at::Tensor read = length.clamp_max(options_.length);
  if (!is_training() && options_.test_shifts == TestShifts::all && !one_view_)
    return encode_everywhere(read, steps, fill);
  at::Tensor start = at::zeros_like(read);
  if (is_training() && options_.shift) {  // uniform over 0 ... places left; rounding must not reach one more
    const at::Tensor left = options_.length - read;
    start = (at::rand(read.sizes(), number()) * (left + 1)).to(at::kLong).minimum(left);
  }
  const Places placed = places(read, start, steps);
  return encode_places(fill(placed, {}), placed.real);
}

// Start by start: all the texts that fit behind it.
Encoded TextResNet::encode_everywhere(const at::Tensor& length, int64_t steps, const Fill& fill) {
  Encoded out;
  const int64_t starts = options_.length - length.min().item<int64_t>() + 1;
  for (int64_t start = 0; start < starts; ++start) {
    const at::Tensor rows = (length + start <= options_.length).nonzero().squeeze(1);
    const at::Tensor some = length.index_select(0, rows);
    const Places placed = places(some, at::full_like(some, start), steps);
    const Encoded each = encode_places(fill(placed, rows), placed.real);
    if (start == 0)
      out = each;  // every text fits here
    else
      out.global = out.global.index_add(0, rows, each.global);
  }
  out.global = out.global / (options_.length - length + 1).unsqueeze(1);
  return out;
}

Encoded TextResNet::encode_places(const at::Tensor& words, const at::Tensor& real) {
  at::Tensor x = bn_->forward(drop_input(words).transpose(1, 2));  // [b, E, length]
  for (const auto& block : blocks_) x = block->forward(x);
  const at::Tensor last = x.transpose(1, 2);  // [b, length / 4, channels]
  Encoded out;
  out.global = pool_->forward(last);
  if (local_) {
    out.local = last;
    out.mask = real.unflatten(1, {-1, kStride}).any(2);
  }
  return out;
}

PythonPiece TextResNet::python() const {
  PythonPiece piece = pool_->python();
  piece.definitions.push_back(R"py(class TextResidualBlock(nn.Module):
    def __init__(self, channels_in, inner, out, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv1d(channels_in, inner, 1, bias=False), nn.BatchNorm1d(inner, 1e-3)
        self.conv2, self.bn2 = nn.Conv1d(inner, inner, 2, stride, bias=False), nn.BatchNorm1d(inner, 1e-3)
        self.conv3, self.bn3 = nn.Conv1d(inner, out, 1, bias=False), nn.BatchNorm1d(out, 1e-3)
        self.downsample = None
        if stride != 1 or channels_in != out:
            self.downsample = nn.Sequential(
                nn.Conv1d(channels_in, out, 1, stride, bias=False), nn.BatchNorm1d(out, 1e-3)
            )

    def forward(self, words):
        x = self.bn1(self.conv1(words)).relu()
        x = self.bn3(self.conv3(self.bn2(self.conv2(F.pad(x, (1, 0)))).relu()))
        return (x + (self.downsample(words) if self.downsample else words)).relu()
)py");
  piece.definitions.push_back(R"py(class TextResNet(nn.Module):
    """tokens [B, L] (0 = padding), length [B] -> sentences [B, F]: a residual CNN over a fixed number of places."""

    def __init__(self, words, word_dim, places, blocks, all_shifts, pool):
        super().__init__()
        self.embedding = nn.Embedding(words, word_dim, padding_idx=0)
        self.bn = nn.BatchNorm1d(word_dim, 1e-3)
        channels, layers = word_dim, []
        for inner, out, stride in blocks:
            layers.append(TextResidualBlock(channels, inner, out, stride))
            channels = out
        self.blocks = nn.Sequential(*layers)
        self.places, self.all_shifts, self.pool = places, all_shifts, pool

    def forward(self, tokens, length):
        out = []
        for row, count in zip(tokens, length.clamp_max(self.places).tolist()):
            starts = self.places - count + 1 if self.all_shifts else 1
            placed = tokens.new_zeros(starts, self.places)
            for start in range(starts):
                placed[start, start : start + count] = row[:count]
            last = self.blocks(self.bn(self.embedding(placed).transpose(1, 2)))
            out.append(self.pool(last.transpose(1, 2)).mean(0))
        return torch.stack(out)
)py");
  std::string blocks;
  for (const auto& [inner, out, stride] : kBlocks)
    blocks += concat("(", scaled(inner, options_.width), ", ", scaled(out, options_.width), ", ", stride, "), ");
  piece.expression = concat(
      "TextResNet(words=", vocabulary(), ", word_dim=", word_dim(), ", places=", options_.length, ", blocks=(", blocks,
      "), all_shifts=", options_.test_shifts == TestShifts::all ? "True" : "False", ", pool=", piece.expression, ")");
  return piece;
}

}  // namespace diptych
