#include "netd/dhcp/prober.h"

#include <system_error>
#include <utility>

namespace netd::dhcp {

void Prober::start(Loop& loop, const ProbeTask& task, Done done) {
  std::shared_ptr<Prober> prober;
  try {
    prober = std::make_shared<Prober>(loop, task, done);
  } catch (const std::system_error& failure) {
    done({.error = failure.what()});
    return;
  }
  prober->probe_.start(loop.now());
  loop.add(prober);
}

Prober::Prober(Loop& loop, const ProbeTask& task, Done done)
    : loop_(loop),
      probe_(task.address, task.mac, task.timing, [&loop] { return loop.random(); }),
      done_(std::move(done)) {
  tap_.emplace(loop.wire(task.interface), task.mac, *this);
}

void Prober::expire(Time now) {
  try {
    if (const auto frame = probe_.expire(now)) tap_->wire().send(*frame);
  } catch (const std::system_error& failure) {
    finish({.error = failure.what()});
    return;
  }
  if (probe_.is_done()) finish({});
}

void Prober::heard(const Arp& arp) {
  if (!done_) return;
  probe_.receive(arp);
  if (probe_.is_done()) finish({.taken_by = probe_.taken_by()});
}

void Prober::finish(const ProbeOutcome& outcome) {
  tap_.reset();
  const Done done = std::exchange(done_, {});
  done(outcome);
  loop_.update(*this);
}

}  // namespace netd::dhcp
