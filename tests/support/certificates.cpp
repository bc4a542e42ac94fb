#include "tests/support/certificates.h"

#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <utility>

namespace tests {
namespace {

void run(const std::string& command) {
  if (std::system((command + " >/dev/null 2>&1").c_str()) != 0)
    throw std::runtime_error("failed: " + command);
}

const std::string new_key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes ";

}  // namespace

Certificates::Certificates(std::string directory) : directory_(std::move(directory)) {
  run("openssl req -x509 " + new_key + "-subj '/CN=test CA' -days 2 -keyout " + path("ca-key.pem") +
      " -out " + path("ca.pem"));
}

void Certificates::issue(const std::string& name, const std::string& usage,
                         const std::string& names, int days) const {
  const std::string base = path(name);
  std::ofstream extensions(base + ".ext");
  extensions << "extendedKeyUsage=" << usage << "\n";
  if (!names.empty()) extensions << "subjectAltName=" << names << "\n";
  extensions.close();
  run("openssl req " + new_key + "-subj /CN=" + name + " -keyout " + base + "-key.pem -out " +
      base + ".csr");
  run("openssl x509 -req -in " + base + ".csr -CA " + path("ca.pem") + " -CAkey " +
      path("ca-key.pem") + " -set_serial 1 -days " + std::to_string(days) + " -extfile " + base +
      ".ext -out " + base + ".pem");
}

}  // namespace tests
