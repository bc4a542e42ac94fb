#include "tests/lan/lan.h"

#include <signal.h>

#include <cstdlib>
#include <fstream>
#include <stdexcept>

namespace lan {

void make_lan() {
  const char* commands =
      "ip netns add lan; ip -n lan link add sw type bridge; ip -n lan link set sw up;"
      "ip link add lan0 type veth peer name port0 netns lan; ip -n lan link set port0 master sw up;"
      "ip address add 192.168.7.10/24 dev lan0; ip link set lan0 up;"
      "for host in router:1 neighbour:2; do name=${host%:*}; "
      "  ip netns add $name; ip -n $name link set lo up;"
      "  ip -n $name link add eth0 type veth peer name p-$name netns lan;"
      "  ip -n lan link set p-$name master sw up; ip -n $name link set eth0 up;"
      "  ip -n $name address add 192.168.7.${host#*:}/24 dev eth0; "
      "  ip -n $name address add fd07::${host#*:}/64 dev eth0 nodad; done;"
      "ip -n router address add 203.0.113.1/32 dev lo;"
      "ip netns exec router sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward';"
      "ip -n neighbour route add default via 192.168.7.1";
  if (system((std::string("set -e; ") + commands).c_str()) != 0)
    throw std::runtime_error("the LAN can't be made");
}

void Lan::create_network(const std::string& options, const std::string& name) {
  const std::string driver = options.find("-d ") == std::string::npos ? "-d macvlan " : "";
  shell(
      "netctl network create " + driver +
      "--subnet 192.168.7.0/24 --gateway 192.168.7.1 --ip-range 192.168.7.128/25 -o parent=lan0 " +
      options + " " + name);
}

void Lan::create_sandbox(const std::string& name, const std::string& attachment) {
  shell("netctl sandbox create --network " + attachment + " " + name);
}

std::string ping(const std::string& address) {
  return "busybox ping -q -c 1 -W 1 " + address;
}

bool Lan::reaches(const std::string& from_sandbox, const std::string& address) {
  return attempt_in(from_sandbox, ping(address)).status == 0;
}

std::string Lan::on(const std::string& machine, const std::string& command) {
  return shell("ip netns exec " + machine + " " + command);
}

e2e::Result Lan::attempt_on(const std::string& machine, const std::string& command) {
  return attempt("ip netns exec " + machine + " " + command);
}

void Lan::start_dnsmasq(const std::string& options) {
  on("router",
     "dnsmasq --conf-file=/dev/null --user=root --interface=eth0 --bind-interfaces "
     "--dhcp-authoritative --dhcp-option=option:router,192.168.7.1 --dhcp-leasefile=/run/leases "
     "--pid-file=/run/dnsmasq.pid --log-facility=/run/dnsmasq.log --log-dhcp " +
         options);
}

void Lan::stop_dnsmasq() {
  std::ifstream file("/run/dnsmasq.pid");
  pid_t pid = 0;
  if (!(file >> pid)) return;
  kill(pid, SIGTERM);
  shell("while [ -e /proc/" + std::to_string(pid) + " ]; do :; done; rm -f /run/dnsmasq.pid");
}

nlohmann::json Lan::link_in(const std::string& sandbox, const std::string& link) {
  return nlohmann::json::parse(in(sandbox, "ip -j -d link show " + link)).at(0);
}

}  // namespace lan
