#include "netd/workers.h"

#include <fmt/format.h>

#include <thread>

#include "netd/error.h"

namespace netd {

Workers::Place Workers::admit(const std::set<std::string>& plugins) {
  const std::scoped_lock lock(counts_->mutex);
  if (counts_->all >= most)
    throw Error(
        ErrorKind::unavailable,
        fmt::format("{} requests wait for plugins and LANs already: try again later", most));
  for (const std::string& plugin : plugins) {
    const bool is_lan = plugin.starts_with(lan_prefix);
    const std::size_t limit = is_lan ? most_per_lan : most_per_plugin;
    if (counts_->by_plugin[plugin] >= limit)
      throw Error(ErrorKind::unavailable,
                  fmt::format("{} requests wait for {}{} already: is it hanging? Try again later",
                              limit, is_lan ? "" : "plugin ", plugin));
  }
  for (const std::string& plugin : plugins)
    ++counts_->by_plugin[plugin];
  ++counts_->all;
  return {nullptr, [counts = counts_, plugins](void*) {
            const std::scoped_lock held(counts->mutex);
            --counts->all;
            for (const std::string& plugin : plugins)
              if (--counts->by_plugin[plugin] == 0) counts->by_plugin.erase(plugin);
          }};
}

void Workers::start(std::function<void()> act) {
  {
    const std::scoped_lock lock(mutex_);
    ++running_;
  }
  const auto end = [this] {
    const std::scoped_lock lock(mutex_);
    --running_;
    ended_.notify_all();  // under the lock: stop() may destroy this at once
  };
  try {
    std::thread([act = std::move(act), end]() mutable {
      act();
      act = {};  // what it holds goes before stop() returns
      end();
    }).detach();
  } catch (...) {
    end();
    throw;
  }
}

bool Workers::is_stopping() const {
  const std::scoped_lock lock(mutex_);
  return stopping_;
}

void Workers::stop() {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  ended_.wait(lock, [this] { return running_ == 0; });
}

}  // namespace netd
