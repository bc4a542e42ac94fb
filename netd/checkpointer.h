// Copies SQLite's write-ahead log into the database, on a thread and a connection of its own, so
// that the control thread never waits for its fsyncs (sqlite.org/wal.html, "Checkpointing").
#pragma once

#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

namespace netd {

class Checkpointer {
 public:
  /// A log of so many 4 KiB pages is checkpointed; the writer then begins it anew.
  static constexpr int pages_wanted = 1000;
  /// A log that still grows, because commits never paused, is truncated: writers wait for that.
  static constexpr int pages_at_most = 16 * pages_wanted;

  explicit Checkpointer(std::filesystem::path file);
  ~Checkpointer();  // finishes what it is at

  // Called by the writer, on one thread; the worker begins with the first checkpoint.

  /// After each commit: the log's length.
  void committed(int pages);
  /// A checkpoint soon: after the disk was full, it lets the log be used again from its beginning.
  void request() { wake(false); }

 private:
  void wake(bool truncate);
  void run();
  void checkpoint(bool truncate);

  const std::filesystem::path file_;
  int asked_at_pages_ = 0;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool wanted_ = false;
  bool truncate_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace netd
