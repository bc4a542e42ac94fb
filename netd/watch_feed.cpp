#include "netd/watch_feed.h"

#include <algorithm>
#include <exception>

#include "netd/log.h"

namespace netd {
namespace {

std::size_t bytes_of(const Change& change) {
  return change.key.size() + (change.value ? change.value->size() : 0);
}

}  // namespace

void WatchFeed::tell(Revision revision, std::vector<Change> changes) {
  revision_ = revision;
  for (Change& change : changes) {
    bytes_ += bytes_of(change);
    history_.push_back({revision, std::move(change)});
  }
  deliver();
}

std::shared_ptr<void> WatchFeed::watch(const std::string& prefix, Revision since, Watcher watcher) {
  if (since != 0 && since < forgotten_)
    throw StoreError(StoreError::Kind::compacted, "watch " + prefix + " from revision " +
                                                      std::to_string(since) + ": changes up to " +
                                                      std::to_string(forgotten_) + " are not kept");
  const Revision begin = since == 0 ? revision_ : since;
  const auto first = std::find_if(history_.begin(), history_.end(),
                                  [&](const Watched& w) { return w.revision > begin; });
  const auto position = first_position_ + static_cast<std::size_t>(first - history_.begin());
  auto handle = std::make_shared<Watch>(Watch{prefix, std::move(watcher), position, begin});
  watches_.push_back(handle);
  deliver();
  return handle;
}

void WatchFeed::deliver() {
  if (delivering_) return;
  delivering_ = true;
  // By number, not by iterator, and until nobody heard anything new: callbacks add watches and
  // changes.
  for (bool told = true; told;) {
    told = false;
    for (std::size_t i = 0; i < watches_.size(); ++i)
      while (deliver_next(watches_[i]))
        told = true;
  }
  delivering_ = false;
  std::erase_if(watches_, [](const auto& watch) { return watch.expired(); });
  forget_old();
}

/// Tells one change that is below the watch's prefix, or of the progress when it has heard all;
/// false when there is nothing to tell, or nobody.
bool WatchFeed::deliver_next(const std::weak_ptr<Watch>& handle) {
  const auto watch = handle.lock();
  if (!watch || watch->over) return false;
  while (watch->position < first_position_ + history_.size()) {
    const Watched& watched = history_[watch->position - first_position_];
    ++watch->position;
    if (!watched.change.key.starts_with(watch->prefix)) continue;
    const Watched copy = watched;  // a callback's own changes may move the history
    call(*watch, [&] { watch->watcher.changed(copy); });
    return true;
  }
  if (!watch->watcher.progressed || watch->progress >= revision_) return false;
  watch->progress = revision_;
  call(*watch, [&] { watch->watcher.progressed(watch->progress); });
  return true;
}

void WatchFeed::call(Watch& watch, const std::function<void()>& callback) try {
  callback();
} catch (const std::exception& failure) {
  log::error("a watch of the store failed; it is called no more",
             {{"prefix", watch.prefix}, {"error", failure.what()}});
  watch.over = true;
  if (watch.watcher.ended)
    watch.watcher.ended(StoreError(StoreError::Kind::failed, failure.what()));
}

void WatchFeed::forget_old() {
  while (history_.size() > limits_.changes || bytes_ > limits_.bytes) {
    bytes_ -= bytes_of(history_.front().change);
    forgotten_ = history_.front().revision;
    history_.pop_front();
    ++first_position_;
  }
}

}  // namespace netd
