// What a container engine says to a host's netd through the plugin protocol (libnetwork.md 2.6), in
// this test's name: for the networks of the cluster, without an engine.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

namespace overlay {

class PluginEngine {
 public:
  /// `socket`: netd.sock in its plugin directory. `digit` makes the ids of its network and
  /// endpoints.
  PluginEngine(std::string socket, char digit) : socket_(std::move(socket)), digit_(digit) {}

  nlohmann::json call(const std::string& method, const nlohmann::json& body) const;
  /// What it answers has no error.
  nlohmann::json expect(const std::string& method, const nlohmann::json& body) const;
  /// The text of an error that it has to be.
  std::string refused(const std::string& method, const nlohmann::json& body) const;

  // --- as `docker network create` says it; `ipam` and `option` are io.netd.network of both kinds
  nlohmann::json pool_body(const std::string& ipam, const std::string& subnet = "",
                           bool ipv6 = false) const;
  nlohmann::json network_body(const std::string& option, const std::string& subnet,
                              nlohmann::json options = nlohmann::json::object()) const;
  /// The network that stands for `name`. Remembers its pool.
  void create_network(const std::string& name);
  void remove_network() const;

  // --- as `docker run` and `docker rm` say it
  struct Container {
    char digit;  // of its endpoint's id
    std::string address;
    std::string link;
    nlohmann::json joined;
  };
  nlohmann::json address_body(const std::string& name, const std::string& wanted = "") const;
  std::string request_address(const std::string& name, const std::string& wanted = "") const;
  nlohmann::json endpoint_body(char digit, const std::string& address) const;
  /// To the link that the engine takes.
  Container start(char digit, const std::string& name, const std::string& wanted = "") const;
  void stop(const Container& container) const;
  nlohmann::json ids(char digit) const;

  const std::string& pool() const { return pool_; }
  std::string network_id() const { return std::string(64, digit_); }

 private:
  std::string socket_;
  char digit_;
  std::string pool_;
};

}  // namespace overlay
