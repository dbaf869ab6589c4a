#include "diptych/train/reconstruct.h"

#include <torch/torch.h>

#include <algorithm>
#include <tuple>
#include <unordered_map>

#include "diptych/core/io/fs.h"
#include "diptych/core/log.h"
#include "diptych/core/random.h"
#include "diptych/core/signals.h"
#include "diptych/core/tensor/scope.h"
#include "diptych/core/text.h"
#include "diptych/data/image/pipeline.h"
#include "diptych/eval/left_out.h"
#include "diptych/model/decoder.h"
#include "diptych/train/encode.h"
#include "train/count_progress.h"
#include "train/split_ids.h"

namespace diptych {
namespace {

constexpr int64_t kDecoderBatch = 64, kDecodeBlock = 256;
constexpr double kDecoderRate = 1e-3;
constexpr int64_t kPictureBytes = int64_t{2} << 30;  // of training pictures in memory

void require_reconstructable(const LoadedRun& run, const ReconstructOptions& options) {
  if (!run.system->model->composer())
    throw UsageError::command_line("the run composes no queries (model.composer: none)",
                                   "diptych reconstruct takes a run of composed retrieval");
  if (run.system->model->query_dimension() != run.system->model->dimension())
    throw UsageError::command_line("the run's queries are no embeddings, so that there is nothing to decode",
                                   "diptych describe composer " + run.experiment->model.composer.type());
  if (options.steps < 1 || options.queries < 1 || options.nearest < 1)
    throw UsageError::command_line("steps, queries and nearest images: expected 1 or more");
}

/// Pictures of rows as the decoder learns them: uint8 [N, 3, size, size].
at::Tensor pictures_of(const LoadedRun& run, const std::vector<int64_t>& rows, int64_t size, const std::string& what) {
  const Corpus& corpus = run.data.corpus;
  const CountProgress progress(what, static_cast<int64_t>(rows.size()));
  at::Tensor out = at::empty({static_cast<int64_t>(rows.size()), 3, size, size}, at::kByte);
  for (size_t i = 0; i < rows.size(); ++i) {
    signals::throw_if_pending();
    const auto file = resolve_inside(corpus.image_root, corpus.images[static_cast<size_t>(rows[i])].path);
    const at::Tensor image = resize_image(decode_image(file, run.experiment->data.image), size, size);
    out[static_cast<int64_t>(i)].copy_(image.permute({2, 0, 1}));
    progress.at(static_cast<int64_t>(i) + 1);
  }
  return out;
}

/// Training images, at most as many as memory may hold: a sample by the seed, in the order of the corpus.
std::vector<int64_t> decoder_images(const LoadedRun& run, const ReconstructOptions& options) {
  std::vector<int64_t> out = run.data.training_images(run.experiment->train.limit_images);
  const auto most = static_cast<size_t>(kPictureBytes / (3 * options.size * options.size));
  if (out.size() > most) {
    const auto order =
        permutation(static_cast<int64_t>(out.size()),
                    Random(static_cast<uint64_t>(options.seed), {static_cast<uint64_t>(Stream::order), 303}));
    std::vector<int64_t> some;
    for (size_t i = 0; i < most; ++i) some.push_back(out[static_cast<size_t>(order[i])]);
    std::ranges::sort(some);
    out = std::move(some);
    log::info(concat("the decoder learns from ", most, " of the training images: more pictures of ", options.size,
                     " x ", options.size, " would take over 2 GB"));
  }
  if (out.size() < 2)
    throw UsageError::command_line(concat("a decoder cannot be trained on ", out.size(), " training images"));
  return out;
}

/// float32 [3, size, size], in [0, 1].
at::Tensor mean_picture(const at::Tensor& pixels) {
  at::Tensor sum = at::zeros(pixels.sizes().slice(1), at::kDouble);
  for (const at::Tensor& part : pixels.split(kDecodeBlock)) sum += part.sum(0, /*keepdim=*/false, at::kDouble);
  return sum.div_(255.0 * static_cast<double>(pixels.size(0))).to(at::kFloat);
}

at::Tensor in_unit_range(const at::Tensor& pixels, at::Device device) { return pixels.to(device).to(at::kFloat) / 255; }

/// [N, D] raw embeddings of images, float32 on the CPU.
at::Tensor embeddings_of(const LoadedRun& run, const std::vector<int64_t>& rows) {
  System& system = *run.system;
  const at::Tensor features =
      encode_image_features(system, run.data, *run.experiment, rows, /*mirror=*/false, "encode training images");
  const EvalScope scope(*system.model);
  std::vector<at::Tensor> parts;
  for (const at::Tensor& part : features.split(4096))
    parts.push_back(system.model->image_embedding(part.to(system.device)).to(at::kFloat).cpu());
  return at::cat(parts);
}

/// Trains the decoder; returns the mean loss of the last tenth of the steps.
double train_decoder(PictureDecoder& decoder, const at::Tensor& embeddings, const at::Tensor& pixels, at::Device device,
                     const ReconstructOptions& options) {
  const at::AutoGradMode with_gradients(true);
  decoder.train();
  torch::optim::Adam adam(decoder.parameters(), torch::optim::AdamOptions(kDecoderRate));
  const CountProgress progress("train decoder", options.steps);
  const int64_t images = embeddings.size(0), batch = std::min(kDecoderBatch, images);
  const int64_t counted = std::max<int64_t>(1, options.steps / 10);
  double sum = 0;
  Random random(static_cast<uint64_t>(options.seed), {static_cast<uint64_t>(Stream::order), 301});
  for (int64_t step = 0; step < options.steps; ++step) {
    signals::throw_if_pending();
    std::vector<int64_t> chosen;
    for (int64_t i = 0; i < batch; ++i)
      chosen.push_back(static_cast<int64_t>(random.below(static_cast<uint64_t>(images))));
    const at::Tensor index = torch::tensor(chosen, at::kLong);
    adam.zero_grad();
    const at::Tensor drawn = decoder.forward(embeddings.index_select(0, index).to(device));
    const at::Tensor loss = (drawn - in_unit_range(pixels.index_select(0, index), device)).square().mean();
    loss.backward();
    adam.step();
    if (step >= options.steps - counted) sum += loss.item<double>();
    progress.at(step + 1);
  }
  decoder.eval();
  return sum / static_cast<double>(counted);
}

/// Mean squared error of decoded embeddings, and of one picture [3, size, size] in their place.
std::pair<double, double> errors_of(PictureDecoder& decoder, const at::Tensor& embeddings, const at::Tensor& pixels,
                                    const at::Tensor& constant, at::Device device) {
  double decoded = 0, blank = 0;
  for (int64_t first = 0; first < embeddings.size(0); first += kDecodeBlock) {
    signals::throw_if_pending();
    const int64_t count = std::min(kDecodeBlock, embeddings.size(0) - first);
    const at::Tensor wanted = in_unit_range(pixels.narrow(0, first, count), device);
    const at::Tensor drawn = decoder.forward(embeddings.narrow(0, first, count).to(device));
    decoded += (drawn - wanted).square().sum(at::kDouble).item<double>();
    blank += (constant.to(device) - wanted).square().sum(at::kDouble).item<double>();
  }
  const auto numbers = static_cast<double>(pixels.numel());
  return {decoded / numbers, blank / numbers};
}

/// uint8 [size, size, 3] of one embedding [D].
at::Tensor drawn_picture(PictureDecoder& decoder, const at::Tensor& embedding, at::Device device) {
  const at::Tensor drawn = decoder.forward(embedding.unsqueeze(0).to(device))[0].cpu();
  return (drawn * 255).round().to(at::kByte).permute({1, 2, 0}).contiguous();
}

/// The test split once encoded, and what its queries ask for.
struct TestQueries {
  const Corpus& corpus;
  EncodedSplit encoded;
  std::vector<int64_t> label;
  std::vector<bool> gallery;
  std::unordered_map<int64_t, int64_t> place;  // row of x of an image of the corpus

  explicit TestQueries(const LoadedRun& run)
      : corpus(run.data.corpus), encoded(encode_split(*run.system, run.data, *run.experiment, Split::test)) {
    label = labels_of(corpus, encoded), gallery = gallery_of(corpus, encoded);
    for (size_t i = 0; i < encoded.image_rows.size(); ++i) place[encoded.image_rows[i]] = static_cast<int64_t>(i);
  }
  const Modification& change(int64_t query) const {
    return corpus.modifications[static_cast<size_t>(encoded.caption_rows[static_cast<size_t>(query)])];
  }
  int64_t source(int64_t query) const { return place.at(encoded.source_rows[static_cast<size_t>(query)]); }
  bool answers(int64_t image, int64_t query) const {
    return ranked(image) && label[static_cast<size_t>(image)] == change(query).target_label;
  }
  bool ranked(int64_t image) const { return gallery.empty() || gallery[static_cast<size_t>(image)]; }
  /// Row of x of the annotated target, or of the first image that answers and is not the source.
  int64_t target(int64_t query) const {
    if (const int64_t row = change(query).target_row; row >= 0) return place.at(row);
    for (size_t i = 0; i < label.size(); ++i)
      if (const auto image = static_cast<int64_t>(i); image != source(query) && answers(image, query)) return image;
    return source(query);
  }
  FoundImage image(int64_t row, double score, bool right) const {
    const CorpusImage& found = corpus.images[static_cast<size_t>(encoded.image_rows[static_cast<size_t>(row)])];
    return {found.id, found.path, score, right};
  }
};

/// The best images of some queries, without what their protocol leaves out.
std::vector<std::vector<Scored>> nearest_images(const LoadedRun& run, const TestQueries& test,
                                                const std::vector<int64_t>& queries, int64_t k) {
  const Scorer& scorer = run.system->model->scorer();
  const at::Tensor x = scorer.prepare(test.encoded.x, true);
  const at::Tensor y = scorer.prepare(test.encoded.y.index_select(0, torch::tensor(queries, at::kLong)), false);
  std::vector<int64_t> sources;
  for (const int64_t query : queries) sources.push_back(test.source(query));
  const IndexLists left_out = left_out_rows(sources, test.label, test.gallery);
  std::vector<std::vector<Scored>> out;
  for (size_t q = 0; q < queries.size(); ++q) {
    const at::Tensor scores = at::mv(x, y[static_cast<int64_t>(q)]).to(at::kFloat).cpu().contiguous();
    const auto without = left_out[static_cast<int64_t>(q)];
    TopK best(k);
    for (int64_t i = 0; i < scores.numel(); ++i)
      if (test.ranked(i) && std::ranges::count(without, i) == 0) best.offer({i, scores.data_ptr<float>()[i]});
    out.push_back(best.items());
  }
  return out;
}

}  // namespace

Reconstruction reconstruct(const LoadedRun& run, const ReconstructOptions& options) {
  require_reconstructable(run, options);
  const at::Device device = run.system->device;
  seed_torch(static_cast<uint64_t>(options.seed));
  PictureDecoder decoder(run.system->model->dimension(), options.size);
  decoder.to(device);
  const std::vector<int64_t> training = decoder_images(run, options);
  const at::NoGradGuard no_grad;
  const TestQueries test(run);  // first, so that what is wrong with it shows before the training
  const at::Tensor test_pixels = pictures_of(run, test.encoded.image_rows, options.size, "read test pictures");

  Reconstruction out;
  out.training_images = static_cast<int64_t>(training.size());
  const at::Tensor pixels = pictures_of(run, training, options.size, "read training pictures");
  const at::Tensor embeddings = embeddings_of(run, training);
  out.training_error = train_decoder(decoder, embeddings, pixels, device, options);

  out.test_images = test.encoded.x.size(0);
  std::tie(out.test_error, out.mean_error) =
      errors_of(decoder, test.encoded.x, test_pixels, mean_picture(pixels), device);

  std::vector<int64_t> chosen =
      permutation(test.encoded.y.size(0),
                  Random(static_cast<uint64_t>(options.seed), {static_cast<uint64_t>(Stream::report), 302}));
  chosen.resize(std::min(chosen.size(), static_cast<size_t>(options.queries)));
  const auto best = nearest_images(run, test, chosen, options.nearest);
  out.scorer = run.system->model->scorer().describe();
  for (size_t q = 0; q < chosen.size(); ++q) {
    const int64_t query = chosen[q], source = test.source(query), target = test.target(query);
    ReconstructedQuery& shown = out.queries.emplace_back();
    shown.source = test.image(source, 0, false), shown.target = test.image(target, 0, true);
    shown.change = test.change(query).text;
    shown.decoded_source = drawn_picture(decoder, test.encoded.x[source], device);
    shown.decoded_composed = drawn_picture(decoder, test.encoded.y[query], device);
    shown.decoded_target = drawn_picture(decoder, test.encoded.x[target], device);
    for (const Scored& found : best[q])
      shown.nearest.push_back(test.image(found.index, found.score, test.answers(found.index, query)));
  }
  return out;
}

}  // namespace diptych
