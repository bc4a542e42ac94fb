#pragma once

// Stands before the library's own header of that name: its templates, as netd uses them, are
// compiled once, in json.cpp, and not in each of a hundred files (9 s to 3 s a file with
// sanitizers).
#include_next <nlohmann/json.hpp>

#ifndef NETD_JSON_TEMPLATE
#define NETD_JSON_TEMPLATE extern template
#endif

NETD_JSON_TEMPLATE class std::vector<nlohmann::json>;
NETD_JSON_TEMPLATE class std::map<std::string, nlohmann::json, std::less<>>;
NETD_JSON_TEMPLATE class nlohmann::basic_json<>;

namespace nlohmann::detail {

using StringInput = iterator_input_adapter<std::string::const_iterator>;

NETD_JSON_TEMPLATE class serializer<json>;
NETD_JSON_TEMPLATE class json_sax_dom_parser<json>;
NETD_JSON_TEMPLATE class json_sax_dom_callback_parser<json>;
NETD_JSON_TEMPLATE class lexer<json, StringInput>;
NETD_JSON_TEMPLATE class parser<json, StringInput>;
NETD_JSON_TEMPLATE bool parser<json, StringInput>::sax_parse_internal(json_sax_dom_parser<json>*);
NETD_JSON_TEMPLATE bool parser<json, StringInput>::sax_parse_internal(
    json_sax_dom_callback_parser<json>*);

}  // namespace nlohmann::detail
