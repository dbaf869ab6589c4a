#pragma once
#include <any>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "diptych/core/options.h"

namespace diptych {

/// The components of one kind by name: an ordinary object that an ordinary function fills.
///
///   void register_losses(LossRegistry& losses) {
///     losses.add<TripletLoss>("bidirectional_triplet", "hinge over in-batch negatives", "Faghri et al., BMVC 2018");
///   }
///
/// `Impl` has `using Options = ...` (a struct with `visit`) and a constructor `Impl(const Options&, Args...)`, where
/// Args are what only the run knows: the vocabulary's size, the joint dimension.
template <class Base, class... Args>
class Registry {
 public:
  using Made = std::shared_ptr<Base>;
  struct Entry {
    std::string name, doc, paper;
    std::function<std::any()> defaults;
    std::function<void(const ConfigNode&, const std::string& path, std::any&, Complaints&)> read;  // "type" is skipped
    std::function<void(const std::any&, Lister&)> list;
    std::function<Made(const std::any&, Args...)> make;
  };

  explicit Registry(std::string kind) : kind_(std::move(kind)) {}
  const std::string& kind() const { return kind_; }

  template <class Impl>
  void add(const std::string& name, const std::string& doc, const std::string& paper = "") {
    using Options = typename Impl::Options;
    Entry entry{
        name,
        doc,
        paper,
        [] { return std::any(Options{}); },
        [](const ConfigNode& node, const std::string& path, std::any& options, Complaints& complaints) {
          Reader(node, path, complaints, {"type"}).fill(std::any_cast<Options&>(options));
        },
        [](const std::any& options, Lister& lister) { Options::visit(std::any_cast<const Options&>(options), lister); },
        [](const std::any& options, Args... args) -> Made {
          return std::make_shared<Impl>(std::any_cast<const Options&>(options), std::forward<Args>(args)...);
        }};
    if (!entries_.emplace(name, std::move(entry)).second)
      throw std::logic_error(kind_ + " " + name + " is registered twice");
  }

  const std::map<std::string, Entry>& entries() const { return entries_; }
  const Entry* find(const std::string& name) const {
    const auto it = entries_.find(name);
    return it == entries_.end() ? nullptr : &it->second;
  }
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& [name, entry] : entries_) out.push_back(name);
    return out;
  }
  /// A component with its default options, for tests and tools. throws UsageError for an unknown name.
  Made make_default(const std::string& name, Args... args) const {
    const Entry* entry = find(name);
    if (!entry) throw UsageError("", kind_ + ": no " + kind_ + " called '" + name + "'", did_you_mean(name, names()));
    return entry->make(entry->defaults(), std::forward<Args>(args)...);
  }

 private:
  std::string kind_;
  std::map<std::string, Entry> entries_;
};

/// An options field that chooses one component: `{type: NAME, ...its options}`. The registry must outlive it.
template <class R>
class Choice {
 public:
  Choice(const R& registry, const std::string& type) : registry_(&registry) { select(type); }

  const std::string& type() const { return type_; }
  const std::any& options() const { return options_; }
  template <class... Args>
  typename R::Made make(Args&&... args) const {
    return registry_->find(type_)->make(options_, std::forward<Args>(args)...);
  }

  void read(const ConfigNode& node, const std::string& path, Complaints& complaints) {
    if (!node.is_map()) return detail::complain_kind(node, path, "a map with a type, {type: NAME, ...}", complaints);
    if (const ConfigNode* type = node.find("type")) {
      const auto names = registry_->names();
      const size_t index = detail::convert_word(*type, path + ".type", names, complaints);
      if (index == std::string::npos) return;
      if (names[index] != type_) select(names[index]);
    } else if (type_.empty()) {
      return complaints.add(node.origin, path + ".type: has no value", did_you_mean("", registry_->names()));
    }
    registry_->find(type_)->read(node, path, options_, complaints);
  }
  void list(Lister& lister) const {
    lister.add("type", type_, "which " + registry_->kind(), join(registry_->names(), " | "));
    if (const auto* entry = registry_->find(type_)) entry->list(options_, lister);
  }

 private:
  void select(const std::string& type) {
    type_ = type;
    if (const auto* entry = registry_->find(type)) options_ = entry->defaults();
  }
  const R* registry_;
  std::string type_;
  std::any options_;
};

/// A list of option structs or choices, each starting as a copy of a prototype (so that list items can hold Choices).
template <class T>
class List {
 public:
  explicit List(T prototype, std::vector<T> items = {}) : prototype_(std::move(prototype)), items_(std::move(items)) {}

  const std::vector<T>& items() const { return items_; }
  std::vector<T>& items() { return items_; }
  const T& prototype() const { return prototype_; }
  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }
  size_t size() const { return items_.size(); }
  bool empty() const { return items_.empty(); }
  const T& operator[](size_t i) const { return items_[i]; }

  void read(const ConfigNode& node, const std::string& path, Complaints& complaints) {
    if (!node.is_list()) return detail::complain_kind(node, path, "a list", complaints);
    items_.clear();
    for (size_t i = 0; i < node.items.size(); ++i) {
      T item = prototype_;
      const std::string at = path + "." + std::to_string(i);
      if constexpr (CustomField<T>)
        item.read(node.items[i], at, complaints);
      else
        Reader(node.items[i], at, complaints).fill(item);
      items_.push_back(std::move(item));
    }
  }
  void list(Lister& lister) const {
    for (size_t i = 0; i < items_.size(); ++i) {
      lister.open_section(std::to_string(i), "");
      lister.rows.back().is_list_item = true;
      const std::string outer = std::exchange(lister.prefix, lister.prefix + std::to_string(i) + ".");
      ++lister.depth;
      if constexpr (CustomField<T>)
        items_[i].list(lister);
      else
        T::visit(items_[i], lister);
      --lister.depth;
      lister.prefix = outer;
    }
  }

 private:
  T prototype_;
  std::vector<T> items_;
};

}  // namespace diptych
