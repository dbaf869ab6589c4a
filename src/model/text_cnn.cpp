#include "model/text_cnn.h"

#include <torch/torch.h>

#include "diptych/core/text.h"

namespace diptych {

TextCnn::TextCnn(const Options& options, const TextContext& context)
    : WordEncoder(options, context), options_(options) {
  const auto convs = register_module("convs", std::make_shared<torch::nn::Module>());
  for (const int64_t kernel : options.kernels)
    convs_.push_back(convs->register_module(std::to_string(convs_.size()),
                                            torch::nn::Conv1d(options.word_dim, options.filters, kernel)));
  pool_ = register_module("pool", std::make_shared<Pool>(options.pool, options.pooling, channels()));
}

Encoded TextCnn::encode(const at::Tensor& words, const at::Tensor& length) {
  const at::Tensor mask = real_words(length, words.size(1)), padded = ~mask.unsqueeze(2);
  const at::Tensor input = drop_input(words).masked_fill(padded, 0).transpose(1, 2);  // [B, E, L]
  std::vector<at::Tensor> outputs;
  for (size_t i = 0; i < convs_.size(); ++i) {
    const int64_t kernel = options_.kernels[i];
    outputs.push_back(convs_[i]->forward(at::constant_pad_nd(input, {(kernel - 1) / 2, kernel / 2})).relu());
  }
  const at::Tensor states = at::cat(outputs, 1).transpose(1, 2);  // [B, L, channels]
  Encoded out;
  out.global = pool_->forward(states, mask);
  if (local_) {
    out.local = states.masked_fill(padded, 0);
    out.mask = mask;
  }
  return out;
}

PythonPiece TextCnn::python() const {
  PythonPiece piece = pool_->python();
  piece.definitions.push_back(R"py(class TextCnn(nn.Module):
    """tokens [B, L] (0 = padding), length [B] -> sentences [B, F]: kernels of several widths, pooled over the words."""

    def __init__(self, words, word_dim, filters, kernels, pool):
        super().__init__()
        self.embedding = nn.Embedding(words, word_dim, padding_idx=0)
        self.convs = nn.ModuleList(nn.Conv1d(word_dim, filters, kernel) for kernel in kernels)
        self.kernels, self.pool = kernels, pool

    def forward(self, tokens, length):
        real = torch.arange(tokens.size(1), device=tokens.device) < length.to(tokens.device)[:, None]
        words = self.embedding(tokens).masked_fill(~real[:, :, None], 0).transpose(1, 2)
        outputs = [conv(F.pad(words, ((k - 1) // 2, k // 2))).relu() for conv, k in zip(self.convs, self.kernels)]
        return self.pool(torch.cat(outputs, 1).transpose(1, 2), real)
)py");
  std::string kernels;
  for (const int64_t kernel : options_.kernels) kernels += concat(kernel, ", ");
  piece.expression = concat("TextCnn(words=", vocabulary(), ", word_dim=", word_dim(), ", filters=", options_.filters,
                            ", kernels=(", kernels, "), pool=", piece.expression, ")");
  return piece;
}

}  // namespace diptych
