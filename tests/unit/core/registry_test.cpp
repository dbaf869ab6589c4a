#include "diptych/core/registry.h"

#include <gmock/gmock.h>

namespace diptych {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Animal {
  virtual ~Animal() = default;
  virtual std::string says() const = 0;
};

struct DogOptions {
  int64_t barks = 1;
  static void visit(auto& self, auto& field) { field("barks", self.barks, "how often", Field{.lo = 0, .hi = 9}); }
};
struct Dog : Animal {
  using Options = DogOptions;
  Dog(const Options& options, int64_t legs) : options_(options), legs_(legs) {}
  std::string says() const override { return concat(options_.barks, " barks on ", legs_, " legs"); }

 private:
  Options options_;
  int64_t legs_;
};
struct FishOptions {
  static void visit(auto&, auto&) {}
};
struct Fish : Animal {
  using Options = FishOptions;
  Fish(const Options&, int64_t) {}
  std::string says() const override { return "nothing"; }
};

using Animals = Registry<Animal, int64_t>;
Animals make_animals() {
  Animals animals("animal");
  animals.add<Dog>("dog", "barks", "Linnaeus 1758");
  animals.add<Fish>("fish", "swims");
  return animals;
}

/// {animal: {type: ..., ...}} of a test.
struct Zoo {
  explicit Zoo(const Animals& animals) : star(animals, "dog"), herd(Choice<Animals>(animals, "fish")) {}
  Choice<Animals> star;
  List<Choice<Animals>> herd;
  static void visit(auto& self, auto& field) {
    field("star", self.star, "the one on the poster");
    field("herd", self.herd, "the others");
  }
};

std::string complaint(const Animals& animals, const std::string& yaml) {
  try {
    read_options<Zoo>(parse_config(yaml, "a.yaml"), Zoo(animals));
  } catch (const UsageError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(Registry, ListsItsEntries) {
  const Animals animals = make_animals();
  EXPECT_THAT(animals.names(), ElementsAre("dog", "fish"));
  EXPECT_EQ(animals.find("dog")->paper, "Linnaeus 1758");
  EXPECT_EQ(animals.find("cat"), nullptr);
  EXPECT_EQ(animals.kind(), "animal");
}

TEST(Registry, RefusesANameTwice) {
  Animals animals = make_animals();
  EXPECT_THROW(animals.add<Fish>("dog", ""), std::logic_error);
}

TEST(Registry, MakesDefaultsAndNamesTheNearest) {
  const Animals animals = make_animals();
  EXPECT_EQ(animals.make_default("dog", 4)->says(), "1 barks on 4 legs");
  try {
    animals.make_default("dgo", 4);
    FAIL();
  } catch (const UsageError& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("no animal called 'dgo'"), HasSubstr("did you mean: dog")));
  }
}

TEST(Choice, ReadsTypeAndOptions) {
  const Animals animals = make_animals();
  const Zoo zoo = read_options<Zoo>(
      parse_config("star: {type: dog, barks: 3}\nherd: [{type: dog, barks: 2}, {type: fish}, {}]\n", "a.yaml"),
      Zoo(animals));
  EXPECT_EQ(zoo.star.make(4)->says(), "3 barks on 4 legs");
  ASSERT_EQ(zoo.herd.size(), 3u);
  EXPECT_EQ(zoo.herd[0].make(3)->says(), "2 barks on 3 legs");
  EXPECT_EQ(zoo.herd[1].make(0)->says(), "nothing");
  EXPECT_EQ(zoo.herd[2].type(), "fish");  // the prototype
}

TEST(Choice, KeepsItsTypeWhenOnlyOptionsAreGiven) {
  const Animals animals = make_animals();
  EXPECT_EQ(read_options<Zoo>(parse_config("star: {barks: 5}\n", "a.yaml"), Zoo(animals)).star.make(4)->says(),
            "5 barks on 4 legs");
}

TEST(Choice, ComplainsAboutNamesKeysAndValues) {
  const Animals animals = make_animals();
  EXPECT_THAT(
      complaint(animals, "star: {type: dogg}\n"),
      AllOf(HasSubstr("a.yaml:1:14: star.type = \"dogg\": expected one of dog, fish"), HasSubstr("did you mean: dog")));
  EXPECT_THAT(
      complaint(animals, "star: {type: dog, bark: 1}\n"),
      AllOf(HasSubstr("star.bark = 1: unknown key"), HasSubstr("did you mean: barks      keys here: type, barks")));
  EXPECT_THAT(complaint(animals, "herd: [{type: dog, barks: 10}]\n"),
              HasSubstr("herd.0.barks = 10: expected an integer in [0, 9]"));
  EXPECT_THAT(complaint(animals, "star: dog\n"), HasSubstr("expected a map with a type"));
  EXPECT_THAT(complaint(animals, "star: {type: ~}\n"), HasSubstr("star.type: has no value"));
  EXPECT_THAT(complaint(animals, "star: {type: fish, barks: 1}\n"), HasSubstr("star.barks = 1: unknown key"));
}

TEST(Choice, WithoutADefaultNeedsAType) {
  const Animals animals = make_animals();
  Choice<Animals> choice(animals, "");
  Complaints complaints;
  choice.read(parse_config("{barks: 1}", "a.yaml"), "star", complaints);
  EXPECT_THROW(complaints.throw_if_any(), UsageError);
}

TEST(Choice, ListsAndReadsBack) {
  const Animals animals = make_animals();
  const Zoo zoo = read_options<Zoo>(
      parse_config("star: {type: fish}\nherd: [{type: dog, barks: 2}, {type: fish}]\n", "a.yaml"), Zoo(animals));
  const std::string yaml = to_yaml(rows_of(zoo));
  EXPECT_EQ(yaml, "star:\n  type: fish\nherd:\n  - type: dog\n    barks: 2\n  - type: fish\n");
  EXPECT_TRUE(difference(rows_of(zoo), rows_of(read_options<Zoo>(parse_config(yaml, "b.yaml"), Zoo(animals)))).empty());
}

}  // namespace
}  // namespace diptych
