#include "diptych/train/export.h"

#include <torch/torch.h>

#include <algorithm>
#include <cstring>

#include "diptych/core/io/fs.h"
#include "diptych/core/io/json.h"
#include "diptych/core/text.h"
#include "diptych/data/image/python.h"
#include "diptych/data/python.h"
#include "diptych/model/python_piece.h"
#include "diptych/train/checkpoint.h"
#include "diptych/train/run_directory.h"
#include "diptych/train/version.h"

namespace diptych {
namespace {

namespace fs = std::filesystem;

const char* const kReading = R"py(def read_safetensors(path):
    """Name -> tensor."""
    types = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
    types |= {"I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8}
    types |= {"U8": torch.uint8, "BOOL": torch.bool}
    data = Path(path).read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    tensors = {}
    for name, entry in json.loads(data[8:start]).items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            raw = bytearray(data[start + begin : start + end])
            tensors[name] = torch.frombuffer(raw, dtype=types[entry["dtype"]]).reshape(entry["shape"])
    return tensors


def channels_last(images):
    """The memory format that diptych computes in: other formats add in another order, and differ in the last bits."""
    return images.contiguous(memory_format=torch.channels_last) if images.dim() == 4 else images
)py";

const char* const kEncoding = R"py(    @torch.inference_mode()
    def encode_images(self, images, batch_size=64):
        """Preprocessed pictures, a tensor [N, 3, H, W] or a list of [3, H, W] -> [N, D]."""
        images = images if torch.is_tensor(images) else torch.stack(list(images))
        return torch.cat([self.embed_images(part) for part in images.split(batch_size)])

    @torch.inference_mode()
    def encode_texts(self, texts, batch_size=256):
        """Captions -> [N, D]."""
        out = []
        for first in range(0, len(texts), batch_size):
            ids = [self.word_ids(text) for text in texts[first : first + batch_size]]
            length = torch.tensor([len(each) for each in ids])
            tokens = torch.zeros(len(ids), int(length.max()), dtype=torch.int64)
            for row, each in enumerate(ids):
                tokens[row, : len(each)] = torch.tensor(each)
            out.append(self.embed_texts(tokens, length))
        return torch.cat(out)

    def score(self, x, y):
        """[N, D] and [M, D] -> [N, M], higher is nearer."""
        return score(x, y)
)py";

/// The definitions of the pieces, each once, in order.
class PieceCollector {
 public:
  std::string add(const torch::nn::Module* component, const char* kind, const std::string& type) {
    const auto* form = dynamic_cast<const PythonForm*>(component);
    if (!form)
      throw UsageError(
          "", concat("the ", kind, " '", type, "' cannot be exported: it has no Python form"),
          "derive it from PythonForm (include/diptych/model/python_piece.h), or use its embeddings: diptych "
          "encode");
    const PythonPiece piece = form->python();
    for (const std::string& definition : piece.definitions)
      if (std::ranges::find(definitions_, definition) == definitions_.end()) definitions_.push_back(definition);
    return piece.expression;
  }
  std::string text() const {
    std::string out;
    for (const std::string& definition : definitions_) out += definition + "\n\n";
    return out;
  }

 private:
  std::vector<std::string> definitions_;
};

std::string python_text(const std::string& text) { return dump_line(Json(escape_for_log(text, 200))); }

std::string head_of_module(const TrainedModel& trained) {
  return concat("\"\"\"A joint image-text embedding, exported by diptych ", kVersion, R"py(.

    from diptych_model import load, preprocess, read_image

    model = load()  # reads the weights beside this file
    x = model.encode_images([preprocess(read_image("a.jpg"))])  # [1, D], not normalised
    y = model.encode_texts(["a dog runs"])  # [1, D]
    print(model.score(x, y))

Needs torch alone (read_image: Pillow). Everything runs in float32.
"""
import json
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

EXPERIMENT = )py",
                python_text(trained.experiment->name), "\nCHECKPOINT = ", python_text(trained.checkpoint),
                "\nFINGERPRINT = \"", trained.fingerprint, "\"\n\n\n");
}

std::string word_ids_method(const TextOptions& text) {
  return concat(R"py(    def word_ids(self, text):
        ids = [self.words.get(word, 1) for word in tokenize(text)[:)py",
                text.max_length, R"py(]]
        if not ids:
            raise ValueError(f"the text {text!r} holds no word")
        return )py",
                text.start_end ? concat("[", Vocabulary::kStart, ", *ids, ", Vocabulary::kEnd, "]") : "ids", "\n\n");
}

std::string model_class(const TrainedModel& trained, PieceCollector& pieces) {
  const ModelOptions& options = trained.experiment->model;
  const auto children = trained.model->named_children();
  const auto add = [&](const char* child, const char* kind, const std::string& type) {
    return pieces.add(children[child].get(), kind, type);
  };
  const std::string image = add("image", "image encoder", options.image.type()),
                    image_head = add("image_head", "image head", options.image_head.type()),
                    text = add("text", "text encoder", options.text.type()),
                    text_head = add("text_head", "text head", options.text_head.type()),
                    scorer = add("scorer", "scorer", options.scorer.type());
  const std::string mirror =
      trained.experiment->evaluate.flip_sum
          ? " + self.image_head(self.image(channels_last(images.flip(3))))  # of the mirrored picture"
          : "";
  return concat(
      "score = ", scorer, "\n\n\nclass Model(nn.Module):\n    def __init__(self, words):\n",
      "        super().__init__()\n        self.words = {word: i for i, word in enumerate(words)}\n",
      "        self.image = ", image, "\n        self.image_head = ", image_head, "\n        self.text = ", text,
      "\n        self.text_head = ", text_head, "\n\n",
      "    def embed_images(self, images):\n        return self.image_head(self.image(channels_last(images)))", mirror,
      "\n\n    def embed_texts(self, tokens, length):\n",
      "        return self.text_head(self.text(tokens, length))\n\n", word_ids_method(trained.experiment->data.text),
      kEncoding);
}

const char* const kLoading = R"py(

def load(folder=Path(__file__).parent):
    """The model with its weights, in evaluation mode."""
    words = (Path(folder) / "vocabulary.txt").read_text(encoding="utf-8").split("\n")[:-1]
    model = Model(words)
    model.load_state_dict(read_safetensors(Path(folder) / "model.safetensors"), strict=True)
    return model.to(memory_format=torch.channels_last).eval()
)py";

void require_free(const fs::path& folder) {
  std::error_code error;
  if (!fs::exists(fs::symlink_status(folder, error))) return;
  if (fs::is_directory(folder, error) && fs::is_empty(folder, error)) return;
  throw UsageError::command_line(concat("'", escape_for_log(folder.native(), 400), "' exists and is not empty"),
                                 "name a new folder: -o DIR");
}

std::map<std::string, std::string> origin_of(const TrainedModel& trained) {
  return {{"experiment", trained.experiment->name},
          {"checkpoint", trained.checkpoint},
          {"fingerprint", trained.fingerprint},
          {"diptych", kVersion}};
}

}  // namespace

std::string python_module(const TrainedModel& trained) {
  if (trained.composes())
    throw UsageError::command_line(
        concat("model.composer: ", trained.experiment->model.composer.type(), " has no Python form"),
        "composed queries are made by `diptych search`");
  PieceCollector pieces;
  const std::string model = model_class(trained, pieces);
  return head_of_module(trained) + kReading + "\n\n" + python_tokenizer(trained.experiment->data.text.unit) + "\n\n" +
         python_preprocessing(trained.experiment->data.image) + "\n\n" + pieces.text() + model + kLoading;
}

TensorFile image_encoder_weights(const TrainedModel& trained) {
  TensorFile file{module_state(trained.model->image()), origin_of(trained)};
  std::erase_if(file.tensors, [](const auto& entry) { return entry.first.starts_with("pool."); });  // gem's exponent
  return file;
}

void export_model(const TrainedModel& trained, const fs::path& folder) {
  require_free(folder);
  const std::string module = python_module(trained);  // may say no: before anything is written
  TensorFile all{module_state(*trained.model), origin_of(trained)};
  const TensorFile image = image_encoder_weights(trained);
  Json about(origin_of(trained));
  about["run"] = trained.run.string();
  about["dimension"] = trained.model->dimension();
  about["scorer"] = trained.model->scorer().describe();
  std::error_code ignored;
  fs::remove(folder, ignored);  // if it is there, it is empty
  if (folder.has_parent_path()) make_directories(folder.parent_path());
  StagedDirectory staged(folder);
  staged.add("model.safetensors", [&](const ByteSink& sink) { write_safetensors(all, sink); });
  staged.add("image_encoder.safetensors", [&](const ByteSink& sink) { write_safetensors(image, sink); });
  staged.add("diptych_model.py", module);
  staged.add("vocabulary.txt", trained.vocabulary.to_text());
  staged.add("config.yaml", read_file(trained.run / "config.resolved.yaml", 16 << 20, ErrorClass::ckp));
  staged.add("export.json", about.dump(1) + "\n");
  staged.commit();
}

}  // namespace diptych
