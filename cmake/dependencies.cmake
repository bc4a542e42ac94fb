# All from Debian 12's packages; packaging/dependencies lists them, ./test and ./quickstart install them.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED)  # headers only: Asio, Beast
find_package(nlohmann_json REQUIRED)
find_package(fmt REQUIRED)
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)
find_package(SQLite3 REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
pkg_check_modules(libnl REQUIRED IMPORTED_TARGET libnl-3.0)
pkg_check_modules(libmnl REQUIRED IMPORTED_TARGET libmnl)
pkg_check_modules(libnftnl REQUIRED IMPORTED_TARGET libnftnl)
pkg_check_modules(libcares REQUIRED IMPORTED_TARGET libcares)

add_library(netd_asio INTERFACE)
target_link_libraries(netd_asio INTERFACE Boost::headers Threads::Threads)
target_compile_definitions(netd_asio INTERFACE BOOST_ASIO_NO_DEPRECATED BOOST_ASIO_SEPARATE_COMPILATION
                                               BOOST_BEAST_SEPARATE_COMPILATION)
