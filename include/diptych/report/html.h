#pragma once
#include <initializer_list>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace diptych::report {

/// Foreign text made fit for a reader's eyes, not yet escaped: invalid UTF-8 becomes U+FFFD; control characters, line
/// separators and bidirectional controls are shown as "[U+202E]", so that they cannot reorder or hide what stands
/// beside them. Tab and line feed stay.
std::string visible_text(std::string_view text);

/// Absolute paths cut to their last component, so that a page does not tell where its machine keeps things:
/// "/home/me/data/flickr8k" becomes ".../flickr8k".
std::string without_folders(std::string_view text);

/// JSON for the inside of a <script type="application/json">: `<` becomes \u003c (no "</script>", no "<!--"), U+2028,
/// U+2029 and bidirectional controls their \u escapes. Parsing it gives the value back; invalid UTF-8 is replaced.
std::string json_for_script(const nlohmann::ordered_json& value);

/// RFC 4648, with padding.
std::string base64(std::string_view bytes);
/// "data:image/jpeg;base64,...".
std::string data_uri(std::string_view media_type, std::string_view bytes);

/// A tag name, attribute name or piece of markup that stands in the program's source. Only the compiler can make one,
/// so foreign text never becomes markup; attribute names that run code ("onclick") do not compile.
struct Literal {
  consteval Literal(const char* source) : text(source) {
    if (text.size() > 2 && text[0] == 'o' && text[1] == 'n' && text.find('<') == std::string_view::npos)
      throw "event handlers are not allowed";
  }
  std::string_view text;
};

/// Markup that is safe to place between tags. Made of literals, escaped text and elements only; `+` joins.
class Html {
 public:
  Html() = default;
  Html(std::initializer_list<Html> parts) {
    for (const Html& part : parts) markup_ += part.markup_;
  }
  /// Text between tags: visible_text, then & < > " ' escaped.
  static Html text(std::string_view foreign);
  static Html literal(Literal markup);

  Html& operator+=(const Html& other) {
    markup_ += other.markup_;
    return *this;
  }
  friend Html operator+(Html left, const Html& right) { return left += right; }
  const std::string& markup() const { return markup_; }
  bool empty() const { return markup_.empty(); }

 private:
  friend struct HtmlWriter;
  std::string markup_;
};

/// name="value". The value goes through visible_text and is escaped and quoted; a boolean attribute has value "".
struct Attribute {
  Literal name;
  std::string value;
};
using Attributes = std::vector<Attribute>;

/// <tag attributes>content</tag>. throws ShapeError for an `href` or `src` that leaves the file: allowed are "#id",
/// "data:image/..." and a plain relative path.
Html element(Literal tag, const Attributes& attributes, const Html& content);
inline Html element(Literal tag, const Html& content) { return element(tag, {}, content); }
/// <tag>text</tag>
Html text_element(Literal tag, std::string_view text, const Attributes& attributes = {});
/// <tag attributes>: meta, input, br.
Html void_element(Literal tag, const Attributes& attributes = {});

}  // namespace diptych::report
