// Boot: what an earlier netd left, in the store and in the kernel, made one again.
//
//   record      found at boot           what is done
//   joining     the verb was cut off    reverted, record deleted
//   leaving     the removal was         finished, record deleted
//   joined      (with `next`: while     back to the plan it had (forward when an endpoint
//               it changed)             leaves), then on to what the driver says today
//   another     the host rebooted, or   sandboxes and endpoints dropped, only their pins
//   identity    its namespace is new    undone; networks made again
//
// What plugins are to be told of objects that go is written down (owed_calls.h) and told later, in
// the background: nobody is waited for here.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "netd/controller_state.h"
#include "sandbox/link_watch.h"

namespace netd {

class Restore {
 public:
  Restore(Controller::State& state, std::string host_identity)
      : state_(state), host_identity_(std::move(host_identity)) {}

  /// What went wrong without stopping it, one text a problem.
  std::vector<std::string> run();
  /// While netd runs: networks whose parent is among the links are made good where it came back or
  /// was renamed. Problems, as above.
  std::vector<std::string> mend(const sandbox::LinkNotices& notices);

 private:
  bool is_same_host();
  void load(bool same_host);
  void drop_records(const std::vector<Record>& records);
  void remove_files(Record& record);
  void restore_on_parent(NetworkRecord record);
  bool has_link(const EndpointRecord& record, const SandboxRecord& sandbox) const;
  void settle(std::vector<Record>& records);
  bool settle_one(Record& record);
  void write_settled(const std::vector<Record>& records);
  void owe_plugins(const std::vector<Record>& going, const std::vector<Record>& all);
  void count_up(const Record& record);
  void count_up_links();
  void restore_firewall();
  static std::vector<const NetworkRecord*> parents_first(
      std::vector<const NetworkRecord*> networks);
  void restore_networks();
  void restore_network(const NetworkRecord& record);
  void restore_overlay(const NetworkRecord& record);
  void restore_names_and_addresses();
  void restore_sandbox(const SandboxRecord& record);
  bool restore_endpoints(const SandboxRecord& record);
  bool is_on_another_link(const EndpointRecord& record, const SandboxRecord& sandbox) const;
  void restore_attachments(SandboxRecord record);
  void restore_holds(SandboxRecord& record);
  void restore_plans(SandboxRecord record);
  void mend(const NetworkRecord& network);
  void remake(const sandbox::Plan& plan, const std::string& object);
  void note(const std::string& object, const std::exception& error);

  Controller::State& state_;
  std::string host_identity_;
  std::set<std::string> disconnecting_;  // sandboxes whose endpoints leave: forward, not back
  std::vector<std::string> settled_;     // keys of records that were cut off in the middle
  std::vector<std::string> problems_;
};

}  // namespace netd
