// The one translation unit that holds Asio's code for TLS. Programs that use none of it don't load
// OpenSSL.
#include <boost/asio/ssl/impl/src.hpp>
