#include "netd/dhcp/client.h"

#include <boost/asio/post.hpp>
#include <utility>

#include "netd/dhcp/keeper.h"
#include "netd/dhcp/loop.h"
#include "netd/dhcp/prober.h"

namespace netd::dhcp {

Client::Client(boost::asio::any_io_executor executor, OnChange on_change, const Timing& timing)
    : executor_(std::move(executor)),
      on_change_(std::move(on_change)),
      timing_(timing),
      loop_(std::make_unique<Loop>()) {}

Client::~Client() {
  own_->is_valid = false;
  for (const auto& [key, ticket] : tickets_)
    ticket->is_valid = false;
}

void Client::acquire(const std::string& key, const Request& request,
                     std::function<void(const Outcome&)> outcome) {
  const auto keeper = make_keeper(open(key), key, request, std::move(outcome));
  loop_->post([keeper, &loop = *loop_] {
    loop.add(keeper);
    keeper->acquire();
  });
}

void Client::keep(const std::string& key, const Request& request, const Lease& lease) {
  const auto keeper = make_keeper(open(key), key, request, [](const Outcome&) {});
  loop_->post([keeper, lease, &loop = *loop_] {
    loop.add(keeper);
    keeper->keep(lease);
  });
}

void Client::release(const std::string& key) {
  end(key, true);
}

void Client::forget(const std::string& key) {
  end(key, false);
}

void Client::probe(const ProbeTask& task, std::function<void(const ProbeOutcome&)> done) {
  loop_->post([task, done = std::move(done), own = own_, executor = executor_, &loop = *loop_] {
    Prober::start(loop, task, [done, own, executor](const ProbeOutcome& outcome) {
      boost::asio::post(executor, [done, own, outcome] {
        if (own->is_valid) done(outcome);
      });
    });
  });
}

Client::TicketPtr Client::open(const std::string& key) {
  forget(key);
  return tickets_[key] = std::make_shared<Ticket>();
}

std::shared_ptr<Keeper> Client::make_keeper(const TicketPtr& ticket, const std::string& key,
                                            const Request& request,
                                            std::function<void(const Outcome&)> outcome) {
  Keeper::Ears ears;
  ears.outcome = [this, ticket, key, executor = executor_,
                  outcome = std::move(outcome)](const Outcome& told) {
    boost::asio::post(executor, [this, ticket, key, outcome, told] {
      if (!ticket->is_valid) return;
      if (!told.lease) tickets_.erase(key);
      outcome(told);
    });
  };
  ears.change = [ticket, key, executor = executor_, on_change = on_change_](const Change& told) {
    boost::asio::post(executor, [ticket, key, on_change, told] {
      if (ticket->is_valid) on_change(key, told);
    });
  };
  auto keeper = std::make_shared<Keeper>(*loop_, request, timing_, std::move(ears));
  ticket->keeper = keeper;
  return keeper;
}

void Client::end(const std::string& key, bool give_back) {
  const auto found = tickets_.find(key);
  if (found == tickets_.end()) return;
  found->second->is_valid = false;
  // Weak: it is gone if it gave up by itself.
  loop_->post([weak = found->second->keeper, give_back] {
    if (const auto keeper = weak.lock()) keeper->stop(give_back);
  });
  tickets_.erase(found);
}

}  // namespace netd::dhcp
