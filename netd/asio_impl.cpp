// The one translation unit that holds Asio's and Beast's code, but for TLS: asio_ssl_impl.cpp.
#include <boost/asio/impl/src.hpp>
#include <boost/beast/src.hpp>
