#include "diptych/core/signals.h"

#include <signal.h>

#include "diptych/core/error.h"

namespace diptych::signals {
namespace {

volatile sig_atomic_t pending_signal = 0;

// Only what a handler may do. The second signal is raised again under its default action and arrives on return.
void on_signal(int signal_number) {
  if (pending_signal != 0) {
    ::signal(signal_number, SIG_DFL);
    ::raise(signal_number);
    return;
  }
  pending_signal = signal_number;
}

void set_action(int signal_number, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  ::sigaction(signal_number, &action, nullptr);
}

}  // namespace

void install() {
  for (const int each : {SIGINT, SIGTERM, SIGHUP, SIGUSR1}) set_action(each, on_signal);
  for (const int each : {SIGPIPE, SIGXFSZ}) set_action(each, SIG_IGN);
}

int pending() { return pending_signal; }

void throw_if_pending() {
  if (pending_signal != 0) throw Interrupted{pending_signal};
}

}  // namespace diptych::signals
