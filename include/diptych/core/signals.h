#pragma once

namespace diptych::signals {

/// SIGINT, SIGTERM, SIGHUP, SIGUSR1 set a flag (a second one kills at once by its default action); SIGPIPE and SIGXFSZ
/// are ignored. Call once at the start of main.
void install();
/// The signal that asked to stop, or 0. Looked at between steps.
int pending();
/// throws Interrupted if a signal is pending. For commands with nothing to save.
void throw_if_pending();

}  // namespace diptych::signals
