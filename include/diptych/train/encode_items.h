#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "diptych/data/corpus.h"
#include "diptych/train/gallery.h"

namespace diptych {

/// Pictures or captions that are about to be encoded, each with an id.
struct EncodeItems {
  View view = View::image;
  std::vector<std::string> ids;
  std::vector<std::string> content;              // absolute path, or caption
  std::vector<std::string> places;               // where a caption stands, for messages; empty for pictures
  std::vector<std::vector<std::string>> tokens;  // of captions that come with tokens of their own; else empty
  std::vector<std::string> notes;                // what was left out
  int64_t size() const { return static_cast<int64_t>(ids.size()); }
  /// Hash over ids, content and, for pictures, size and time of every file: another list is another encoding.
  std::string fingerprint() const;
};

/// Pictures of folders, files and lists.
///
///   a folder   all .jpg .jpeg .png .webp below it, in the order of their paths; hidden files and linked folders are
///              left out. The id is the path below the folder; with several PATHs, the path as given and found
///   a picture  by its ending; the id is the path as given
///   a list     any other file, or - for standard input: one PATH a line, or ID<TAB>PATH; paths are relative to the
///              list's folder (standard input: to the working directory)
///
/// In an id, a name that is no UTF-8 stands with \xNN for its bytes; search has no thumbnail of such a picture.
///
/// throws DataError: nothing there, a folder without pictures, two items of one id.
EncodeItems list_pictures(const std::vector<std::string>& paths);

/// Captions of a file, or of standard input (-): one a line, then ids are line numbers, or ID<TAB>CAPTION on every
/// line. throws DataError: unreadable, some lines with a tab and some without, two lines of one id, no line at all.
EncodeItems read_captions(const std::string& file);
/// The same of a text; `name` is for messages.
EncodeItems parse_captions(std::string_view text, const std::string& name);

/// Pictures or captions of one split of a corpus, with the ids that evaluation uses ("img1", "img1#0").
EncodeItems items_of_split(const Corpus& corpus, Split split, View view);

}  // namespace diptych
