#include "data/modifications.h"

#include <algorithm>
#include <map>
#include <set>

#include "corpus_fixture.h"

namespace diptych::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

/// Training images with these labels, row for row, and a test image with label 0.
Corpus composed_corpus(const std::vector<int64_t>& labels) {
  Corpus corpus;
  corpus.name = "edits";
  corpus.has_identities = true;
  for (size_t i = 0; i < labels.size(); ++i) {
    const std::string name = std::to_string(1000 + i);
    corpus.images.push_back({name, name, Split::train, labels[i]});
  }
  corpus.images.push_back({"test", "test", Split::test, 0});
  return corpus;
}
void add_edit(Corpus& corpus, int64_t source_row, int64_t source_label, int64_t target_label, int64_t target_row = -1,
              Split split = Split::train) {
  const std::string word = "w" + std::to_string(corpus.modifications.size());
  corpus.modifications.push_back({.text = word,
                                  .tokens = {word},
                                  .split = split,
                                  .source_row = source_row,
                                  .source_label = source_label,
                                  .target_label = target_label,
                                  .target_row = target_row,
                                  .record = static_cast<int64_t>(corpus.modifications.size()) + 1});
}
/// Labels 0, 1, 2 of ten images each, and edits from each label to each other one.
Corpus labelled_corpus() {
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < 30; ++i) labels.push_back(i / 10);
  Corpus corpus = composed_corpus(labels);
  for (int64_t from = 0; from < 3; ++from)
    for (int64_t to = 0; to < 3; ++to)
      if (from != to) add_edit(corpus, -1, from, to);
  add_edit(corpus, 30, 0, 1, -1, Split::test);
  return corpus;
}
/// `edits[i]` edits that name image i as their source, to the next images.
Corpus named_corpus(const std::vector<int64_t>& edits) {
  std::vector<int64_t> labels;
  for (size_t i = 0; i < edits.size(); ++i) labels.push_back(static_cast<int64_t>(i));
  Corpus corpus = composed_corpus(labels);
  const auto images = static_cast<int64_t>(edits.size());
  for (int64_t i = 0; i < images; ++i)
    for (int64_t k = 0; k < edits[static_cast<size_t>(i)]; ++k) {
      const int64_t target = (i + 1 + k % (images - 1)) % images;
      add_edit(corpus, i, i, target, target);
    }
  return corpus;
}

std::shared_ptr<Sampler> modifications_of(const Corpus& corpus, int64_t batch_size, const std::string& more = "",
                                          uint64_t seed = 1) {
  static const SamplerRegistry* registry = [] {
    auto* filled = new SamplerRegistry("sampler");
    register_samplers(*filled);
    return filled;
  }();
  Choice<SamplerRegistry> choice(*registry, "");
  Complaints complaints;
  choice.read(parse_config("{type: modifications" + more + "}", "test.yaml"), "data.sampler", complaints);
  complaints.throw_if_any();
  return choice.make(SamplerContext{corpus, corpus.modification_rows(Split::train), batch_size, seed});
}
std::vector<Pair> samples_of(const std::vector<PairBatch>& batches) {
  std::vector<Pair> out;
  for (const PairBatch& batch : batches) out.insert(out.end(), batch.begin(), batch.end());
  return out;
}
template <class Act>
std::string sampler_error(int code, Act&& act) {
  try {
    act();
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), code) << error.what();
    return to_text(error.issues().front());
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}
void expect_well_formed(const Corpus& corpus, const std::vector<Pair>& samples) {
  for (const Pair& sample : samples) {
    const Modification& edit = corpus.modifications[static_cast<size_t>(sample.caption_row)];
    const CorpusImage &source = corpus.images[static_cast<size_t>(sample.image_row)],
                      &target = corpus.images[static_cast<size_t>(sample.target_row)];
    ASSERT_EQ(edit.split, Split::train);
    ASSERT_EQ(source.split, Split::train);
    ASSERT_EQ(target.split, Split::train);
    ASSERT_NE(sample.image_row, sample.target_row) << "never the source itself";
    ASSERT_EQ(source.label, edit.source_label);
    ASSERT_EQ(target.label, edit.target_label);
    ASSERT_TRUE(edit.source_row < 0 || sample.image_row == edit.source_row);
    ASSERT_TRUE(edit.target_row < 0 || sample.target_row == edit.target_row);
  }
}

TEST(Modifications, AreAFunctionOfSeedAndEpoch) {
  const Corpus labelled = labelled_corpus(), named = named_corpus(std::vector<int64_t>(20, 3));
  for (const Corpus* corpus : {&labelled, &named})
    for (const char* more : {"", ", edits_per_source: 2"}) {
      const auto one = modifications_of(*corpus, 6, more), same = modifications_of(*corpus, 6, more),
                 other = modifications_of(*corpus, 6, more, 2);
      same->epoch(9);
      EXPECT_EQ(one->epoch(3), same->epoch(3));
      EXPECT_NE(one->epoch(3), one->epoch(4));
      EXPECT_NE(one->epoch(3), other->epoch(3));
      EXPECT_THAT(one->epoch(3), SizeIs(one->batches_per_epoch()));
      for (const PairBatch& batch : one->epoch(3)) EXPECT_EQ(batch.size(), 6u);
      expect_well_formed(*corpus, samples_of(one->epoch(3)));
    }
}

TEST(Modifications, GoldenFirstRows) {
  const Corpus labelled = labelled_corpus(), named = named_corpus({3, 1, 2, 4, 2});
  const auto first = [](const Corpus& corpus, const char* more) {
    std::vector<Pair> samples = samples_of(modifications_of(corpus, 6, more)->epoch(0));
    samples.resize(4);
    return samples;
  };
  EXPECT_THAT(first(labelled, ""), ElementsAre(Pair{10, 2, 8}, Pair{24, 5, 16}, Pair{13, 2, 0}, Pair{5, 0, 12}));
  EXPECT_THAT(first(named, ""), ElementsAre(Pair{1, 3, 2}, Pair{3, 8, 1}, Pair{0, 2, 3}, Pair{2, 5, 4}));
  EXPECT_THAT(first(labelled, ", edits_per_source: 2"),
              ElementsAre(Pair{10, 2, 0}, Pair{10, 3, 25}, Pair{24, 4, 2}, Pair{24, 5, 11}));
}

TEST(Modifications, AnEpochVisitsEverySourceImageOnce) {
  const Corpus corpus = labelled_corpus();
  const auto sampler = modifications_of(corpus, 5);
  EXPECT_EQ(sampler->batches_per_epoch(), 6);
  std::set<int64_t> edits, targets;
  for (int64_t epoch = 0; epoch < 8; ++epoch) {
    std::set<int64_t> sources;
    for (const Pair& sample : samples_of(sampler->epoch(epoch))) {
      EXPECT_TRUE(sources.insert(sample.image_row).second);
      edits.insert(sample.caption_row), targets.insert(sample.target_row);
    }
    EXPECT_EQ(sources.size(), 30u);
  }
  EXPECT_EQ(edits.size(), 6u) << "all edits of a label are drawn in time";
  EXPECT_EQ(targets.size(), 30u) << "and all its images";
}

TEST(Modifications, WhatIsLeftOverIsLeftOut) {
  const Corpus corpus = labelled_corpus();
  const auto sampler = modifications_of(corpus, 7);
  EXPECT_EQ(sampler->batches_per_epoch(), 4);
  std::set<int64_t> sources;
  for (int64_t epoch = 0; epoch < 6; ++epoch) {
    EXPECT_THAT(samples_of(sampler->epoch(epoch)), SizeIs(28));
    for (const Pair& sample : samples_of(sampler->epoch(epoch))) sources.insert(sample.image_row);
  }
  EXPECT_EQ(sources.size(), 30u) << "others in every epoch";
}

TEST(Modifications, ASourceMayStandTwiceWithDifferentEdits) {
  const Corpus corpus = labelled_corpus();
  const auto sampler = modifications_of(corpus, 6, ", edits_per_source: 2, few_edits: fail");
  EXPECT_EQ(sampler->batches_per_epoch(), 10);
  const std::vector<Pair> samples = samples_of(sampler->epoch(0));
  ASSERT_EQ(samples.size(), 60u);
  for (size_t i = 0; i < samples.size(); i += 2) {
    EXPECT_EQ(samples[i].image_row, samples[i + 1].image_row);
    EXPECT_NE(samples[i].caption_row, samples[i + 1].caption_row);
  }
}

TEST(Modifications, AnEpochShowsEveryNamedEditOnce) {
  const Corpus corpus = named_corpus({3, 1, 2, 4, 2});
  const auto sampler = modifications_of(corpus, 6);
  EXPECT_EQ(sampler->batches_per_epoch(), 2);
  std::set<int64_t> edits;
  for (const Pair& sample : samples_of(sampler->epoch(5))) edits.insert(sample.caption_row);
  EXPECT_EQ(edits.size(), 12u);
}

TEST(Modifications, NamedEditsOfOneSourceComeInGroups) {
  const Corpus corpus = named_corpus({3, 1, 2, 4, 2});  // 2 + 1 + 1 + 2 + 1 groups of two
  const auto sampler = modifications_of(corpus, 6, ", edits_per_source: 2");
  EXPECT_EQ(sampler->batches_per_epoch(), 2);  // six of the seven groups
  std::map<int64_t, std::set<int64_t>> edits_of;
  for (int64_t epoch = 0; epoch < 4; ++epoch) {
    const std::vector<Pair> samples = samples_of(sampler->epoch(epoch));
    expect_well_formed(corpus, samples);
    for (size_t i = 0; i < samples.size(); i += 2) {
      EXPECT_EQ(samples[i].image_row, samples[i + 1].image_row);
      const bool alone = samples[i].image_row == 1;
      EXPECT_EQ(samples[i].caption_row == samples[i + 1].caption_row, alone) << "its one edit is repeated";
      edits_of[samples[i].image_row].insert({samples[i].caption_row, samples[i + 1].caption_row});
    }
  }
  EXPECT_EQ(edits_of[0].size(), 3u);
  EXPECT_EQ(edits_of[3].size(), 4u);
  const auto dropped = modifications_of(corpus, 6, ", edits_per_source: 2, few_edits: drop");
  for (const Pair& sample : samples_of(dropped->epoch(0))) EXPECT_NE(sample.image_row, 1);
  EXPECT_THAT(sampler_error(3, [&] { modifications_of(corpus, 6, ", edits_per_source: 2, few_edits: fail"); }),
              AllOf(HasSubstr("1 training images have fewer than edits_per_source = 2 edits: 1001"),
                    HasSubstr("data.sampler.few_edits: drop or repeat")));
}

TEST(Modifications, TheSourceIsNeverItsOwnTarget) {
  // label 0 of three images asks for its own label, too; label 1 has a single image, which cannot
  Corpus corpus = composed_corpus({0, 0, 0, 1});
  add_edit(corpus, -1, 0, 0), add_edit(corpus, -1, 1, 1), add_edit(corpus, -1, 1, 0);
  const auto sampler = modifications_of(corpus, 4);
  std::map<int64_t, std::set<int64_t>> targets;
  for (int64_t epoch = 0; epoch < 40; ++epoch)
    for (const Pair& sample : samples_of(sampler->epoch(epoch))) {
      EXPECT_NE(sample.image_row, sample.target_row);
      targets[sample.image_row].insert(sample.target_row);
    }
  EXPECT_THAT(targets[0], ElementsAre(1, 2));
  EXPECT_THAT(targets[1], ElementsAre(0, 2));
  EXPECT_THAT(targets[2], ElementsAre(0, 1));
  EXPECT_THAT(targets[3], ElementsAre(0, 1, 2)) << "the edit to its own label is passed over";
}

TEST(Modifications, TargetsAreDrawnUniformly) {
  Corpus corpus = composed_corpus({0, 0, 0, 0});
  add_edit(corpus, 2, 0, 0), add_edit(corpus, 0, 0, 0);
  const auto sampler = modifications_of(corpus, 2);
  std::map<int64_t, int> count;
  for (int64_t epoch = 0; epoch < 3000; ++epoch)
    for (const Pair& sample : samples_of(sampler->epoch(epoch)))
      if (sample.image_row == 2) ++count[sample.target_row];
  ASSERT_EQ(count.size(), 3u);  // 1000 each; the standard deviation is 26
  for (const auto& [row, times] : count) EXPECT_NEAR(times, 1000, 130) << row;
}

TEST(Modifications, SourcesAndTargetsMustBeThere) {
  {
    Corpus corpus = composed_corpus({0, 1});
    add_edit(corpus, -1, 0, 7);
    EXPECT_THAT(sampler_error(3, [&] { modifications_of(corpus, 2); }),
                AllOf(HasSubstr("modification 'w0'"), HasSubstr("none has the target label")));
  }
  {
    Corpus corpus = composed_corpus({0, 1});
    corpus.modification_source = "q.jsonl", corpus.records_are_lines = true;
    add_edit(corpus, 0, 0, 0);
    EXPECT_THAT(sampler_error(3, [&] { modifications_of(corpus, 2); }), HasSubstr("q.jsonl:1 modification 'w0'"));
  }
  {
    Corpus corpus = composed_corpus({0, 1});
    add_edit(corpus, 0, 0, 0, 0);
    EXPECT_THAT(sampler_error(3, [&] { modifications_of(corpus, 2); }), HasSubstr("the target is the source itself"));
  }
  {
    Corpus corpus = composed_corpus({0, 1});
    add_edit(corpus, -1, 5, 1);
    EXPECT_THAT(sampler_error(3, [&] { modifications_of(corpus, 2); }), HasSubstr("no training image is the source"));
  }
  {
    Corpus corpus = composed_corpus({0, 1});
    add_edit(corpus, 2, 0, 1, -1, Split::test);
    EXPECT_THAT(sampler_error(3, [&] { modifications_of(corpus, 2); }),
                HasSubstr("the training split holds no modifications"));
    corpus.modifications.clear();
    EXPECT_THAT(sampler_error(2, [&] { modifications_of(corpus, 2); }),
                AllOf(HasSubstr("data.sampler.type"), HasSubstr("has none, it matches images and captions")));
  }
}

TEST(Modifications, BatchesThatCannotBeMadeAreRefused) {
  const Corpus labelled = labelled_corpus();
  EXPECT_THAT(sampler_error(2, [&] { modifications_of(labelled, 0); }), HasSubstr("expected at least 1"));
  EXPECT_THAT(sampler_error(2, [&] { modifications_of(labelled, 5, ", edits_per_source: 2"); }),
              HasSubstr("must be a multiple of edits_per_source = 2"));
  EXPECT_THAT(sampler_error(2, [&] { modifications_of(labelled, 31); }),
              AllOf(HasSubstr("needs 31 source images with 1 edit, but the training split gives 30"),
                    HasSubstr("train.batch_size=30")));
  EXPECT_THAT(sampler_error(2, [&] { modifications_of(labelled, 1); }), HasSubstr("can hold a single source image"));
  EXPECT_THAT(sampler_error(2, [&] { modifications_of(labelled, 2, ", edits_per_source: 2"); }),
              AllOf(HasSubstr("can hold a single source image"), HasSubstr("train.batch_size=4 or more")));
  const Corpus named = named_corpus({4, 1, 1});
  EXPECT_THAT(sampler_error(2, [&] { modifications_of(named, 4); }),
              AllOf(HasSubstr("1000 fills 4 places"), HasSubstr("train.batch_size=5 or more")));
  EXPECT_EQ(modifications_of(named, 5)->batches_per_epoch(), 1);
}

}  // namespace
}  // namespace diptych::testing
