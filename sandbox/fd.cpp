#include "sandbox/fd.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace sandbox {

Fd Fd::duplicate() const {
  Fd copy(::fcntl(fd_, F_DUPFD_CLOEXEC, 0));
  if (!copy) throw std::system_error(errno, std::system_category(), "duplicate a descriptor");
  return copy;
}

void Fd::reset(int fd) {
  // close(2): after EINTR the descriptor is gone all the same on Linux, so there is no retry.
  if (fd_ >= 0 && fd_ != fd) ::close(fd_);
  fd_ = fd;
}

}  // namespace sandbox
