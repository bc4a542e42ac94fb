// A certificate authority and certificates of it, made with the openssl program.
#pragma once

#include <string>

namespace tests {

/// A directory of PEM files: ca.pem, and NAME.pem with NAME-key.pem for each issued one.
class Certificates {
 public:
  /// `directory` exists.
  explicit Certificates(std::string directory);

  /// `usage` is serverAuth or clientAuth, `names` like "DNS:netd,IP:192.0.2.1" or "". A negative
  /// `days` makes an expired one.
  void issue(const std::string& name, const std::string& usage, const std::string& names = "",
             int days = 2) const;
  std::string path(const std::string& file) const { return directory_ + "/" + file; }

 private:
  std::string directory_;
};

}  // namespace tests
