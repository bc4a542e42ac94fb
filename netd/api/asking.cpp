#include "netd/api/handlers.h"
#include "netd/remote_verbs.h"

namespace netd::api {

Response ask_later(RemoteVerbs& verbs, const std::set<std::string>& plugins,
                   std::function<Response(RemoteVerbs&)> verb) {
  Response response;
  response.later = [&verbs, verb = std::move(verb),
                    place = verbs.workers().admit(plugins)](std::function<void(Response)> done) {
    try {
      verbs.workers().start([&verbs, verb, place, done] {
        Response answer;
        try {
          answer = verb(verbs);
        } catch (...) {
          answer = translate_exception();
        }
        done(std::move(answer));
      });
    } catch (...) {
      done(translate_exception());
    }
  };
  return response;
}

}  // namespace netd::api
