// A plugin of Docker's protocol that does what a test tells it: answer well, late, half, wrongly or
// not at all. It writes down what it was asked, in order.
#pragma once

#include <condition_variable>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "tests/plugin/plugin_wire.h"

namespace tests {

class ScriptedPlugin {
 public:
  struct Call {
    std::string method;  // "NetworkDriver.Join"
    nlohmann::json arguments;
    std::string head;  // request line and headers
  };
  using Answer = std::function<nlohmann::json(const nlohmann::json& arguments)>;

  /// Listens at `path` (its directories are made) when the constructor returns, in the namespace of
  /// the caller. Methods without an answer are 404, but Plugin.Activate tells of both interfaces.
  explicit ScriptedPlugin(std::string path);
  /// The same on TCP at an address of the loopback ("127.0.0.1"), port(); with TLS when `tls` is
  /// given.
  ScriptedPlugin(const std::string& address, const PluginTls* tls);
  /// Ends at once, whatever hangs; the socket file goes too.
  ~ScriptedPlugin();
  ScriptedPlugin(const ScriptedPlugin&) = delete;
  ScriptedPlugin& operator=(const ScriptedPlugin&) = delete;

  /// Of TCP, chosen by the kernel.
  std::uint16_t port() const { return port_; }

  // --- what it does from now on, by method
  void answer(const std::string& method, nlohmann::json reply);
  void answer_by(const std::string& method, Answer answer);
  /// This status and body, as they are.
  void say(const std::string& method, int status, const std::string& body);
  /// Takes the request and never answers.
  void hang(const std::string& method);
  /// Half of an answer, and the connection is closed.
  void answer_half(const std::string& method);

  // --- what it was asked
  std::vector<Call> calls() const;
  /// The methods, in order, a line each.
  std::string methods() const;
  void forget_calls();
  /// True when `method` has been asked `count` times; waits for that up to ten seconds.
  bool was_asked(const std::string& method, std::size_t count = 1) const;
  /// The arguments of the last call of `method`; null without one.
  nlohmann::json last(const std::string& method) const;

 private:
  using Speak = std::function<void(PluginWire& wire, const nlohmann::json& arguments)>;

  void begin();
  void set(const std::string& method, Speak speak);
  void accept_all();
  void serve(int socket);
  bool serve_one(PluginWire& wire, std::string& pending);

  std::string path_;  // empty on TCP
  std::shared_ptr<ssl_ctx_st> tls_;
  std::uint16_t port_ = 0;
  int listening_ = -1;
  int stop_ = -1;  // eventfd: readable when it is to end
  mutable std::mutex mutex_;
  mutable std::condition_variable asked_;
  std::map<std::string, Speak> script_;
  std::vector<Call> calls_;
  std::list<std::thread> connections_;
  std::thread acceptor_;
};

/// Lets `plugin` be a good one: endpoints are veth pairs in this namespace (`pl…` stays, `pc…` goes
/// into the sandbox), addresses come from 10.77.0.0/24, gateway 10.77.0.1.
void be_good_network_driver(ScriptedPlugin& plugin);
void be_good_ipam_driver(ScriptedPlugin& plugin);

}  // namespace tests
