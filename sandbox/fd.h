// An owned file descriptor. `Fd` closes, a plain `int fd` never does.
#pragma once

#include <utility>

namespace sandbox {

class Fd {
 public:
  Fd() = default;
  /// Takes ownership; a negative `fd` is "none".
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(other.release()) {}
  Fd& operator=(Fd&& other) noexcept {
    reset(other.release());
    return *this;
  }
  ~Fd() { reset(); }

  /// The descriptor, still owned by this; -1 when there is none.
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  /// One more descriptor of the same. Throws std::system_error.
  Fd duplicate() const;
  /// Gives the descriptor away; this is empty afterwards.
  [[nodiscard]] int release() { return std::exchange(fd_, -1); }
  /// Closes what is owned and takes `fd` instead.
  void reset(int fd = -1);

 private:
  int fd_ = -1;
};

}  // namespace sandbox
