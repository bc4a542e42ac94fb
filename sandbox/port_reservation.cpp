#include "sandbox/port_reservation.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <map>
#include <set>
#include <string>
#include <system_error>
#include <tuple>

namespace sandbox {

/// Who holds what, and where each range's search goes on.
struct Reservation::Table {
  using Range = std::tuple<Protocol, std::uint16_t, std::uint16_t>;
  static constexpr std::size_t most_ranges = 4096;

  std::set<std::tuple<Protocol, std::uint16_t, ipam::Address>> held;
  std::map<Range, std::uint16_t> given_last;

  std::uint16_t& last_of(const Range& range, std::uint16_t initial) {
    // Users choose the ranges; forgetting where their searches were costs nothing.
    if (given_last.size() >= most_ranges && !given_last.contains(range)) given_last.clear();
    return given_last.try_emplace(range, initial).first->second;
  }

  /// The address of `hosts` that netd itself holds at this port, or shares with one that it holds.
  const ipam::Address* find_conflict(Protocol protocol, std::uint16_t port,
                                     const std::vector<ipam::Address>& hosts) const {
    for (const ipam::Address& host : hosts) {
      auto entry = held.lower_bound({protocol, port, ipam::Address()});
      for (; entry != held.end(); ++entry) {
        const auto& [other_protocol, other_port, other] = *entry;
        if (other_protocol != protocol || other_port != port) break;
        const bool same_family = other.family() == host.family();
        if (same_family && (other == host || other.is_any() || host.is_any())) return &host;
      }
    }
    return nullptr;
  }
};

namespace {

constexpr PortRange default_ephemeral_range{49153, 65535};  // moby's, without /proc
constexpr int most_ephemeral_tries = 10;

std::string text_of(const ipam::Address& host, std::uint16_t port) {
  return fmt::format(fmt::runtime(host.is_v6() ? "[{}]:{}" : "{}:{}"), host.to_string(), port);
}

// ---- sockets ------------------------------------------------------------------------------------

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

SocketAddress socket_address(const ipam::Address& host, std::uint16_t port) {
  SocketAddress result;
  if (host.is_v4()) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    std::memcpy(&address.sin_addr, host.bytes().data(), host.bytes().size());
    std::memcpy(&result.storage, &address, sizeof address);
    result.length = sizeof address;
  } else {
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port);
    std::memcpy(&address.sin6_addr, host.bytes().data(), host.bytes().size());
    std::memcpy(&result.storage, &address, sizeof address);
    result.length = sizeof address;
  }
  return result;
}

Fd open_socket(ipam::Family family, Protocol protocol) {
  const int domain = family == ipam::Family::v4 ? AF_INET : AF_INET6;
  const int type = protocol == Protocol::udp ? SOCK_DGRAM : SOCK_STREAM;
  return Fd(socket(domain, type | SOCK_CLOEXEC | SOCK_NONBLOCK, static_cast<int>(protocol)));
}

bool set_option(const Fd& socket, int level, int option, int value) {
  return setsockopt(socket.get(), level, option, &value, sizeof value) == 0;
}

/// Drops every packet that reaches the socket (Documentation/networking/filter).
bool attach_filter(const Fd& socket) {
  sock_filter drop_all = BPF_STMT(BPF_RET | BPF_K, 0);
  const sock_fprog program{1, &drop_all};
  return setsockopt(socket.get(), SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0;
}

/// Errno of the first call that failed, or 0.
int take_port(const Fd& socket, Protocol protocol, const ipam::Address& host, std::uint16_t port) {
  const bool tcp = protocol == Protocol::tcp;
  const SocketAddress address = socket_address(host, port);
  const auto* where = reinterpret_cast<const sockaddr*>(&address.storage);
  // SO_REUSEADDR on TCP takes a port whose last connections are in TIME_WAIT, and still conflicts
  // with every listener. On UDP it would share the port with whoever sets it too.
  const bool done = (!tcp || set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1)) &&
                    (host.is_v4() || set_option(socket, IPPROTO_IPV6, IPV6_V6ONLY, 1)) &&
                    attach_filter(socket) && bind(socket.get(), where, address.length) == 0 &&
                    (!tcp || listen(socket.get(), SOMAXCONN) == 0);
  return done ? 0 : errno;
}

bool lacks_sctp(Protocol protocol, int error) {
  return protocol == Protocol::sctp &&
         (error == EPROTONOSUPPORT || error == ESOCKTNOSUPPORT || error == EAFNOSUPPORT);
}

std::string failure_text(const PortReservations::Failure& failure, Protocol protocol,
                         std::uint16_t port) {
  std::string reason = std::system_category().message(failure.error);
  if (reason[0] >= 'A' && reason[0] <= 'Z') reason[0] = static_cast<char>(reason[0] - 'A' + 'a');
  return fmt::format("failed to bind host port for {}/{}: {}", text_of(failure.host, port),
                     to_text(protocol), reason);
}

// ---- ranges -------------------------------------------------------------------------------------

/// Empty when it can't be read.
std::string read_proc(const char* path) {
  const Fd file(open(path, O_RDONLY | O_CLOEXEC));
  std::string text;
  std::array<char, 4096> buffer{};
  ssize_t count = 0;
  while (file && (count = read(file.get(), buffer.data(), buffer.size())) > 0)
    text.append(buffer.data(), static_cast<std::size_t>(count));
  return text;
}

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n';
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  while (!text.empty() && is_blank(text.front()))
    text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back()))
    text.remove_suffix(1);
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

std::optional<PortRange> parse_pair(std::string_view text, char separator) {
  const std::size_t middle = text.find(separator);
  if (middle == std::string_view::npos) return std::nullopt;
  const auto first = parse_port(text.substr(0, middle));
  const auto last = parse_port(text.substr(middle + 1));
  if (!first || !last || *first > *last) return std::nullopt;
  return PortRange{*first, *last};
}

/// The candidates of one request: an interval, what of it isn't to be given, and how often the
/// system may say no.
struct Search {
  PortRange range;
  std::vector<PortRange> excluded;
  int tries = 0;

  std::uint32_t size() const { return range.last - range.first + 1u; }

  /// The `step`th port after `port`, round and round. `port` may lie outside a range that changed.
  std::uint16_t after(std::uint16_t port, std::uint32_t step) const {
    const std::uint32_t from =
        range.first <= port && port <= range.last ? port - range.first : size() - 1u;
    return static_cast<std::uint16_t>(range.first + (from + step) % size());
  }

  bool excludes(std::uint16_t port) const {
    return std::ranges::any_of(excluded, [port](const PortRange& part) {
      return part.first <= port && port <= part.last;
    });
  }
};

Search search_for(std::uint16_t first, std::uint16_t last) {
  if (first != 0) return {{first, last}, {}, last - first + 1};
  const auto range = parse_port_range(read_proc("/proc/sys/net/ipv4/ip_local_port_range"));
  return {range.value_or(default_ephemeral_range),
          parse_reserved_ports(read_proc("/proc/sys/net/ipv4/ip_local_reserved_ports")),
          most_ephemeral_tries};
}

void check_request(const std::vector<ipam::Address>& hosts, std::uint16_t first,
                   std::uint16_t last) {
  if (first > last || (first == 0 && last != 0))
    throw std::invalid_argument(fmt::format("invalid port range: {}-{}", first, last));
  if (hosts.empty()) throw std::invalid_argument("a published port needs a host address");
}

}  // namespace

// ---- Reservation --------------------------------------------------------------------------------

Reservation::Reservation(Reservation&& other) noexcept {
  swap(other);
}

Reservation& Reservation::operator=(Reservation&& other) noexcept {
  Reservation taken(std::move(other));
  swap(taken);
  return *this;
}

void Reservation::swap(Reservation& other) noexcept {
  std::swap(table_, other.table_);
  std::swap(protocol_, other.protocol_);
  std::swap(port_, other.port_);
  std::swap(sockets_, other.sockets_);
}

Reservation::~Reservation() {
  if (!table_) return;
  for (const ReservedSocket& socket : sockets_)
    table_->held.erase({protocol_, port_, socket.host});
}

void Reservation::detach_filter() {
  for (const ReservedSocket& socket : sockets_) {
    if (!socket.fd || set_option(socket.fd, SOL_SOCKET, SO_DETACH_FILTER, 0)) continue;
    if (errno != ENOENT)  // detached before
      throw std::system_error(errno, std::system_category(),
                              "detach filter of " + text_of(socket.host, port_));
  }
}

// ---- PortReservations ---------------------------------------------------------------------------

PortReservations::PortReservations() : table_(std::make_shared<Reservation::Table>()) {}

Reservation PortReservations::reserve(Protocol protocol, const std::vector<ipam::Address>& hosts,
                                      std::uint16_t first, std::uint16_t last) {
  check_request(hosts, first, last);
  if (first != last || first == 0) return reserve_of_range(protocol, hosts, first, last);

  if (const ipam::Address* host = table_->find_conflict(protocol, first, hosts))
    throw PortUnavailable(
        fmt::format("Bind for {} failed: port is already allocated", text_of(*host, first)));
  Failure failure;
  if (auto reservation = take(protocol, hosts, first, failure)) return std::move(*reservation);
  throw PortUnavailable(failure_text(failure, protocol, first));
}

Reservation PortReservations::reserve_of_range(Protocol protocol,
                                               const std::vector<ipam::Address>& hosts,
                                               std::uint16_t first, std::uint16_t last) {
  const Search search = search_for(first, last);
  std::uint16_t& given_last = table_->last_of({protocol, first, last}, search.range.last);
  const std::uint16_t start = given_last;
  std::string refusal = "all ports are allocated";
  int tries = search.tries;
  for (std::uint32_t i = 1; i <= search.size() && tries > 0; ++i) {
    const std::uint16_t port = search.after(start, i);
    if (search.excludes(port) || table_->find_conflict(protocol, port, hosts)) continue;
    Failure failure;
    if (auto reservation = take(protocol, hosts, port, failure)) {
      given_last = port;
      return std::move(*reservation);
    }
    refusal = failure_text(failure, protocol, port);
    if (failure.error != EADDRINUSE) break;
    --tries;
  }
  throw PortUnavailable(refusal);
}

std::optional<Reservation> PortReservations::take(Protocol protocol,
                                                  const std::vector<ipam::Address>& hosts,
                                                  std::uint16_t port, Failure& failure) {
  Reservation reservation;
  for (const ipam::Address& host : hosts) {
    Fd socket = open_socket(host.family(), protocol);
    const int error = socket ? take_port(socket, protocol, host, port) : errno;
    if (error != 0 && (socket || !lacks_sctp(protocol, error))) {
      failure = {error, host};
      return std::nullopt;
    }
    reservation.sockets_.push_back({host, std::move(socket)});
  }
  for (const ipam::Address& host : hosts)
    table_->held.emplace(protocol, port, host);
  reservation.table_ = table_;
  reservation.protocol_ = protocol;
  reservation.port_ = port;
  return reservation;
}

std::optional<PortRange> parse_port_range(std::string_view text) {
  for (char separator : {'\t', ' '})
    if (const auto range = parse_pair(text, separator)) return range;
  return std::nullopt;
}

std::vector<PortRange> parse_reserved_ports(std::string_view text) {
  std::vector<PortRange> ranges;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(','), text.size());
    const std::string_view part = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (const auto range = parse_pair(part, '-'))
      ranges.push_back(*range);
    else if (const auto port = parse_port(part))
      ranges.push_back({*port, *port});
  }
  return ranges;
}

}  // namespace sandbox
