#include "netd/work.h"

#include <algorithm>

#include "sandbox/transition.h"

namespace netd {
namespace {

const sandbox::Plan& plan_of(const Record& record) {
  return std::visit([](const auto& r) -> const sandbox::Plan& { return r.progress.plan; }, record);
}

bool is_route(const sandbox::Step& step) {
  return std::holds_alternative<sandbox::AddRoute>(step);
}

template <class Wanted>
void append(const std::vector<const Record*>& records, std::size_t kind, Wanted wanted,
            sandbox::Plan& plan) {
  for (const Record* record : records)
    if (record->index() == kind)
      std::ranges::copy_if(plan_of(*record), std::back_inserter(plan), wanted);
}

}  // namespace

sandbox::Plan assemble(const std::vector<const Record*>& records) {
  constexpr std::size_t network = 0, sandbox = 1, endpoint = 2;  // alternatives of Record
  const auto any = [](const sandbox::Step&) { return true; };
  const auto no_route = [](const sandbox::Step& step) { return !is_route(step); };
  sandbox::Plan plan;
  append(records, network, any, plan);
  append(records, sandbox, no_route, plan);
  append(records, endpoint, any, plan);
  append(records, sandbox, is_route, plan);
  return plan;
}

void Work::make(Record record, bool joined) {
  progress_of(record).state = joined ? State::joined : State::joining;
  changes_.push_back({std::nullopt, std::move(record)});
}

void Work::change(Record record) {
  progress_of(record).state = State::joined;
  std::optional<Record> before;
  if (const auto* r = records_.network(id_of(record))) before = *r;
  if (const auto* r = records_.sandbox(id_of(record))) before = *r;
  if (const auto* r = records_.endpoint(id_of(record))) before = *r;
  changes_.push_back({std::move(before), std::move(record)});
}

void Work::remove(const Record& record) {
  changes_.push_back({record, std::nullopt});
}

void Work::write_intents() {
  std::vector<Change> changes;
  for (const Item& item : changes_) {
    Record intent = item.before ? *item.before : *item.after;
    Progress& progress = progress_of(intent);
    if (!item.before)
      progress.state = State::joining;
    else if (!item.after)
      progress.state = State::leaving;
    else
      progress.next = plan_of(*item.after);
    changes.push_back({key_of(intent), to_text(intent)});
  }
  store_.txn({}, changes, Durability::process);
}

void Work::write_back() {
  std::vector<Change> changes;
  for (const Item& item : changes_) {
    if (item.before)
      changes.push_back({key_of(*item.before), to_text(*item.before)});
    else
      changes.push_back({key_of(*item.after), std::nullopt});
  }
  store_.txn({}, changes, Durability::process);
}

/// What was begun and could not be undone stays on record, to be undone by a removal or at the next
/// start. The intents in the store say so already.
void Work::keep_for_later() {
  for (Item& item : changes_) {
    if (item.before) continue;
    progress_of(*item.after).state = State::leaving;
    records_.put(std::move(*item.after));
  }
}

void Work::write_results(bool undone_all, Durability durability) {
  std::vector<Change> changes;
  for (Item& item : changes_) {
    if (!item.after && !undone_all) {
      item.after = item.before;
      progress_of(*item.after).state = State::leaving;
    }
    if (item.after)
      changes.push_back({key_of(*item.after), to_text(*item.after)});
    else
      changes.push_back({key_of(*item.before), std::nullopt});
  }
  store_.txn({}, changes, durability);
}

std::vector<std::string> Work::commit(Durability durability) {
  std::vector<const Record*> before, after;
  for (const Item& item : changes_) {
    if (item.before) before.push_back(&*item.before);
    if (item.after) after.push_back(&*item.after);
  }
  const sandbox::Plan from = assemble(before), to = assemble(after);
  write_intents();
  std::vector<std::string> failures;
  try {
    failures = sandbox::transition(kernel_, from, to);
    try {
      write_results(failures.empty(), durability);
    } catch (...) {
      sandbox::transition(kernel_, to, from);
      throw;
    }
  } catch (const sandbox::RollbackFailed&) {
    keep_for_later();
    throw;
  } catch (...) {
    write_back();
    throw;
  }
  for (Item& item : changes_) {
    if (item.after)
      records_.put(std::move(*item.after));
    else
      records_.erase(*item.before);
  }
  return failures;
}

}  // namespace netd
