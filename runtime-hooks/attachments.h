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
  std::string netns;                                // the container's, a path
  std::string network;                              // netd's
  nlohmann::json ports = nlohmann::json::object();  // PortBindings
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
  explicit Attachments(Daemon& daemon);

  /// What `work` returns. When it throws, what it attached is taken back, and the networks that it
  /// made.
  nlohmann::json all_or_nothing(const std::function<nlohmann::json()>& work);
  /// The sandbox's JSON. Throws Refusal, also when the container has an interface of that name. It
  /// is for all_or_nothing() to take back what a failure leaves.
  nlohmann::json attach(const Attachment& attachment);
  /// False: there was none.
  bool detach(const AttachmentKey& key);
  /// All of one front end's in a network of the engine's.
  std::vector<FoundAttachment> of_network(const std::string& face, const std::string& scope);

  /// The container's sandbox; null when there is none.
  nlohmann::json sandbox_of(const AttachmentKey& key);
  /// Its endpoint in that sandbox's JSON; null when there is none.
  static nlohmann::json endpoint_in(const nlohmann::json& sandbox, const AttachmentKey& key);
  /// The bindings of `ports` that are not in `others`.
  static nlohmann::json without(const nlohmann::json& ports, const nlohmann::json& others);

 private:
  using Wanted = std::function<bool(const FoundAttachment&)>;
  nlohmann::json settings_of(const Attachment& attachment, const nlohmann::json& own_ports) const;
  bool is_made(const nlohmann::json& sandbox, const AttachmentKey& key) const;
  nlohmann::json join(const Attachment& attachment);
  nlohmann::json connect(const nlohmann::json& sandbox, const Attachment& attachment);
  void make_network(const Attachment& attachment);
  void take_back() noexcept;
  void disconnect(const nlohmann::json& sandbox, const FoundAttachment& attachment);
  bool remove_if_empty(const std::string& sandbox, const AttachmentKey& key);
  std::vector<FoundAttachment> find(const Wanted& wanted);

  Daemon& daemon_;
  /// Tells what this process made, also where the answer got lost, from what others did.
  std::string token_;
  std::vector<AttachmentKey> attached_;
  std::vector<std::string> made_networks_;  // ids
};

}  // namespace runtime_hooks
