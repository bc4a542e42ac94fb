// A program that a test starts and ends, by its process id.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

namespace e2e {

class Process {
 public:
  /// Starts `arguments` (the first is the program, looked up in PATH) with `environment` added to
  /// the test's own. Output goes to the end of `log`. It dies with the test. Throws
  /// std::system_error.
  Process(const std::vector<std::string>& arguments, const std::vector<std::string>& environment,
          const std::string& log);
  /// Kills what still runs.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  void signal(int number) const;
  /// Stops it, and returns when it has stopped; lets it go on.
  void pause() const;
  void go_on() const;
  /// The wait status (see waitpid(2)); nothing when it still runs after `limit`.
  std::optional<int> wait(std::chrono::milliseconds limit);

 private:
  pid_t pid_ = -1;
  int pidfd_ = -1;
};

}  // namespace e2e
