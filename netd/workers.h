// Threads for verbs that wait for plugins, or for a LAN. One that hangs holds its own share of them
// and no other's.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

namespace netd {

/// All functions may be called from any thread.
class Workers {
 public:
  static constexpr std::size_t most_per_plugin = 64;  // verbs that wait for one plugin
  static constexpr std::size_t most_per_lan = 256;    // as many as a /24 has addresses
  static constexpr std::size_t most = 1024;           // in all

  /// Stands among plugins for the LAN of a network, whose hosts are asked: all its containers may
  /// be started at once, and a thread that waits costs little.
  static std::string lan_of(const std::string& network) { return lan_prefix + network; }

  Workers() = default;
  ~Workers() { stop(); }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  /// A place, counted against each of the plugins for as long as it lives. Throws
  /// Error(unavailable) that names the plugin that has none left.
  using Place = std::shared_ptr<void>;
  Place admit(const std::set<std::string>& plugins);

  /// Runs `act`, which does not throw, on a thread of its own. Throws std::system_error.
  void start(std::function<void()> act);

  /// Background work asks this between two calls and ends early.
  bool is_stopping() const;
  /// Waits until all have ended.
  void stop();

 private:
  static constexpr const char* lan_prefix = "the LAN of network ";  // no plugin's name has spaces

  struct Counts {
    std::mutex mutex;
    std::map<std::string, std::size_t> by_plugin;
    std::size_t all = 0;
  };

  std::shared_ptr<Counts> counts_ = std::make_shared<Counts>();
  mutable std::mutex mutex_;
  std::condition_variable ended_;
  std::size_t running_ = 0;
  bool stopping_ = false;
};

}  // namespace netd
