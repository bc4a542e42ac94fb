#include "sandbox/fd.h"

#include <unistd.h>

namespace sandbox {

void Fd::reset(int fd) {
  // close(2): after EINTR the descriptor is gone all the same on Linux, so there is no retry.
  if (fd_ >= 0 && fd_ != fd) ::close(fd_);
  fd_ = fd;
}

}  // namespace sandbox
