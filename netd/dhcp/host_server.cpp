#include "netd/dhcp/host_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <fstream>

#include "netd/dhcp/message.h"
#include "sandbox/fd.h"

namespace netd::dhcp {

bool host_has_server() {
  // proc(5): "sl local_address rem_address …", addresses as HEX:PORT.
  std::ifstream sockets("/proc/thread-self/net/udp");
  std::string line;
  std::getline(sockets, line);
  std::string slot, local;
  while (sockets >> slot >> local) {
    if (local.ends_with(":0043")) return true;
    std::getline(sockets, line);
  }
  return false;
}

void tell_host(const std::string& interface, View message) {
  const sandbox::Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  if (!socket || setsockopt(socket.get(), SOL_SOCKET, SO_BROADCAST, &on, sizeof on) < 0 ||
      setsockopt(socket.get(), SOL_SOCKET, SO_BINDTODEVICE, interface.c_str(),
                 static_cast<socklen_t>(interface.size())) < 0)
    return;
  sockaddr_in everybody{};
  everybody.sin_family = AF_INET;
  everybody.sin_port = htons(server_port);
  everybody.sin_addr.s_addr = htonl(INADDR_BROADCAST);
  [[maybe_unused]] const ssize_t sent =
      sendto(socket.get(), message.data(), message.size(), MSG_DONTWAIT,
             reinterpret_cast<const sockaddr*>(&everybody), sizeof everybody);
}

}  // namespace netd::dhcp
