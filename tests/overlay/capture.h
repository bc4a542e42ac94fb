// What passes a wire of the test's LAN, for proofs of what does not.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <thread>

namespace overlay {

/// Reads every frame of a link, both ways, until it ends.
class Capture {
 public:
  /// `secret`: bytes that must be in no frame. Throws std::system_error.
  Capture(const std::string& link, std::string secret);
  ~Capture();
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  struct Seen {
    /// Frames by kind: "arp", "icmp6", "tcp 2379", "udp 51871" (the lower port), …
    std::map<std::string, std::size_t> kinds;
    std::size_t with_secret = 0;
    std::size_t lost = 0;  // that the kernel had no room for: then nothing is proved
  };
  /// Ends it.
  Seen stop();

 private:
  void run();
  int fd_ = -1;
  const std::string secret_;
  std::atomic<bool> stopping_ = false;
  Seen seen_;
  std::thread thread_;
};

}  // namespace overlay
