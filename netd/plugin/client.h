// Asking plugins: Docker's plugin protocol from the host's side (libnetwork.md 2.2, 2.3). Every
// call blocks until the plugin has answered or its deadline has passed, so none is made on the
// control thread. All functions may be called from any thread.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include "netd/plugin/discovery.h"
#include "netd/plugin/messages.h"

namespace netd::plugin {

/// How long a plugin is waited for.
struct Patience {
  std::chrono::milliseconds call = std::chrono::seconds(10);  // one call, from connect to answer
  /// While nobody listens (the plugin is just starting): only connecting is tried again.
  std::chrono::milliseconds connect = std::chrono::seconds(1);
};

/// What a plugin did not do; `what()` reads "plugin weave: NetworkDriver.Join: …".
class PluginError : public std::runtime_error {
 public:
  enum class Kind {
    unreachable,      // it was not asked: nobody listens, or a certificate is not accepted
    silent,           // asked, but no whole answer came in time: it may have acted
    refused,          // it said Err
    not_implemented,  // 404
    malformed,        // its answer can't be understood: it has acted
  };
  PluginError(Kind kind, std::string plugin, std::string_view method, std::string_view text);
  /// The same failure, told with what was being done: "<context>: <what>".
  PluginError within(std::string_view context) const;
  const std::string& plugin() const { return plugin_; }
  Kind kind() const { return kind_; }
  /// The call may have had its effect.
  bool may_have_acted() const { return kind_ == Kind::silent || kind_ == Kind::malformed; }
  /// Asking this plugin again soon would only cost time.
  bool is_absent() const { return kind_ == Kind::unreachable || kind_ == Kind::silent; }

 private:
  PluginError(Kind kind, std::string plugin, const std::string& what)
      : std::runtime_error(what), kind_(kind), plugin_(std::move(plugin)) {}

  Kind kind_;
  std::string plugin_;
};

/// What the handshake told.
struct Capabilities {
  Implements implements;
  DriverCapabilities driver;
  IpamCapabilities ipam;
};

class Plugins {
 public:
  Plugins(Directories directories, Patience patience)
      : directories_(std::move(directories)), patience_(patience) {}

  /// Some directory knows the name; nobody is asked. False too for a file that can't be understood:
  /// activate() says why.
  bool is_there(std::string_view name) const;

  /// The handshake, at the name's first use. Throws PluginError, netd::Error (not_found: no such
  /// plugin), std::invalid_argument (its file).
  Capabilities activate(const std::string& name);

  /// One call; `method` is "NetworkDriver.Join". Returns the reply, an object. Throws as
  /// activate().
  nlohmann::json call(const std::string& name, std::string_view method,
                      const nlohmann::json* arguments = nullptr);

  /// One call whose reply `read` understands; what it refuses becomes a PluginError.
  template <class Read>
  auto ask(const std::string& name, std::string_view method, const nlohmann::json* arguments,
           Read read) {
    const nlohmann::json reply = call(name, method, arguments);
    try {
      return read(reply);
    } catch (const std::invalid_argument& error) {
      throw malformed(name, method, error.what());
    }
  }

 private:
  static PluginError malformed(const std::string& name, std::string_view method,
                               std::string_view why);
  Location locate(const std::string& name) const;
  Capabilities shake_hands(const std::string& name);

  Directories directories_;
  Patience patience_;
  std::mutex mutex_;
  std::map<std::string, Capabilities> known_;  // activated
};

}  // namespace netd::plugin
