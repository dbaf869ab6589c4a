#pragma once
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "diptych/eval/protocol.h"
#include "diptych/report/run_record.h"

// What a recipe says that the literature reports, its block `published`:
//
//   published:
//     flickr30k-1k: "i2t 49.6/76.8/86.1, t2i 37.3/65.7/75.5 (R@1/5/10)"    # a protocol and its numbers
//     flickr30k-1k-ensemble-2: "..."   # the same of two runs evaluated together, as `evaluate` names that protocol
//     source: "Zhang and Lu, ECCV 2018"
//     provenance: listed     # how the number was found: paper, code, listed (by third parties) or recall (not checked)
//     tolerance: 2           # points below which a run still counts as a reproduction
//     note: "free text"
//
// Numbers: a direction (i2t, t2i) and values by slash, for the places K of the text, R@1/5/10 unless it names others;
// or a metric and its value, "rsum 433.5", "t2i mAP 35.4", "dress/R@10 21.81". Other words are passed over.

namespace diptych::report {

struct Published {
  std::map<std::string, std::map<std::string, std::string>> results;  // protocol, metric ("i2t/R@1"): as written
  std::map<std::string, std::string> texts;                           // of each protocol
  std::string source, provenance, note;
  std::optional<double> tolerance;
};

/// Keys and texts of the block. What is no number, or no known form, is left out: the block is for people first.
Published read_published(const NamedTexts& block);

/// Metrics named in one text: {"i2t/R@1": "49.6", ...}. Empty when the text has another form.
std::map<std::string, std::string> parse_published(std::string_view text);

struct Reproduction {
  bool holds = true;
  std::string text;  // "reproduced: ...", "not reproduced within 2 points: i2t/R@1 47.2 for 49.6, ..."
};
/// A result of the test split against the published numbers of its protocol, which an ensemble does not share with its
/// members; nothing without numbers or tolerance, or on another split. A number above the published one is within.
std::optional<Reproduction> reproduction_of(const ProtocolResult& result, const Published& published);

}  // namespace diptych::report
