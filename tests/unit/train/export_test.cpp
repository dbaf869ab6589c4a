#include "diptych/train/export.h"

#include <gmock/gmock.h>

#include <cstdlib>

#include "diptych/core/io/hash.h"
#include "diptych/data/image/pipeline.h"
#include "support/slurp.h"
#include "unit/train/trained_fixture.h"

namespace diptych::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::HasSubstr;

std::string model_lines(const std::string& image, const std::string& text, const std::string& image_head,
                        const std::string& text_head, const std::string& scorer = "{type: cosine}") {
  return "  image: " + image + "\n  text: " + text + "\n  image_head: " + image_head + "\n  text_head: " + text_head +
         "\n  scorer: " + scorer + "\n";
}

/// A small MobileNetV2 with 4 x 4 places and a pooling, and a text encoder.
std::string encoders(const std::string& pool, const std::string& text) {
  return model_lines("{type: mobilenet_v2, width: 0.1, stride: 8, blocks: 5, " + pool + "}", "{type: " + text + "}",
                     "{type: linear, dim: 12}", "{type: linear, dim: 12}");
}

struct Variant {
  std::string name, model, image, evaluate = {};
};

/// Every registered component and option with a Python form of its own occurs once.
const std::vector<Variant> kVariants = {
    {"v2", kSmallModel, ""},
    {"v2_gem",
     model_lines("{type: mobilenet_v2, width: 0.35, stride: 8, blocks: 9, pool: gem}",
                 "{type: bilstm, word_dim: 8, hidden: 8, pool: mean}", "{type: linear, dim: 12}",
                 "{type: linear, dim: 12, bias: false}", "{type: dot}"),
     ", resize: short_side_crop, short_side: 37", ", flip_sum: true"},
    {"v1",
     model_lines("{type: mobilenet_v1, width: 0.25, activation: relu, pool: avg_max}",
                 "{type: bilstm, word_dim: 8, hidden: 8, layers: 2, pool: mean_max, learned_initial_state: true}",
                 "{type: mlp, dim: 12, hidden: 20, layers: 2, activation: gelu}",
                 "{type: mlp, dim: 12, hidden: 20, bn: false, activation: tanh}", "{type: neg_l2}"),
     ", resize: random_resized_crop, short_side: 33"},
    {"resnet18",
     model_lines("{type: resnet18, pool: max}",
                 "{type: bilstm, word_dim: 8, hidden: 8, pool: last, pad_in_max: true, forget_bias: 1}",
                 "{type: linear_bn, dim: 12, affine: false}", "{type: mlp, dim: 12, hidden: 20}",
                 "{type: neg_l2, squared: false}"),
     ""},
    {"resnet50",
     model_lines("{type: resnet50}", "{type: bilstm, word_dim: 8, hidden: 8, layers: 2, pool: max}",
                 "{type: linear_bn, dim: 12, scale: false}", "{type: linear_bn, dim: 12}"),
     ", height: 40"},
    {"vgg16",
     model_lines("{type: vgg16, width: 0.1}", "{type: word_mean, word_dim: 8}", "{type: linear, dim: 12}",
                 "{type: linear, dim: 12}"),
     ""},
    {"vgg19_bn",
     model_lines("{type: vgg19, width: 0.1, batch_norm: true, fc7: false, pool: max}", "{type: word_mean, word_dim: 8}",
                 "{type: linear, dim: 12}", "{type: linear, dim: 12}"),
     ""},
    {"lstm", encoders("pool: grid, grid: 2", "lstm, word_dim: 8, hidden: 8, layers: 2, learned_initial_state: true"),
     ""},
    {"lstm_attention",
     encoders("pool: attention, pooling: {attention_units: 4}",
              "lstm, word_dim: 8, hidden: 8, pool: attention, pooling: {attention_units: 3}"),
     ""},
    {"gru_gpo", encoders("pool: gpo", "gru, word_dim: 8, hidden: 8, pool: gpo, pooling: {gpo_temperature: 0.5}"), ""},
    {"bigru",
     encoders("pool: weldon, pooling: {weldon_k: 2}",
              "bigru, word_dim: 8, hidden: 8, pool: weldon, pooling: {weldon_k: 3}"),
     ""},
    {"bigru_last", encoders("pool: lse", "bigru, word_dim: 8, hidden: 8, pool: last, learned_initial_state: true"), ""},
    {"bigru_concat", encoders("pool: lse, pooling: {lse_sharpness: 2.5}", "bigru, hidden: 8, directions: concat"), ""},
    {"word_mean", encoders("pool: avg", "word_mean, word_dim: 8, pool: gem"), ""},
    {"word_mean_pca", encoders("pool: avg", "word_mean, word_dim: 8, pca: 4"), ""},
    {"word_attention", encoders("pool: avg", "word_attention, word_dim: 8"), ""},
    {"text_cnn", encoders("pool: avg", "text_cnn, word_dim: 8, filters: 5, kernels: [1, 2, 3, 4], pool: mean_max"), ""},
    {"identity",
     model_lines("{type: mobilenet_v2, width: 0.1}", "{type: lstm, word_dim: 8, hidden: 12}", "{type: linear, dim: 12}",
                 "{type: identity}"),
     ""},
    {"word_cnn_rnn", encoders("pool: avg", "word_cnn_rnn, word_dim: 8, length: 9, filters: 6, hidden: 5, features: 7"),
     ""},
    {"char_cnn_rnn", encoders("pool: avg", "char_cnn_rnn, length: 70, filters: [6, 5, 6], hidden: 5, features: 7"), ""},
    {"text_resnet", encoders("pool: avg", "text_resnet, word_dim: 8, width: 0.05, length: 4"), ""},
    {"text_resnet_all",
     encoders("pool: avg", "text_resnet, word_dim: 8, width: 0.05, length: 8, test_shifts: all, pool: lse"), ""},
    {"tfidf",
     model_lines("{type: mobilenet_v2, width: 0.1}", "{type: tfidf, sublinear: true}", "{type: linear, dim: 12}",
                 "{type: linear, dim: 12}"),
     ""},
    {"tfidf_pca",
     model_lines("{type: mobilenet_v2, width: 0.1}", "{type: tfidf, pca: 5}", "{type: linear, dim: 12}",
                 "{type: linear, dim: 12}"),
     ""},
    {"hglmm",
     model_lines("{type: mobilenet_v2, width: 0.1}", "{type: hglmm, word_dim: 4, components: 2}",
                 "{type: linear, dim: 12}", "{type: linear, dim: 12}"),
     ""},
    {"hglmm_pca",
     model_lines("{type: mobilenet_v2, width: 0.1}", "{type: hglmm, word_dim: 3, components: 2, pca: 7}",
                 "{type: linear, dim: 12}", "{type: linear, dim: 12}"),
     ""},
};

const char* const kParity = R"py(
import importlib.util, json, sys
import torch
torch.manual_seed(0)
failed = 0
for folder in sys.argv[1:]:
    spec = importlib.util.spec_from_file_location("diptych_model", folder + "/diptych_model.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    theirs = module.read_safetensors(folder + "/../" + folder.split("/")[-1] + ".expected")
    texts = json.loads(bytes(theirs["texts"].tolist()))
    model = module.load()
    images = torch.stack([module.preprocess(theirs[f"pixels{i}"]) for i in range(3)])
    x, y = model.encode_images(images), model.encode_texts(texts)
    alone = torch.cat([model.encode_texts([text]) for text in texts])
    pairs = {"images": (images, theirs["images"]), "x": (x, theirs["x"]), "y": (y, theirs["y"]),
             "alone": (alone, theirs["y"]), "scores": (model.score(x, y), theirs["scores"])}
    for name, (ours, expected) in pairs.items():
        worst, largest = (ours - expected).abs().max().item(), expected.abs().max().item()
        # Another order of sums: to 1e-5, or of the largest number where that is above 1.
        allowed = 0 if name == "images" else 1e-5 * max(1.0, largest)
        print(folder.split("/")[-1], name, "differs by", worst, "of", largest)
        failed += not worst <= allowed
sys.exit(failed > 0)
)py";

/// A Python with torch, or nothing.
std::string python_with_torch() {
  const char* chosen = std::getenv("DIPTYCH_TEST_PYTHON");
  for (const std::string& python :
       {std::string(chosen ? chosen : ""), std::string(DIPTYCH_SOURCE_DIR "/.venv/bin/python"), std::string("python3")})
    if (!python.empty() && std::system(("'" + python + "' -c 'import torch' >/dev/null 2>&1").c_str()) == 0)
      return python;
  return "";
}

class Export : public ::testing::Test {
 protected:
  TrainedModel make(const Variant& variant) {
    std::string config = use_config(variant.model, variant.image, variant.evaluate);
    if (const size_t twice = config.find(", height: 40"); twice != std::string::npos) {
      config.erase(twice, 12);
      config.replace(config.find("height: 32"), 10, "height: 40");
    }
    if (variant.name == "char_cnn_rnn")
      config.replace(config.find("max_length: 6"), 13, "unit: character, max_length: 40");
    return load_trained_model(catalog_, write_run(catalog_, dir_ / ("run-" + variant.name), config), "best", {}, 0);
  }
  /// What our code gives: for the script.
  void write_expected(const Variant& variant, const TrainedModel& trained) {
    const ImageOptions& options = trained.experiment->data.image;
    TensorFile expected;
    std::vector<at::Tensor> images;
    for (int i = 0; i < 3; ++i) {
      const auto file = write_noise(dir_ / ("p/" + std::to_string(i) + ".png"), i, 41 + 17 * i, 90 - 20 * i);
      const at::Tensor pixels = decode_image(file, options);
      at::Tensor slab = at::empty({1, options.height, options.width, 3});
      normalise_into(transform_image(pixels, options, nullptr), options.normalise, slab.data_ptr<float>());
      expected.tensors["pixels" + std::to_string(i)] = pixels;
      images.push_back(slab.permute({0, 3, 1, 2}));
    }
    const std::vector<std::string> texts = {"A red circle", "blue",
                                            "it\u2019s a SQUARE, a red-blue zebra caf\u00e9 \u2014 red",
                                            "circle\u00a0square\u200dblue"};
    std::vector<std::vector<int64_t>> ids;
    for (const std::string& text : texts) ids.push_back(trained.read_text(text, "here").ids);
    const std::string json = Json(texts).dump();
    expected.tensors["texts"] = torch::tensor(std::vector<int64_t>(json.begin(), json.end()), at::kLong).to(at::kByte);
    expected.tensors["images"] = at::cat(images);
    expected.tensors["x"] = trained.embed_images(expected.tensors["images"].contiguous(at::MemoryFormat::ChannelsLast));
    expected.tensors["y"] = trained.embed_texts(ids);
    expected.tensors["scores"] = trained.model->scorer().forward(expected.tensors["x"], expected.tensors["y"]);
    write_safetensors(expected, dir_ / (variant.name + ".expected"));
  }
  Catalog catalog_;
  TempDir dir_;
};

TEST_F(Export, PythonGivesTheSameEmbeddings) {
  const std::string python = python_with_torch();
  if (python.empty()) GTEST_SKIP() << "no Python with torch: parity of the exported module is not tested";
  std::string command = "'" + python + "' '" + dir_.write("parity.py", kParity).string() + "'";
  for (const Variant& variant : kVariants) {
    const TrainedModel trained = make(variant);
    export_model(trained, dir_ / variant.name);
    write_expected(variant, trained);
    command += " '" + (dir_ / variant.name).string() + "'";
  }
  const int status = std::system((command + " >'" + (dir_ / "log").string() + "' 2>&1").c_str());
  EXPECT_EQ(status, 0) << slurp(dir_ / "log");
  RecordProperty("parity", slurp(dir_ / "log"));
}

TEST_F(Export, AComponentWithoutAPythonFormIsNamed) {
  struct Foreign : Scorer {
    at::Tensor forward(const at::Tensor& x, const at::Tensor&) override { return x; }
    at::Tensor prepare(const at::Tensor& embeddings, bool) const override { return embeddings; }
    std::string describe() const override { return "foreign"; }
  };
  TrainedModel trained = make(kVariants[0]);
  const auto children = trained.model->named_children();
  const auto head = [&](const char* name) { return std::dynamic_pointer_cast<Head>(children[name]); };
  trained.model = std::make_shared<JointModel>(std::dynamic_pointer_cast<ImageEncoder>(children["image"]),
                                               std::dynamic_pointer_cast<TextEncoder>(children["text"]),
                                               head("image_head"), head("text_head"), std::make_shared<Foreign>());
  try {
    export_model(trained, dir_ / "out");
    ADD_FAILURE() << "no error";
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), HasSubstr("scorer 'cosine' cannot be exported"));  // its name in the configuration
  }
  EXPECT_FALSE(fs::exists(dir_ / "out"));
}

TEST_F(Export, TheImageEncoderHasTorchvisionsNamesAndShapes) {
  for (const std::string name : {"resnet18", "resnet50", "mobilenet_v2"}) {
    const std::string type = "{type: " + name + ", pool: gem}";
    const TrainedModel trained = make({"names-" + name,
                                       model_lines(type, "{type: bilstm, word_dim: 8, hidden: 8}",
                                                   "{type: linear, dim: 4}", "{type: linear, dim: 4}"),
                                       ""});
    std::vector<std::string> keys;
    for (const auto& [key, tensor] : image_encoder_weights(trained).tensors)
      if (!key.ends_with("num_batches_tracked")) {
        std::vector<std::string> sizes;
        for (const int64_t size : tensor.sizes()) sizes.push_back(std::to_string(size));
        keys.push_back(key + " " + join(sizes, "x"));
      }
    std::vector<std::string> golden;
    const auto metadata =
        read_safetensors_header(fs::path(DIPTYCH_GOLDEN_DIR) / (name + ".safetensors")).metadata.at("keys");
    for (const std::string& key : split(metadata, '\n'))
      if (!key.empty() && !key.starts_with("fc.") && !key.starts_with("classifier.") &&
          key.find("num_batches_tracked") == std::string::npos)
        golden.push_back(key);
    EXPECT_THAT(keys, ::testing::UnorderedElementsAreArray(golden)) << name;
  }
}

TEST_F(Export, TheFolderIsWholeAndNeverOverwrites) {
  const TrainedModel trained = make(kVariants[0]);
  dir_.write("full/notes.txt", "mine");
  EXPECT_THROW(export_model(trained, dir_ / "full"), UsageError);
  EXPECT_EQ(slurp(dir_ / "full/notes.txt"), "mine");
  fs::create_directory(dir_ / "empty");
  export_model(trained, dir_ / "empty");
  verify_manifest(dir_ / "empty");
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(dir_ / "empty")) names.push_back(entry.path().filename());
  for (const char* name : {"model.safetensors", "image_encoder.safetensors", "diptych_model.py", "vocabulary.txt",
                           "config.yaml", "export.json"})
    EXPECT_THAT(names, Contains(name));
}

}  // namespace
}  // namespace diptych::testing
