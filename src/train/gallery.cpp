#include "diptych/train/gallery.h"

#include <torch/torch.h>

#include "diptych/core/io/json.h"
#include "diptych/core/options.h"
#include "diptych/core/tensor/npz.h"
#include "diptych/core/tensor/safetensors_stream.h"
#include "diptych/core/text.h"

namespace diptych {
namespace {

constexpr const char *kGalleryFormat = "embeddings/1", *kFeatureFormat = "features/1";

const char* content_name(View view) { return view == View::image ? "files" : "texts"; }

std::string shown_path(const std::filesystem::path& file) { return escape_for_log(file.string(), 400); }

[[noreturn]] void no_gallery(const std::filesystem::path& file, const std::string& why) {
  throw DataError(shown_path(file), "is no gallery: " + why,
                  "make one: diptych encode RUN --images FOLDER -o GALLERY.safetensors");
}

GalleryHeader header_of_metadata(const std::map<std::string, std::string>& metadata,
                                 const std::filesystem::path& file) {
  const auto get = [&](const char* key) {
    const auto found = metadata.find(key);
    if (found == metadata.end()) no_gallery(file, concat("its metadata lacks '", key, "'"));
    return found->second;
  };
  const std::string format = get("diptych");
  if (format != kGalleryFormat && format != kFeatureFormat)
    no_gallery(file, concat("its format is '", escape_for_log(format), "', needed is '", kGalleryFormat, "'"));
  GalleryHeader header;
  const std::string view = get("view");
  if (view != "image" && view != "text") no_gallery(file, concat("its view is '", escape_for_log(view), "'"));
  header.view = view == "image" ? View::image : View::text;
  header.experiment = get("experiment"), header.run = get("run"), header.checkpoint = get("checkpoint");
  header.model = get("model"), header.scorer = get("scorer"), header.source = get("source");
  header.mirrored = get("mirrored") == "true";
  header.skipped = parse_integer(get("skipped")).value_or(0);
  header.features = format == kFeatureFormat;
  if (header.features) header.views = get("views");
  return header;
}

at::Tensor text_tensor(const std::vector<std::string>& texts) {
  // File names may hold any bytes; JSON may not.
  const std::string json = Json(texts).dump(-1, ' ', false, Json::error_handler_t::replace);
  at::Tensor out = at::empty({static_cast<int64_t>(json.size())}, at::kByte);
  std::ranges::copy(json, reinterpret_cast<char*>(out.data_ptr<uint8_t>()));
  return out;
}

std::vector<std::string> texts_of(const TensorFile& stored, const char* name, int64_t count,
                                  const std::filesystem::path& file) {
  const auto found = stored.tensors.find(name);
  if (found == stored.tensors.end() || found->second.scalar_type() != at::kByte)
    no_gallery(file, concat("it has no byte tensor '", name, "'"));
  const std::string_view bytes(reinterpret_cast<const char*>(found->second.const_data_ptr<uint8_t>()),
                               static_cast<size_t>(found->second.numel()));
  const Json json = parse_json(bytes, concat(shown_path(file), ", tensor '", name, "'"));
  if (!json.is_array() || static_cast<int64_t>(json.size()) != count)
    no_gallery(file, concat("'", name, "' does not hold ", count, " texts, one for each embedding"));
  std::vector<std::string> out;
  for (const Json& each : json) {
    if (!each.is_string()) no_gallery(file, concat("'", name, "' holds something that is no text"));
    out.push_back(each.get<std::string>());
  }
  return out;
}

void require_finite_rows(const Gallery& gallery, const std::filesystem::path& file) {
  const at::Tensor bad = at::isfinite(gallery.embeddings).all(1).logical_not().nonzero();
  if (bad.size(0) == 0) return;
  const auto first = static_cast<size_t>(bad[0].item<int64_t>());
  throw DataError(shown_path(file),
                  concat(bad.size(0), " embeddings are not finite; the first is that of '",
                         escape_for_log(gallery.ids[first]), "'"),
                  "encode again, with a checkpoint from before the training diverged");
}

}  // namespace

std::map<std::string, std::string> GalleryHeader::to_metadata() const {
  std::map<std::string, std::string> out = {{"diptych", features ? kFeatureFormat : kGalleryFormat},
                                            {"view", enum_text(view)},
                                            {"experiment", experiment},
                                            {"run", run},
                                            {"checkpoint", checkpoint},
                                            {"model", model},
                                            {"scorer", scorer},
                                            {"mirrored", mirrored ? "true" : "false"},
                                            {"source", source},
                                            {"skipped", std::to_string(skipped)}};
  if (features) out["views"] = views;
  return out;
}

const char* array_name(const GalleryHeader& header) { return header.features ? "features" : "embeddings"; }

GalleryHeader read_gallery_header(const std::filesystem::path& file) {
  return header_of_metadata(read_safetensors_header(file, ErrorClass::dat).metadata, file);
}

Gallery read_gallery(const std::filesystem::path& file) {
  if (file.extension() == ".npz")
    no_gallery(file, "an .npz is for numpy; search reads the safetensors form of the same embeddings");
  TensorFile stored = read_safetensors(file, ErrorClass::dat);
  Gallery gallery;
  gallery.header = header_of_metadata(stored.metadata, file);
  if (gallery.header.features)
    no_gallery(file, "it holds features of an image encoder, which cannot be compared with texts");
  const auto found = stored.tensors.find("embeddings");
  if (found == stored.tensors.end() || found->second.dim() != 2 || found->second.scalar_type() != at::kFloat)
    no_gallery(file, "it has no float tensor 'embeddings' of two dimensions");
  gallery.embeddings = found->second;
  gallery.ids = texts_of(stored, "ids", gallery.embeddings.size(0), file);
  gallery.content = texts_of(stored, content_name(gallery.header.view), gallery.embeddings.size(0), file);
  if (gallery.ids.empty()) no_gallery(file, "it is empty");
  require_finite_rows(gallery, file);
  return gallery;
}

void write_gallery(const std::filesystem::path& file, const Gallery& gallery, at::IntArrayRef row,
                   const std::function<void(const ByteSink&)>& fill) {
  TensorFile out;
  out.metadata = gallery.header.to_metadata();
  std::vector<int64_t> sizes = row.vec();
  sizes.insert(sizes.begin(), static_cast<int64_t>(gallery.ids.size()));
  out.tensors[array_name(gallery.header)] = at::empty(sizes, at::TensorOptions(at::kFloat).device(at::kMeta));
  out.tensors["ids"] = text_tensor(gallery.ids);
  out.tensors[content_name(gallery.header.view)] = text_tensor(gallery.content);
  write_file_atomically(file, [&](const ByteSink& sink) {
    write_safetensors(
        out, [&](const std::string&, const ByteSink& into) { fill(into); }, sink);
  });
}

void write_gallery_npz(const std::filesystem::path& file, const Gallery& gallery) {
  const auto widest = [](const std::vector<std::string>& texts) {
    size_t width = 1;
    for (const std::string& text : texts) width = std::max(width, text.size());
    return width;
  };
  const double bytes =
      static_cast<double>(gallery.embeddings.numel()) * 4 +
      static_cast<double>(gallery.ids.size()) * static_cast<double>(widest(gallery.ids) + widest(gallery.content));
  if (bytes > 3.9e9)
    throw UsageError::command_line(concat("an .npz of ", bytes_text(bytes), " is too large for its format"),
                                   "write a .safetensors file");
  const at::Tensor plain = gallery.embeddings.contiguous();
  const auto* data = plain.const_data_ptr<float>();
  NpzWriter npz;
  npz.add(array_name(gallery.header), std::vector<float>(data, data + plain.numel()), plain.sizes().vec());
  npz.add("ids", gallery.ids);
  npz.add(content_name(gallery.header.view), gallery.content);
  npz.add("metadata", std::vector<std::string>{dump_line(Json(gallery.header.to_metadata()))});
  write_file_atomically(file, npz.finish());
}

}  // namespace diptych
