#include "sandbox/transition.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <ranges>
#include <set>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace sandbox {
namespace {

bool has_inverse(const Step& step) {
  return !std::holds_alternative<SetLink>(step) && !std::holds_alternative<SetBridgePort>(step) &&
         !std::holds_alternative<SetSysctl>(step) && !std::holds_alternative<SetHostSysctl>(step);
}

/// What the kernel no longer has, or no longer has as it was, once some steps are undone.
class Losses {
 public:
  explicit Losses(const std::vector<const Step*>& undone) {
    for (const Step* step : undone)
      std::visit([this](const auto& fields) { add(fields); }, *step);
  }

  /// The step's effect is gone, or belongs to what is gone: it has to be done again.
  bool affects(const Step& step) const {
    return std::visit([this](const auto& fields) { return touches(fields); }, step);
  }

  /// Undoing the step needs no request of its own.
  bool includes(const Step& step) const {
    if (const auto* address = std::get_if<AddAddress>(&step))
      return dead_.contains(address->netns) || has_link(address->netns, address->index);
    if (const auto* route = std::get_if<AddRoute>(&step))
      return dead_.contains(route->netns) || has_link(route->netns, route->index);
    if (const auto* entry = std::get_if<AddFdbEntry>(&step))
      return has_link("", entry->index) || ports_.contains(entry->index);
    if (const auto* dns = std::get_if<RedirectDns>(&step)) return dead_.contains(dns->netns);
    return false;
  }

 private:
  void add_link(const Netns& netns, std::uint32_t index, const std::string& name) {
    links_.emplace(netns, index);
    names_.emplace(netns, name);
  }

  void add(const PinNamespace& step) {
    unpinned_.insert(step.path);
    if (step.source.empty()) dead_.insert(step.path);
  }
  void add(const CreateBridge& step) { add_link("", step.index, step.name); }
  void add(const CreateVxlan& step) { add_link("", step.index, step.name); }
  void add(const CreateVeth& step) {
    add_link("", step.index, step.name);
    add_link(step.netns, step.peer_index, step.peer_name);
  }
  void add(const MoveLink& step) { add_link(step.netns, step.index, step.new_name); }
  void add(const CreateLink& step) { add_link(step.netns, step.index, step.name); }
  void add(const AddAddress& step) {
    addresses_.emplace(step.netns, step.index, step.address.family());
  }
  void add(const SetLink& step) {
    if (step.master) ports_.insert(step.index);
  }
  void add(const auto&) {}

  bool touches(const CreateVeth& step) const { return unpinned_.contains(step.netns); }
  bool touches(const MoveLink& step) const { return unpinned_.contains(step.netns); }
  bool touches(const CreateLink& step) const {
    return unpinned_.contains(step.netns) || (step.parent != 0 && has_link("", step.parent));
  }
  bool touches(const SetLink& step) const {
    return is_lost(step.netns, step.index) || (step.master && has_link("", *step.master));
  }
  bool touches(const SetBridgePort& step) const {
    return has_link("", step.index) || ports_.contains(step.index);
  }
  bool touches(const AddFdbEntry& step) const {
    return has_link("", step.index) || ports_.contains(step.index);
  }
  bool touches(const AddAddress& step) const { return is_lost(step.netns, step.index); }
  bool touches(const AddRoute& step) const {
    return is_lost(step.netns, step.index) ||
           addresses_.contains({step.netns, step.index, step.destination.family()});
  }
  bool touches(const SetSysctl& step) const {
    return unpinned_.contains(step.netns) || std::ranges::any_of(names_, [&](const auto& link) {
             return link.first == step.netns && is_of_link(step.key, link.second);
           });
  }
  bool touches(const AdmitForwarding&) const { return false; }
  bool touches(const RedirectDns& step) const { return unpinned_.contains(step.netns); }
  bool touches(const auto&) const { return false; }

  /// "net/ipv6/conf/eth0/accept_ra" is of eth0.
  static bool is_of_link(std::string_view key, const std::string& name) {
    return key.find("/" + name + "/") != std::string_view::npos;
  }
  bool has_link(const Netns& netns, std::uint32_t index) const {
    return links_.contains({netns, index});
  }
  bool is_lost(const Netns& netns, std::uint32_t index) const {
    return unpinned_.contains(netns) || has_link(netns, index);
  }

  std::set<Netns> unpinned_;
  std::set<Netns> dead_;  // those of them that end with their pin
  std::set<std::pair<Netns, std::uint32_t>> links_;
  std::set<std::pair<Netns, std::string>> names_;
  std::set<std::tuple<Netns, std::uint32_t, ipam::Family>> addresses_;
  std::set<std::uint32_t> ports_;  // links that change their bridge
};

/// What is only in one of two plans, each in its plan's order.
struct Difference {
  std::vector<const Step*> removed;
  std::vector<const Step*> added;
};

/// Pairs of equal steps; a pair whose ground goes away is parted again.
class Matching {
 public:
  Matching(const Plan& from, const Plan& to) : from_(from), to_(to) {
    partner_.resize(from.size());
    std::vector<bool> taken(to.size());
    for (std::size_t i = 0; i < from.size(); ++i) {
      for (std::size_t j = 0; j < to.size() && !partner_[i]; ++j)
        if (!taken[j] && from[i] == to[j]) partner_[i] = j;
      if (partner_[i]) taken[*partner_[i]] = true;
    }
    while (part_losses()) {
    }
  }

  Difference difference() const {
    Difference result{removed(), {}};
    std::vector<bool> kept(to_.size());
    for (const auto& partner : partner_)
      if (partner) kept[*partner] = true;
    for (std::size_t j = 0; j < to_.size(); ++j)
      if (!kept[j]) result.added.push_back(&to_[j]);
    return result;
  }

 private:
  std::vector<const Step*> removed() const {
    std::vector<const Step*> steps;
    for (std::size_t i = 0; i < from_.size(); ++i)
      if (!partner_[i]) steps.push_back(&from_[i]);
    return steps;
  }

  /// True when a pair was parted, which may cost others their ground: at most once for each step.
  bool part_losses() {
    const Losses losses(removed());
    bool parted = false;
    for (std::size_t i = 0; i < from_.size(); ++i) {
      if (!partner_[i] || !losses.affects(from_[i])) continue;
      partner_[i].reset();
      parted = true;
    }
    return parted;
  }

  const Plan& from_;
  const Plan& to_;
  std::vector<std::optional<std::size_t>> partner_;
};

using ElementTexts = std::set<std::string>;

std::string identity(const Element& element) {
  return element.set + " " + to_text(element);
}

ElementTexts element_texts(const std::vector<const Step*>& steps) {
  ElementTexts texts;
  for (const Step* step : steps)
    if (const auto* elements = std::get_if<AddElements>(step))
      for (const Element& element : elements->elements)
        texts.insert(identity(element));
  return texts;
}

/// The elements that differing AddElements steps of both sides have.
ElementTexts common_elements(const Difference& difference) {
  const ElementTexts removed = element_texts(difference.removed);
  if (removed.empty()) return {};
  ElementTexts common;
  std::ranges::set_intersection(removed, element_texts(difference.added),
                                std::inserter(common, common.end()));
  return common;
}

/// The steps without these elements, and without steps that this leaves empty.
Plan without_elements(const std::vector<const Step*>& steps, const ElementTexts& common) {
  Plan plan;
  for (const Step* step : steps) {
    plan.push_back(*step);
    auto* elements = std::get_if<AddElements>(&plan.back());
    if (!elements || common.empty()) continue;
    std::erase_if(elements->elements,
                  [&](const Element& element) { return common.contains(identity(element)); });
    if (elements->elements.empty()) plan.pop_back();
  }
  return plan;
}

std::vector<const Step*> pointers(const Plan& plan) {
  std::vector<const Step*> steps;
  for (const Step& step : plan)
    steps.push_back(&step);
  return steps;
}

/// Reverts, last first, the steps that have an inverse and don't go along with another.
std::vector<std::string> revert_all(Kernel& kernel, const Plan& steps) {
  const Losses losses(pointers(steps));
  std::vector<std::string> failures;
  for (const Step& step : std::views::reverse(steps)) {
    if (!has_inverse(step) || losses.includes(step)) continue;
    try {
      kernel.revert(step);
    } catch (const std::exception& error) {
      failures.emplace_back(error.what());
    }
  }
  return failures;
}

/// Applies again what was reverted. What could not be reverted then is there still (EEXIST).
std::vector<std::string> restore_all(Kernel& kernel, const Plan& steps) {
  std::vector<std::string> failures;
  for (const Step& step : steps) {
    try {
      kernel.apply(step);
    } catch (const std::system_error& error) {
      if (error.code() != std::errc::file_exists) failures.emplace_back(error.what());
    } catch (const std::exception& error) {
      failures.emplace_back(error.what());
    }
  }
  return failures;
}

/// Back to `removed` from `removed` reverted and the first `count` steps of `added` applied.
std::vector<std::string> roll_back(Kernel& kernel, const Plan& removed, const Plan& added,
                                   std::size_t count) {
  const Plan applied(added.begin(), added.begin() + static_cast<std::ptrdiff_t>(count));
  std::vector<std::string> failures = revert_all(kernel, applied);
  std::ranges::move(restore_all(kernel, removed), std::back_inserter(failures));
  return failures;
}

}  // namespace

std::vector<std::string> transition(Kernel& kernel, const Plan& from, const Plan& to) {
  const Difference difference = Matching(from, to).difference();
  const ElementTexts common = common_elements(difference);
  const Plan removed = without_elements(difference.removed, common);
  const Plan added = without_elements(difference.added, common);

  std::vector<std::string> failures = revert_all(kernel, removed);
  std::size_t applied = 0;
  try {
    for (; applied < added.size(); ++applied)
      kernel.apply(added[applied]);
  } catch (const std::system_error& error) {
    std::vector<std::string> not_undone = roll_back(kernel, removed, added, applied);
    if (not_undone.empty()) throw;
    throw RollbackFailed(error, std::move(not_undone));
  } catch (...) {
    roll_back(kernel, removed, added, applied);
    throw;
  }
  kernel.settle();
  return failures;
}

RollbackFailed::RollbackFailed(const std::system_error& cause, std::vector<std::string> failures)
    : std::system_error(cause.code()), failures_(std::move(failures)), text_(cause.what()) {
  text_ += "; could not be undone:";
  for (const std::string& failure : failures_)
    text_ += " " + failure + ";";
  text_.pop_back();
}

}  // namespace sandbox
