#include "dns/upstream.h"

#include <algorithm>
#include <utility>

#include "dns/ares_channel.h"

namespace dns {
namespace {

using namespace std::chrono_literals;

// One UDP socket, hence one source port, serves a channel's queries: a new one now and then keeps
// answers hard to forge (c-ares issue 444).
constexpr unsigned queries_per_channel = 512;
constexpr auto channel_lifetime = 10s;
constexpr auto no_edns_time = 10min;
constexpr auto probe_interval = 2s;
constexpr auto patience_unknown = 400ms;
constexpr Clock::duration patience_min = 150ms;
constexpr Clock::duration patience_max = 800ms;

}  // namespace

class Upstream::Channel final : AresSink {
 public:
  Channel(Upstream& owner, bool with_edns)
      : channel_(owner.reactor_, *this, owner.server_, owner.netns_, with_edns, query_timeout),
        owner_(owner),
        with_edns_(with_edns),
        expires_(owner.reactor_.now() + channel_lifetime) {}

  bool send(std::uint64_t exchange, std::span<std::uint8_t> packet) {
    ++sent_;
    return channel_.send(exchange, packet);
  }
  void tick() { channel_.process_timeouts(); }
  bool is_idle() const { return channel_.in_flight() == 0; }
  bool is_worn() const { return sent_ >= queries_per_channel || owner_.reactor_.now() >= expires_; }
  bool has_edns() const { return with_edns_; }
  bool has_lost_edns() const { return with_edns_ && !channel_.has_edns(); }

 private:
  void done(const AresResult& result) override {
    owner_.sink_.arrived(owner_, {result.exchange, result.packet, result.has_timed_out, with_edns_,
                                  result.round_trip});
  }

  AresChannel channel_;
  Upstream& owner_;
  bool with_edns_;
  unsigned sent_ = 0;
  Clock::time_point expires_;
};

Upstream::Upstream(Reactor& reactor, UpstreamSink& sink, const ipam::Address& server, int netns)
    : reactor_(reactor), sink_(sink), server_(server), netns_(netns) {}

Upstream::~Upstream() = default;

bool Upstream::send(std::uint64_t exchange, std::span<std::uint8_t> packet) {
  if (current_ && (current_->is_worn() || current_->has_edns() != uses_edns())) retire_channel();
  if (!current_) current_ = std::make_unique<Channel>(*this, uses_edns());
  return current_->send(exchange, packet);
}

void Upstream::disable_edns() {
  no_edns_until_ = reactor_.now() + no_edns_time;
}

void Upstream::check_edns() {
  if (current_ && current_->has_lost_edns()) disable_edns();
}

void Upstream::tick() {
  if (current_) current_->tick();
  // By index: a callback may send, and that may retire another channel.
  for (std::size_t i = 0; i < retired_.size(); ++i)
    retired_[i]->tick();
  std::erase_if(retired_, [](const auto& channel) { return channel->is_idle(); });
  if (current_ && current_->is_idle() && current_->is_worn()) current_.reset();
}

bool Upstream::is_active() const {
  return current_ || !retired_.empty();
}

void Upstream::note_answer(Clock::duration round_trip) {
  late_ = 0;
  // As TCP smooths its round trip, RFC 6298.
  smoothed_round_trip_ = smoothed_round_trip_ == Clock::duration::zero()
                             ? round_trip
                             : (smoothed_round_trip_ * 7 + round_trip) / 8;
}

bool Upstream::take_probe() {
  if (!is_down() || reactor_.now() - last_probe_ < probe_interval) return false;
  last_probe_ = reactor_.now();
  return true;
}

Clock::duration Upstream::patience() const {
  if (smoothed_round_trip_ == Clock::duration::zero()) return patience_unknown;
  return std::clamp(smoothed_round_trip_ * 2, patience_min, patience_max);
}

/// Its queries in flight are still waited for. It can't be destroyed here: one of its callbacks may
/// be running.
void Upstream::retire_channel() {
  retired_.push_back(std::exchange(current_, nullptr));
}

}  // namespace dns
