#include "diptych/report/html.h"

#include <algorithm>

#include "core/utf8.h"
#include "diptych/core/error.h"
#include "diptych/core/io/json.h"
#include "diptych/core/text.h"

namespace diptych::report {

struct HtmlWriter {
  static Html make(std::string markup) {
    Html out;
    out.markup_ = std::move(markup);
    return out;
  }
};

namespace {

std::string code_point_text(uint32_t point) {
  std::string digits;
  for (int shift = 20; shift >= 0; shift -= 4)
    if (const uint32_t digit = point >> shift & 15; digit || !digits.empty() || shift < 16)
      digits += "0123456789ABCDEF"[digit];
  return "[U+" + digits + "]";
}

bool is_relative_path(std::string_view url) {
  return !url.empty() && url[0] != '/' && url.find(':') == std::string_view::npos &&
         url.find('\\') == std::string_view::npos;
}

void check_url(const Attribute& attribute) {
  const std::string& url = attribute.value;
  if (attribute.name.text != "href" && attribute.name.text != "src") return;
  if (url.starts_with('#') || url.starts_with("data:image/") || is_relative_path(url)) return;
  throw ShapeError(concat("report: ", attribute.name.text, "=\"", escape_for_log(url), "\" leaves the page"));
}

std::string opening(Literal tag, const Attributes& attributes) {
  std::string out = concat('<', tag.text);
  for (const Attribute& attribute : attributes) {
    check_url(attribute);
    out += concat(' ', attribute.name.text, "=\"");
    out += escape_for_html(visible_text(attribute.value));
    out += '"';
  }
  return out + '>';
}

bool is_path_character(char c) {
  return static_cast<unsigned char>(c) > 0x20 &&
         std::string_view("\"'`,;:=|<>()[]{}").find(c) == std::string_view::npos;
}
bool may_precede_path(char c) { return !is_path_character(c); }

}  // namespace

std::string visible_text(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    uint32_t point = 0;
    const size_t length = decode_utf8(text, i, point);
    if (length == 0)
      out += "\xef\xbf\xbd";
    else if (is_unsafe_on_terminals(point) && point != '\n' && point != '\t')
      out += code_point_text(point);
    else
      out += text.substr(i, length);
    i += std::max<size_t>(length, 1);
  }
  return out;
}

std::string without_folders(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const bool starts = text[i] == '/' && (i == 0 || may_precede_path(text[i - 1]));
    size_t end = i;
    while (starts && end < text.size() && is_path_character(text[end])) ++end;
    const std::string_view path = text.substr(i, end - i);
    if (!starts || path.starts_with("//") || path.find_first_not_of('/') == std::string_view::npos) {
      out += text[i++];
      continue;
    }
    size_t last = path.find_last_not_of('/') + 1;
    const size_t slash = path.substr(0, last).rfind('/');
    out += "...";
    out += path.substr(slash, last - slash);
    i = end;
  }
  return out;
}

std::string json_for_script(const Json& value) {
  const std::string plain = dump_line(value);
  std::string out;
  out.reserve(plain.size());
  for (size_t i = 0; i < plain.size();) {
    uint32_t point = 0;
    const size_t length = std::max<size_t>(decode_utf8(plain, i, point), 1);
    if (point == '<' || point == 0x7f || (point >= 0x80 && is_unsafe_on_terminals(point))) {
      out += "\\u";
      for (int shift = 12; shift >= 0; shift -= 4) out += "0123456789abcdef"[point >> shift & 15];
    } else {
      out += plain.substr(i, length);
    }
    i += length;
  }
  return out;
}

std::string base64(std::string_view bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t count = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k) group = group << 8 | (k < count ? static_cast<unsigned char>(bytes[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k) out += k <= count ? kDigits[group >> (18 - 6 * k) & 63] : '=';
  }
  return out;
}

std::string data_uri(std::string_view media_type, std::string_view bytes) {
  return concat("data:", media_type, ";base64,", base64(bytes));
}

Html Html::text(std::string_view foreign) { return HtmlWriter::make(escape_for_html(visible_text(foreign))); }
Html Html::literal(Literal markup) { return HtmlWriter::make(std::string(markup.text)); }

Html element(Literal tag, const Attributes& attributes, const Html& content) {
  std::string out = opening(tag, attributes);
  out += content.markup();
  out += concat("</", tag.text, ">");
  return HtmlWriter::make(std::move(out));
}

Html text_element(Literal tag, std::string_view text, const Attributes& attributes) {
  return element(tag, attributes, Html::text(text));
}

Html void_element(Literal tag, const Attributes& attributes) { return HtmlWriter::make(opening(tag, attributes)); }

}  // namespace diptych::report
