#include "netd/checkpointer.h"

#include "netd/log.h"
#include "netd/sqlite.h"

namespace netd {

Checkpointer::Checkpointer(std::filesystem::path file) : file_(std::move(file)) {}

Checkpointer::~Checkpointer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Checkpointer::committed(int pages) {
  if (pages < asked_at_pages_) asked_at_pages_ = 0;  // the log was begun anew
  if (pages < asked_at_pages_ + pages_wanted) return;
  asked_at_pages_ = pages;
  wake(pages >= pages_at_most);
}

void Checkpointer::wake(bool truncate) {
  {
    const std::lock_guard lock(mutex_);
    wanted_ = true;
    truncate_ = truncate_ || truncate;
  }
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  changed_.notify_all();
}

void Checkpointer::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return wanted_ || stopping_; });
    if (stopping_) return;
    const bool truncate = truncate_;
    wanted_ = truncate_ = false;
    lock.unlock();
    checkpoint(truncate);
    lock.lock();
  }
}

void Checkpointer::checkpoint(bool truncate) {
  try {
    sqlite::Connection connection(file_);
    // NORMAL: the log is synced before it is copied, the database before the log is used again. So
    // what a commit with FULL has made durable stays durable.
    connection.execute("PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=1000");
    connection.execute("PRAGMA wal_checkpoint(PASSIVE)");
    if (!truncate) return;
    // Writers wait for this one: it should find little left to copy.
    for (int i = 0; i < 3; ++i)
      connection.execute("PRAGMA wal_checkpoint(PASSIVE)");
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)");
  } catch (const sqlite::Failure& failure) {
    log::warn("checkpoint failed; it will be tried again as the log grows",
              {{"file", file_.string()}, {"error", failure.what()}});
  }
}

}  // namespace netd
