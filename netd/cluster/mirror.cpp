#include "netd/cluster/mirror.h"

#include <malloc.h>

#include <algorithm>
#include <condition_variable>
#include <future>
#include <mutex>

#include "netd/log.h"

namespace netd::cluster {

struct Mirror::State : std::enable_shared_from_this<Mirror::State> {
  State(Store& store_, std::string prefix_, Post post_, Workers& workers_, Listener listener_,
        Pace pace_)
      : store(store_),
        prefix(std::move(prefix_)),
        post(std::move(post_)),
        workers(workers_),
        listener(std::move(listener_)),
        pace(pace_) {}

  void start();
  void follow();
  bool take(Snapshot snapshot, bool confirmed);
  void watch(Revision since);
  void tell(std::function<void(const Listener&)> what);
  std::size_t generation_now() {
    const std::lock_guard lock(mutex);
    return generation;
  }
  /// Whether to go on after that time.
  bool wait(std::chrono::milliseconds time);

  Store& store;
  const std::string prefix;
  const Post post;
  Workers& workers;
  const Listener listener;
  const Pace pace;
  std::mutex mutex;
  std::condition_variable changed;
  bool stopped = false;            // guarded by mutex
  std::shared_ptr<void> watching;  // guarded by mutex
  std::size_t generation = 0;      // guarded by mutex: of the watch whose changes count
};

Mirror::Mirror(Store& store, std::string prefix, Post post, Workers& workers, Listener listener,
               Pace pace)
    : state_(std::make_shared<State>(store, std::move(prefix), std::move(post), workers,
                                     std::move(listener), pace)) {
  state_->start();
}

Mirror::~Mirror() {
  std::shared_ptr<void> watching;
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopped = true;
    watching = std::move(state_->watching);
  }
  state_->changed.notify_all();
}

void Mirror::State::start() {
  workers.start([self = shared_from_this()] { self->follow(); });
}

bool Mirror::State::wait(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex);
  // Workers that stop don't tell each of theirs.
  constexpr auto look = std::chrono::milliseconds(100);
  const auto end = std::chrono::steady_clock::now() + time;
  while (!stopped && !workers.is_stopping() && std::chrono::steady_clock::now() < end)
    changed.wait_for(lock, std::min<std::chrono::steady_clock::duration>(
                               look, end - std::chrono::steady_clock::now()));
  return !stopped && !workers.is_stopping();
}

void Mirror::State::tell(std::function<void(const Listener&)> what) {
  post([self = shared_from_this(), what = std::move(what)] {
    {
      const std::lock_guard lock(self->mutex);
      if (self->stopped) return;
    }
    try {
      what(self->listener);
    } catch (const std::exception& error) {
      log::error("what others wrote is not all done here, the next look round tries again",
                 {{"below", self->prefix}, {"error", error.what()}});
    }
  });
}

/// What the listener says of it. True when nobody listens any more.
bool Mirror::State::take(Snapshot snapshot, bool confirmed) {
  auto answer = std::make_shared<std::promise<bool>>();
  auto accepted = answer->get_future();
  tell([answer = std::move(answer), snapshot = std::make_shared<Snapshot>(std::move(snapshot)),
        confirmed](const Listener& told) {
    bool taken = false;  // what throws is told once more, a little later
    try {
      taken = told.replaced(*snapshot, confirmed);
    } catch (...) {
      answer->set_value(false);
      throw;
    }
    answer->set_value(taken);
  });
  constexpr auto look = std::chrono::milliseconds(100);
  while (accepted.wait_for(look) != std::future_status::ready)
    if (workers.is_stopping()) return true;
  try {
    return accepted.get();
  } catch (const std::future_error&) {  // the question went unheard
    return true;
  }
}

void Mirror::State::follow() {
  constexpr std::size_t many = 1000;
  auto retry = pace.first_retry;
  bool confirmed = false;
  if (generation_now() > 0 && !wait(retry)) return;
  while (true) {
    try {
      Snapshot snapshot = store.snapshot(prefix);
      if (listener.check) listener.check();
      const Revision revision = snapshot.revision;
      const bool is_large = snapshot.entries.size() >= many;
      const bool taken = take(std::move(snapshot), confirmed);
      if (is_large) malloc_trim(0);  // else glibc keeps what it took, for ever
      if (taken) return watch(revision);
      confirmed = true;
      if (!wait(pace.confirmation)) return;
    } catch (const StoreError& error) {
      tell([error](const Listener& told) {
        if (told.failed) told.failed(error);
      });
      if (!wait(retry)) return;
      retry = std::min(retry * 2, pace.last_retry);
    } catch (const std::exception& error) {  // what can't be read
      log::warn("the cluster's store can't be followed, later again",
                {{"below", prefix}, {"error", error.what()}});
      if (!wait(pace.last_retry)) return;
    }
  }
}

void Mirror::State::watch(Revision since) {
  std::size_t current = 0;
  {
    const std::lock_guard lock(mutex);
    if (stopped) return;
    current = ++generation;
  }
  const std::weak_ptr<State> weak = weak_from_this();
  const auto to_listener = [weak, current](std::function<void(const Listener&)> what) {
    const auto self = weak.lock();
    if (!self) return;
    {
      const std::lock_guard lock(self->mutex);
      if (self->generation != current) return;
    }
    self->tell(std::move(what));
  };
  Watcher watcher{.changed =
                      [to_listener](const Watched& watched) {
                        to_listener([watched](const Listener& told) { told.changed(watched); });
                      },
                  .progressed =
                      [to_listener](Revision revision) {
                        to_listener([revision](const Listener& told) {
                          if (told.progressed) told.progressed(revision);
                        });
                      },
                  .ended =
                      [weak, to_listener](const StoreError& error) {
                        to_listener([error](const Listener& told) {
                          if (told.failed) told.failed(error);
                        });
                        if (const auto self = weak.lock(); self && self->wait({})) self->start();
                      }};
  auto handle = store.watch(prefix, since, std::move(watcher));
  const std::lock_guard lock(mutex);
  if (!stopped) std::swap(watching, handle);
}

}  // namespace netd::cluster
