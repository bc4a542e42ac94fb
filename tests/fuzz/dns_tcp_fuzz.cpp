// A TCP stream cut into chunks of any size: the messages that come out are the same as those of the
// stream in one piece. The first byte chooses the chunks.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "dns/tcp_connection.h"

namespace {

using Messages = std::vector<std::vector<std::uint8_t>>;

Messages cut(std::span<const std::uint8_t> stream, std::size_t chunk) {
  dns::TcpFraming framing;
  Messages messages;
  while (!stream.empty()) {
    const auto part = stream.first(std::min(chunk, stream.size()));
    framing.append(part);
    stream = stream.subspan(part.size());
    while (const auto message = framing.next())
      messages.emplace_back(message->begin(), message->end());
  }
  return messages;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::span stream(data + 1, size - 1);
  if (cut(stream, 1 + data[0] % 64u) != cut(stream, size)) std::abort();
  return 0;
}
