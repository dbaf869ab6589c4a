#pragma once
#include <array>
#include <string>
#include <utility>
#include <vector>

// Completion scripts for shells, written from a description of the command line. They are static: pressing Tab never
// starts the program.

namespace diptych {

/// One option of a command.
struct CompletionOption {
  std::vector<std::string> names;  // "--config", "-c"
  std::string doc;
  bool takes_value = false;
  std::vector<std::string> values = {};  // what the value can be; empty: a file
};

/// One configuration key of KEY=VALUE words.
struct CompletionKey {
  std::string path, doc;                 // "train.batch_size"
  std::vector<std::string> values = {};  // of an enumeration; empty: anything
};

/// A command: its options, its subcommands, and what its positional words can be.
struct CompletionCommand {
  std::string name, doc;
  std::vector<CompletionOption> options = {};
  std::vector<CompletionCommand> subcommands = {};
  std::vector<std::string> words = {};  // positional words, beside files
  bool takes_overrides = false;         // KEY=VALUE words
};

enum class Shell { bash, zsh, fish };
constexpr auto enum_names(Shell) {
  return std::array{std::pair{Shell::bash, "bash"}, std::pair{Shell::zsh, "zsh"}, std::pair{Shell::fish, "fish"}};
}

/// A script to be sourced, or stored where the shell looks for completions. `program` is the root command, whose
/// options are valid after every subcommand; `keys` are offered where overrides are taken.
std::string completion_script(Shell shell, const CompletionCommand& program, const std::vector<CompletionKey>& keys);

}  // namespace diptych
