#include "diptych/report/explanation.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <functional>
#include <opencv2/imgproc.hpp>

#include "diptych/core/io/fs.h"
#include "diptych/core/text.h"
#include "diptych/report/page.h"
#include "diptych/report/svg.h"
#include "report/parts.h"

namespace diptych::report {
namespace explaining {

namespace fs = std::filesystem;

constexpr uint64_t kMaxRecords = 64 << 20;
constexpr int64_t kSide = 320;
constexpr size_t kMostHeading = 300;  // bytes of a text in a heading; every word stands in the table
constexpr double kStrongest = 0.72;   // opacity of the highest relevance

std::string decimals(double value, bool with_sign) {
  char text[48];
  std::snprintf(text, sizeof text, with_sign ? "%+.3f" : "%.3f", value);
  return text;
}

std::string power(double value) {  // "4.8e-07"
  char text[48];
  std::snprintf(text, sizeof text, "%.1e", value);
  return text;
}

/// Positive part as shares of the highest, float [h, w].
cv::Mat heat_of(const at::Tensor& relevance) {
  if (relevance.dim() != 2 || relevance.numel() == 0)
    throw ShapeError(concat("heat_overlay: relevance ", relevance.sizes(), ", needed is [h, w]"));
  const at::Tensor values = relevance.to(at::kCPU, at::kFloat).contiguous().clamp_min(0);
  const cv::Mat view(static_cast<int>(values.size(0)), static_cast<int>(values.size(1)), CV_32F, values.data_ptr());
  double most = 0;
  cv::minMaxLoc(view, nullptr, &most);
  return cv::Mat(view * (most > 0 ? 1 / most : 1.0));
}

at::Tensor map_from(const Json& rows) {
  std::vector<float> values;
  for (const Json& row : rows)
    for (const Json& value : row) values.push_back(value.get<float>());
  const auto height = static_cast<int64_t>(rows.size());
  if (height == 0 || values.empty() || static_cast<int64_t>(values.size()) % height != 0)
    throw DataError("explanation", "a map is not rectangular");
  return at::tensor(values).view({height, -1});
}

std::vector<std::pair<std::string, double>> left_out_words(const Json& words) {
  std::vector<std::pair<std::string, double>> out;
  for (const Json& each : words)
    out.emplace_back(each.at("word").get<std::string>(), each.at("left_out").get<double>());
  return out;
}

bool has_gradients(const Json& words) {
  return std::any_of(words.begin(), words.end(), [](const Json& each) { return each.at("gradient").is_number(); });
}

Html word_table(const Json& words, const std::string& id) {
  TableView view;
  view.id = id + "-words", view.caption = "What each word adds";
  view.columns = {{"word"}, {"left out", true, "score of the whole text minus score without this word"}};
  const bool gradients = has_gradients(words);
  if (gradients) view.columns.push_back({"gradient x input", true, "word vector times the score's slope there"});
  view.columns.push_back({"in the vocabulary"});
  for (const Json& each : words) {
    const double left_out = each.at("left_out").get<double>();
    std::vector<TableCell> row = {each.at("word").get<std::string>(), {decimals(left_out, true), left_out}};
    if (gradients) {
      const double value = each.at("gradient").get<double>();
      row.push_back({decimals(value, true), value});
    }
    row.push_back(each.at("known").get<bool>() ? "yes" : "no: read as <unk>");
    view.rows.push_back(std::move(row));
  }
  return table(view);
}

/// ", most on the word 'red'", where a map of attention says how much each word was looked at.
std::string most_seen_word(const Json& map, const Json& words) {
  const auto weights =
      map.value("words", Json()).is_array() ? map["words"].get<std::vector<double>>() : std::vector<double>{};
  if (weights.empty() || weights.size() != words.size()) return "";
  const auto most = static_cast<size_t>(std::ranges::max_element(weights) - weights.begin());
  return concat(", most on the word '", words[most].at("word").get<std::string>(), "'");
}

Html pictures(const Json& record, const at::Tensor& picture, Thumbnails& thumbnails) {
  const std::string text = record.at("text").get<std::string>();
  const at::Tensor nothing = at::zeros({1, 1});
  const auto first = record.value("first_place", std::array<double, 2>{0.5, 0.5});
  const auto overlay = [&](const Json& map) { return heat_overlay(picture, map_from(map), kSide, first); };
  Html out = figure(thumbnails.show(heat_overlay(picture, nothing, kSide), text), "as the encoder saw it") +
             figure(thumbnails.show(overlay(record.at("relevance")),
                                    concat("the same picture; coloured are the places that speak for: ", text)),
                    concat("coloured: what speaks for the similarity (", record.at("method").get<std::string>(), ")"));
  for (const Json& map : record.at("attention")) {
    const std::string name =
        "attention: " + map.at("name").get<std::string>() + most_seen_word(map, record.at("words"));
    out += figure(thumbnails.show(overlay(map.at("map")), name), name);
  }
  return grid(out);
}

Html remarks(const Json& record) {
  Html out;
  if (const auto cut = record.value("words_cut", int64_t{0}); cut > 0)
    out += notice("note", paragraph(concat(cut, " words beyond data.text.max_length were not read by the model.")));
  const Json& words = record.at("words");
  if (std::none_of(words.begin(), words.end(), [](const Json& each) { return each.at("known").get<bool>(); }))
    out +=
        notice("warning", paragraph("The vocabulary holds none of these words: the text said nothing to the model."));
  if (map_from(record.at("relevance")).max().item<double>() <= 0)
    out += notice("note", paragraph("No place of the picture speaks for this text."));
  return out;
}

Html body(const Json& record, const at::Tensor& picture, Thumbnails& thumbnails, const std::string& id) {
  const Json& words = record.at("words");
  const std::string score =
      concat(record.at("scorer").get<std::string>(), " ", decimals(record.at("score").get<double>(), false));
  return pictures(record, picture, thumbnails) + heat_strip(left_out_words(words)) +
         paragraph(score + ". Words are shaded by what leaving them out costs.") + remarks(record) +
         folded("every word", word_table(words, id));
}

/// Wrong types and missing fields of a record as one message.
Html checked(const std::function<Html()>& make, const std::string& where) {
  try {
    return make();
  } catch (const Json::exception& error) {
    throw DataError(where, concat("is no explanation: ", escape_for_log(error.what(), 200)),
                    "write it anew: diptych explain RUN --pairs worst:8");
  }
}

std::string heading_of(const Json& pair) {
  const std::string picture = pair.at("image").get<std::string>();
  return pair.at("match").get<bool>()
             ? concat("its own picture, ", picture, ", at rank ", pair.at("rank").get<int64_t>())
             : concat("the picture that came first instead, ", picture);
}

}  // namespace explaining

at::Tensor heat_overlay(const at::Tensor& rgb, const at::Tensor& relevance, int64_t side_px,
                        const std::array<double, 2>& first) {
  if (rgb.dim() != 3 || rgb.size(2) != 3 || rgb.scalar_type() != at::kByte || rgb.numel() == 0)
    throw ShapeError(
        concat("heat_overlay: picture ", rgb.sizes(), " ", rgb.scalar_type(), ", needed is uint8 [H, W, 3]"));
  const at::Tensor pixels = rgb.cpu().contiguous();
  const cv::Mat small(static_cast<int>(pixels.size(0)), static_cast<int>(pixels.size(1)), CV_8UC3, pixels.data_ptr());
  const double ratio = static_cast<double>(side_px) / std::max(small.cols, small.rows);
  const cv::Size size(std::max(1, static_cast<int>(std::lround(small.cols * ratio))),
                      std::max(1, static_cast<int>(std::lround(small.rows * ratio))));
  cv::Mat large, heat, levels, colours;
  cv::resize(small, large, size, 0, 0, ratio > 1 ? cv::INTER_CUBIC : cv::INTER_AREA);
  const cv::Mat places = explaining::heat_of(relevance);
  const double down = static_cast<double>(places.rows) / size.height,
               across = static_cast<double>(places.cols) / size.width;
  const cv::Matx23d place_of(across, 0, 0.5 * across - first[1], 0, down, 0.5 * down - first[0]);
  cv::warpAffine(places, heat, place_of, size, cv::INTER_LINEAR | cv::WARP_INVERSE_MAP, cv::BORDER_REPLICATE);
  heat.convertTo(levels, CV_8U, 255);
  cv::applyColorMap(levels, colours, cv::COLORMAP_INFERNO);
  cv::cvtColor(colours, colours, cv::COLOR_BGR2RGB);
  const at::Tensor out = at::empty({size.height, size.width, 3}, at::kByte);
  auto* to = out.data_ptr<uint8_t>();
  for (int y = 0; y < size.height; ++y)
    for (int x = 0; x < size.width; ++x, to += 3) {
      const auto& plain = large.at<cv::Vec3b>(y, x);
      const auto& colour = colours.at<cv::Vec3b>(y, x);
      const double share = explaining::kStrongest * std::sqrt(static_cast<double>(heat.at<float>(y, x)));
      for (int c = 0; c < 3; ++c) to[c] = static_cast<uint8_t>(std::lround((1 - share) * plain[c] + share * colour[c]));
    }
  return out;
}

Html explanation(const Json& record, const at::Tensor& picture, Thumbnails& thumbnails, const std::string& id) {
  return explaining::checked([&] { return explaining::body(record, picture, thumbnails, id); }, "explanation");
}

std::string explanation_page(const Json& record, const at::Tensor& picture,
                             const std::vector<std::pair<std::string, std::string>>& rows) {
  ThumbnailOptions options;
  options.side_px = explaining::kSide;
  Thumbnails thumbnails({}, options);
  Page page("Why this picture and this text?");
  page.lead(paragraph(cut_text(record.value("text", std::string()), explaining::kMostHeading)));
  page.section("pair", "Picture and words", explanation(record, picture, thumbnails, "pair"));
  std::vector<std::pair<std::string, Html>> shown;
  for (const auto& [name, value] : rows) shown.emplace_back(name, Html::text(value));
  if (const Json& difference = record.at("closed_form_difference"); difference.is_number())
    shown.emplace_back("closed form against autograd",
                       Html::text(concat("they differ by at most ", explaining::power(difference.get<double>()),
                                         " of the highest relevance")));
  page.section("facts", "How it was made", facts(shown));
  page.section(
      "reading", "How to read it",
      paragraph(
          "The similarity is differentiated with respect to the last feature map of the image encoder, the length "
          "of the picture's embedding taken as given. A place speaks for the similarity if its activations, weighted "
          "by those slopes, add up to more than zero; with "
          "mean pooling this is Grad-CAM (Selvaraju et al., 2017) before its cut at zero. It is a local, linear "
          "statement about this model, not about the world.") +
          paragraph("A word's importance is the score of the whole text minus the score without the word. Gradient x "
                    "input, in the table, says how the score would move if the word's vector grew."));
  page.data("explanation", record);
  page.definitions(thumbnails.definitions());
  return page.html();
}

Html explanations(const std::filesystem::path& evaluation, const PictureReader& reader, Thumbnails& thumbnails,
                  const std::string& id) {
  using namespace explaining;
  const fs::path folder = evaluation / "explain", file = folder / "explain.json";
  if (std::error_code error; !fs::exists(file, error)) return {};
  const Json document = load_json(file, kMaxRecords);
  const auto make = [&] {
    Html out;
    std::string caption;
    int64_t number = 0;
    for (const Json& pair : document.at("pairs")) {
      const std::string own_id = concat(id, "-", number++), of = pair.at("caption").get<std::string>();
      const std::string text = pair.at("text").get<std::string>();
      if (of != caption) out += text_element("h3", cut_text(text, kMostHeading));
      caption = of;
      const at::Tensor picture = reader(resolve_inside(folder, pair.at("picture").get<std::string>()));
      out += element("section", {{"data-item", text}},
                     paragraph(heading_of(pair)) + body(pair, picture, thumbnails, own_id));
    }
    return out;
  };
  return checked(make, escape_for_log(file.string(), 200));
}

}  // namespace diptych::report
