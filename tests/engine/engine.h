// A machine with netd and a real dockerd, whose containers run on netd's networks. The engine has a
// PID and a mount namespace of its own, so that neither it nor a container outlives the test, and
// its data is in memory. Commands read as a user types them: docker("network ls").
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/e2e/end_to_end.h"

namespace engine {

using e2e::Result;

class Engine : public e2e::EndToEnd {
 protected:
  void SetUp() override;
  /// Nothing of the engine runs any more; its log is printed when the test failed.
  void TearDown() override;
  std::vector<std::string> netd_flags() const override;

  // --- the engine ---
  /// Returns when it answers.
  void start_engine(const std::vector<std::string>& more = {});
  /// SIGTERM, and waits for its end.
  void stop_engine();
  /// kill -9: containerd goes with it, the containers stay.
  void crash_engine();
  /// EndToEnd::reboot, with the engine's data kept.
  void reboot_machine();
  /// Runs a command among the engine's processes.
  static Result attempt_in_engine(const std::string& command);
  /// kill -9 of a container's own process.
  static void kill_container(const std::string& name);
  /// The path of a container's network namespace.
  static std::string netns_of_container(const std::string& name);

  // --- docker ---
  /// What the client prints, without the newline at its end; it has to succeed.
  static std::string docker(const std::string& arguments);
  /// What the client says; it has to fail.
  static std::string refused(const std::string& arguments);
  /// "docker network create" of a network of netd's, with names asked from the engine.
  static void create_network(const std::string& name, const std::string& options);
  /// A container in the background. When this returns, a web server at its port 80 answers with
  /// the container's name.
  static void run(const std::string& name, const std::string& options);
  /// A container that runs `command` and goes.
  static Result run_once(const std::string& options, const std::string& command);
  static std::string in_container(const std::string& name, const std::string& command);
  static std::string container_address(const std::string& name, const std::string& network);

  // --- what is there ---
  /// traces(), the engine's and netd's networks, containers, and the rules in Docker's chain.
  static std::string all_traces();
  /// Removes all containers, networks and sandboxes: what is left is what was there before the
  /// test.
  void expect_no_trace();

  /// The outside finds `page` at the host's port 8080, soon.
  static bool is_published(const std::string& page);
  /// Asks again and again, for a minute at most.
  static bool soon(const std::function<bool()>& holds);

 private:
  void make_namespace();
  void end_namespace();
  void remove_cgroups() const;

  std::string data_root_;
  std::string traces_before_;
  std::unique_ptr<e2e::Process> namespace_;  // unshare(1), whose child is the engine's init
  std::unique_ptr<e2e::Process> dockerd_;    // nsenter(1), which ends when dockerd does
};

/// Gives an engine the image "box": busybox, and a web server that says the container's name.
/// `client`: "docker", with what it needs to find the engine.
void import_box(const std::string& client);

/// "wget …" in a container: busybox has no curl.
std::string fetch_with_busybox(const std::string& url);

}  // namespace engine
