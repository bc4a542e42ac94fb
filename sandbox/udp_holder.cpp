#include "sandbox/udp_holder.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <system_error>
#include <vector>

namespace sandbox {
namespace {

namespace fs = std::filesystem;

/// Inodes of the sockets on that port; 0 is a socket of the kernel's own.
std::vector<std::uint64_t> sockets_on(std::uint16_t port) {
  std::vector<std::uint64_t> inodes;
  for (const char* table : {"/proc/thread-self/net/udp", "/proc/thread-self/net/udp6"}) {
    std::ifstream file(table);
    std::string line;
    std::getline(file, line);  // the head
    while (std::getline(file, line)) {
      // sl local remote st queues tr:when retransmits uid timeout inode …: proc(5), net/tcp
      std::istringstream fields(line);
      std::string number, local, skipped;
      std::uint64_t inode = 0;
      fields >> number >> local;
      for (int i = 0; i < 7; ++i)
        fields >> skipped;
      fields >> inode;
      const std::size_t colon = local.rfind(':');
      if (fields && colon != std::string::npos &&
          local.substr(colon + 1) == fmt::format("{:04X}", port))
        inodes.push_back(inode);
    }
  }
  return inodes;
}

bool has_socket(const fs::path& process, const std::vector<std::string>& sockets) {
  std::error_code error;
  for (const auto& descriptor : fs::directory_iterator(process / "fd", error)) {
    const std::string target = fs::read_symlink(descriptor.path(), error).string();
    if (!error && std::ranges::find(sockets, target) != sockets.end()) return true;
  }
  return false;
}

std::string process_with(const std::vector<std::string>& sockets) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const std::string pid = entry.path().filename().string();
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    if (!has_socket(entry.path(), sockets)) continue;
    std::string name;
    std::getline(std::ifstream(entry.path() / "comm") >> std::ws, name);
    return fmt::format("process {} ({})", pid, name);
  }
  return "a process that can't be seen from here";
}

}  // namespace

std::string find_udp_holder(std::uint16_t port) {
  const std::vector<std::uint64_t> inodes = sockets_on(port);
  if (inodes.empty()) return "";
  std::vector<std::string> sockets;
  for (const std::uint64_t inode : inodes)
    if (inode != 0) sockets.push_back(fmt::format("socket:[{}]", inode));
  if (sockets.empty()) return "the kernel (a tunnel: vxlan, geneve, wireguard)";
  return process_with(sockets);
}

}  // namespace sandbox
