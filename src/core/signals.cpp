#include "diptych/core/signals.h"
#include <csignal>
#include "diptych/core/error.h"
namespace diptych::signals {
namespace { volatile std::sig_atomic_t pending_signal = 0;
extern "C" void on_signal(int s) { if (pending_signal) { std::signal(s, SIG_DFL); std::raise(s); } pending_signal = s; } }
void install() { for (int s : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) { struct sigaction a{}; a.sa_handler = on_signal; a.sa_flags = SA_RESTART; sigaction(s, &a, nullptr); } std::signal(SIGPIPE, SIG_IGN); std::signal(SIGXFSZ, SIG_IGN); }
int pending() { return pending_signal; }
void throw_if_pending() { if (pending_signal) throw Interrupted{pending_signal}; }
}
