#include "tests/e2e/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <system_error>

#include "tests/support/pause.h"

namespace e2e {
namespace {

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (const std::string& text : texts)
    result.push_back(const_cast<char*>(text.c_str()));
  result.push_back(nullptr);
  return result;
}

/// Only calls that are safe after fork() in a program with threads.
[[noreturn]] void become(char** arguments, char** environment, int log) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  dup2(log, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  execvpe(arguments[0], arguments, environment);
  _exit(127);
}

}  // namespace

Process::Process(const std::vector<std::string>& arguments,
                 const std::vector<std::string>& environment, const std::string& log) {
  const int log_fd = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log_fd < 0) throw std::system_error(errno, std::system_category(), "open " + log);
  std::vector<std::string> variables = environment;
  for (char** entry = environ; *entry; ++entry)
    variables.emplace_back(*entry);
  const std::vector<char*> argv = pointers(arguments);
  const std::vector<char*> envp = pointers(variables);
  pid_ = fork();
  if (pid_ == 0) become(const_cast<char**>(argv.data()), const_cast<char**>(envp.data()), log_fd);
  close(log_fd);
  if (pid_ < 0) throw std::system_error(errno, std::system_category(), "fork");
  pidfd_ = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
  if (pidfd_ < 0) throw std::system_error(errno, std::system_category(), "pidfd_open");
}

Process::~Process() {
  if (pid_ > 0) {
    signal(SIGKILL);
    wait(std::chrono::seconds(10));
  }
  if (pidfd_ >= 0) close(pidfd_);
}

void Process::signal(int number) const {
  if (pid_ > 0) kill(pid_, number);
}

void Process::pause() const {
  if (pid_ > 0) tests::pause_process(pid_);
}

void Process::go_on() const {
  signal(SIGCONT);
}

std::optional<int> Process::wait(std::chrono::milliseconds limit) {
  pollfd ready{pidfd_, POLLIN, 0};
  if (poll(&ready, 1, static_cast<int>(limit.count())) <= 0) return std::nullopt;
  int status = 0;
  if (waitpid(pid_, &status, 0) != pid_) return std::nullopt;
  pid_ = -1;
  return status;
}

}  // namespace e2e
