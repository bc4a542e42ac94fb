// A netd that does what a test says, one connection after the other, and the last again and again.
#pragma once

#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace runtime_hooks {

class ScriptedDaemon {
 public:
  /// Has the request already.
  using Turn = std::function<void(int connection)>;

  explicit ScriptedDaemon(std::vector<Turn> turns);
  ~ScriptedDaemon();
  /// Of its socket.
  std::string path() const { return directory_ + "/netd.sock"; }
  /// What it was asked, "GET /x" each. It ends with that.
  const std::vector<std::string>& asked();

 private:
  void end();

  std::string directory_;
  int socket_ = -1;
  std::vector<std::string> asked_;
  std::thread thread_;
};

ScriptedDaemon::Turn answer(const std::string& status, const std::string& body);
/// Goes away without an answer.
void hang_up(int connection);
/// Says nothing until the other hangs up.
void hang(int connection);

}  // namespace runtime_hooks
