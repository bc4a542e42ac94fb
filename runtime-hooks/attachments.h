// What front ends of container engines do one network at a time: a container's interface comes to a
// netd network, and goes. A container is one sandbox, made with its first interface and removed
// with its last. Each attachment carries, in its endpoint's options, whose it is: front ends keep
// no files.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "runtime-hooks/daemon.h"

namespace runtime_hooks {

/// Whose an attachment is.
struct AttachmentKey {
  std::string face;       // of the front end: "cni", "netavark"
  std::string container;  // its id at the engine
  std::string interface;  // in the container
  std::string scope;      // the engine's name of the network

  friend bool operator==(const AttachmentKey&, const AttachmentKey&) = default;
};

struct Attachment {
  AttachmentKey key;
  std::string netns;     // the container's, a path
  std::string network;   // netd's
  nlohmann::json ports;  // PortBindings
  /// EndpointSettings; the interface's name is set from the key.
  nlohmann::json settings = nlohmann::json::object();
  /// What POST /sandboxes says besides, where this is the container's first: "Dns", "Hostname", …
  nlohmann::json sandbox = nlohmann::json::object();
  /// The sandbox's name if nobody has it; else, and if empty, one made of the container's id.
  std::string name;
  /// Makes the network when there is none of this name (POST /networks/create).
  nlohmann::json make_network = nlohmann::json::object();
};

/// One that there is.
struct FoundAttachment {
  AttachmentKey key;
  std::string sandbox;   // id
  std::string network;   // netd's id of it
  nlohmann::json ports;  // those that it brought
  nlohmann::json endpoint;
};

class Attachments {
 public:
  explicit Attachments(Daemon& daemon) : daemon_(daemon) {}

  /// The sandbox's JSON. Throws Refusal with nothing left behind, also when the container has an
  /// interface of that name.
  nlohmann::json attach(const Attachment& attachment);
  /// False: there was none.
  bool detach(const AttachmentKey& key);
  /// All of one front end's in a network of the engine's.
  std::vector<FoundAttachment> of_network(const std::string& face, const std::string& scope);

  /// The container's sandbox; null when there is none.
  nlohmann::json sandbox_of(const AttachmentKey& key);
  /// Its endpoint in that sandbox's JSON; null when there is none.
  static nlohmann::json endpoint_in(const nlohmann::json& sandbox, const AttachmentKey& key);

 private:
  using Wanted = std::function<bool(const FoundAttachment&)>;
  nlohmann::json connect(const nlohmann::json& sandbox, const Attachment& attachment,
                         const nlohmann::json& settings);
  nlohmann::json owner_of(const std::string& netns);
  void make_network(const Attachment& attachment);
  void disconnect(const nlohmann::json& sandbox, const FoundAttachment& attachment);
  bool remove_if_empty(const std::string& sandbox, const AttachmentKey& key);
  std::vector<FoundAttachment> find(const Wanted& wanted);

  Daemon& daemon_;
};

}  // namespace runtime_hooks
