#include "sandbox/plan.h"

#include <fmt/format.h>

#include <algorithm>

namespace sandbox {
namespace {

std::string in(const Netns& netns) {
  return netns.empty() ? std::string() : " in " + netns;
}

std::string with_mtu(std::uint32_t mtu) {
  return mtu == 0 ? std::string() : fmt::format(" mtu {}", mtu);
}

std::string_view on_or_off(bool on) {
  return on ? "on" : "off";
}

std::string text_of(const PinNamespace& step) {
  const std::string source = step.source.empty() ? "" : " from " + step.source;
  return fmt::format("namespace {}{}", step.path, source);
}

std::string text_of(const CreateBridge& step) {
  return fmt::format("bridge {} index {} mac {}{}{}{}", step.name, step.index, step.mac.to_string(),
                     with_mtu(step.mtu),
                     step.vlan == 0 ? std::string() : fmt::format(" vlan {}", step.vlan),
                     step.bare ? " bare" : "");
}

std::string text_of(const CreateVxlan& step) {
  return fmt::format("vxlan {} index {} mac {}{} id {} port {} local {}", step.name, step.index,
                     step.mac.to_string(), with_mtu(step.mtu), step.vni, step.port,
                     step.local.to_string());
}

std::string text_of(const AddFdbEntry& step) {
  return fmt::format("fdb {} link {}", step.mac.to_string(), step.index);
}

std::string text_of(const CreateVeth& step) {
  return fmt::format("veth {} index {} mac {}{} peer {} index {} mac {}{}", step.name, step.index,
                     step.mac.to_string(), with_mtu(step.mtu), step.peer_name, step.peer_index,
                     step.peer_mac.to_string(), in(step.netns));
}

std::string text_of(const CreateLink& step) {
  std::string text = fmt::format("{} {} index {}", step.kind, step.name, step.index);
  if (step.mac != ipam::Mac{}) text += " mac " + step.mac.to_string();
  text += with_mtu(step.mtu);
  if (step.parent != 0) text += fmt::format(" on {}", step.parent);
  if (step.vlan != 0) text += fmt::format(" id {}", step.vlan);
  if (!step.mode.empty()) text += " mode " + step.mode;
  if (!step.flag.empty()) text += " " + step.flag;
  for (const ipam::Mac& source : step.sources)
    text += " from " + source.to_string();
  return text + in(step.netns);
}

std::string text_of(const SetLink& step) {
  std::string text = fmt::format("link {}", step.index);
  if (step.alias) text += fmt::format(" alias \"{}\"", *step.alias);
  if (step.mac) text += " mac " + step.mac->to_string();
  if (step.master) text += fmt::format(" master {}", *step.master);
  if (step.mtu) text += with_mtu(*step.mtu);
  if (step.ipv6_link_local)
    text += fmt::format(" ipv6-link-local {}", on_or_off(*step.ipv6_link_local));
  if (step.up) text += *step.up ? " up" : " down";
  return text + in(step.netns);
}

std::string text_of(const SetBridgePort& step) {
  std::string text = fmt::format("bridge-port {} isolated {} hairpin {}", step.index,
                                 on_or_off(step.isolated), on_or_off(step.hairpin));
  if (step.vlan != 0) text += fmt::format(" vlan {}", step.vlan);
  if (step.no_learning) text += " no-learning";
  if (step.locked) text += " locked";
  if (step.suppress_neighbours) text += " suppress-neighbours";
  if (step.no_flood) text += " no-flood";
  return text;
}

std::string text_of(const AddAddress& step) {
  return fmt::format("address {} link {}{}", step.address.to_string(), step.index, in(step.netns));
}

std::string text_of(const AddRoute& step) {
  std::string text = "route " + step.destination.to_string();
  if (!step.type.empty()) text += " " + step.type;
  if (step.gateway) text += " via " + step.gateway->to_string();
  if (step.index != 0) text += fmt::format(" link {}", step.index);
  if (step.metric != 0) text += fmt::format(" metric {}", step.metric);
  return text + in(step.netns);
}

std::string text_of(const SetSysctl& step) {
  return fmt::format("sysctl {} = {}{}", step.key, step.value, in(step.netns));
}

std::string text_of(const SetHostSysctl& step) {
  return fmt::format("host-sysctl {} = {}", step.key, step.value);
}

std::string text_of(const AddElements& step) {
  std::string text = "elements";
  const std::string* set = nullptr;
  for (const Element& element : step.elements) {
    if (set && *set == element.set) {
      text += ", ";
    } else {
      text += fmt::format("{} {} {{ ", set ? " }" : "", element.set);
      set = &element.set;
    }
    text += to_text(element);
  }
  return set ? text + " }" : text;
}

std::string text_of(const RedirectDns& step) {
  return fmt::format("dns 127.0.0.11:53 to port {}{}", step.port, in(step.netns));
}

std::string text_of(const AdmitForwarding& step) {
  return "admit forwarding " + step.link;
}

std::string text_of(const MoveLink& step) {
  return fmt::format("move {} to {} index {}{}", step.name, step.new_name, step.index,
                     in(step.netns));
}

std::string text_of(const ElementField& field) {
  struct {
    std::string operator()(LinkIndex link) const { return fmt::format("{}", link.index); }
    std::string operator()(Protocol protocol) const { return std::string(to_text(protocol)); }
    std::string operator()(PortNumber port) const { return fmt::format("{}", port.number); }
    std::string operator()(const ipam::Address& address) const { return address.to_string(); }
  } constexpr print;
  return std::visit(print, field);
}

std::string text_of(const std::vector<ElementField>& fields) {
  std::string text;
  for (const ElementField& field : fields)
    text += (text.empty() ? "" : " . ") + text_of(field);
  return text;
}

}  // namespace

std::string to_text(const Step& step) {
  std::string line = std::visit([](const auto& fields) { return text_of(fields); }, step);
  // A sysctl's value or an alias may hold anything; a line stays one line.
  const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
  std::replace_if(line.begin(), line.end(), is_control, '?');
  return line;
}

std::string to_text(const Plan& plan) {
  std::string text;
  for (const Step& step : plan)
    text += to_text(step) + "\n";
  return text;
}

std::string to_text(const Element& element) {
  const std::string key = text_of(element.key);
  return element.value.empty() ? key : key + " : " + text_of(element.value);
}

std::string_view to_text(Protocol protocol) {
  switch (protocol) {
    case Protocol::tcp:
      return "tcp";
    case Protocol::udp:
      return "udp";
    case Protocol::sctp:
      return "sctp";
  }
  return "unknown";
}

}  // namespace sandbox
