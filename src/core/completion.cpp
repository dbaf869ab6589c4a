#include "diptych/core/completion.h"

#include <algorithm>
#include <functional>

#include "diptych/core/text.h"

namespace diptych {

namespace completion {

using Command = CompletionCommand;
using Option = CompletionOption;
using Key = CompletionKey;

/// A command with the words that lead to it ("data check"; "" for the program) and every option that is valid there.
struct Place {
  std::string path;
  const Command* command;
  std::vector<Option> options;
};

void collect(const Command& command, const std::string& path, std::vector<Option> inherited,
             std::vector<Place>& places) {
  inherited.insert(inherited.end(), command.options.begin(), command.options.end());
  places.push_back({path, &command, inherited});
  for (const Command& each : command.subcommands)
    collect(each, path.empty() ? each.name : path + " " + each.name, inherited, places);
}

std::vector<Place> places_of(const Command& program) {
  std::vector<Place> places;
  collect(program, "", {}, places);
  return places;
}

std::string replaced(std::string text, std::string_view what, std::string_view by) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size())
    text.replace(at, what.size(), by);
  return text;
}

/// One argument for bash and zsh.
std::string quoted(const std::string& text) { return "'" + replaced(text, "'", R"('\'')") + "'"; }
std::string quoted_for_fish(const std::string& text) {
  return "'" + replaced(replaced(text, "\\", "\\\\"), "'", "\\'") + "'";
}

/// The first clause of a doc, short enough for one line of a menu.
std::string brief(const std::string& doc) {
  const std::string first = escape_for_log(doc.substr(0, doc.find_first_of(";\n")), 200);
  return first.size() <= 72 ? first : first.substr(0, first.rfind(' ', 72)) + " ...";
}

std::vector<std::string> names_of(const std::vector<Option>& options, const std::function<bool(const Option&)>& keep) {
  std::vector<std::string> names;
  for (const Option& option : options)
    if (keep(option)) names.insert(names.end(), option.names.begin(), option.names.end());
  return names;
}
std::vector<std::string> all_names(const Place& place) {
  return names_of(place.options, [](const Option&) { return true; });
}
std::vector<std::string> valued_names(const Place& place) {
  return names_of(place.options, [](const Option& option) { return option.takes_value; });
}
std::vector<std::string> subcommand_names(const Command& command) {
  std::vector<std::string> names;
  for (const Command& each : command.subcommands) names.push_back(each.name);
  return names;
}

/// `    'data check') commands='...' options='...' ...;;` for every place.
std::string place_cases(const std::vector<Place>& places, const std::string& indent) {
  std::string out;
  for (const Place& place : places)
    out += concat(indent, quoted(place.path), ")\n", indent,
                  "  commands=", quoted(join(subcommand_names(*place.command), " ")), "\n", indent,
                  "  options=", quoted(join(all_names(place), " ")), "\n", indent,
                  "  valued=", quoted(join(valued_names(place), " ")), "\n", indent,
                  "  positional=", quoted(join(place.command->words, " ")), "\n", indent,
                  "  overrides=", place.command->takes_overrides ? "1" : "", " ;;\n");
  return out;
}

/// `    'train --color'|'train -c') values='...' ;;` for every option with a list of values.
std::string value_cases(const std::vector<Place>& places, const std::string& indent) {
  std::string out;
  for (const Place& place : places)
    for (const Option& option : place.options) {
      if (option.values.empty()) continue;
      std::vector<std::string> patterns;
      for (const std::string& name : option.names) patterns.push_back(quoted(place.path + " " + name));
      out += concat(indent, join(patterns, "|"), ") values=", quoted(join(option.values, " ")), " ;;\n");
    }
  return out;
}

std::string key_value_cases(const std::vector<Key>& keys, const std::string& indent) {
  std::string out;
  for (const Key& key : keys)
    if (!key.values.empty()) out += concat(indent, key.path, ") values=", quoted(join(key.values, " ")), " ;;\n");
  return out;
}

// What bash and zsh share: _@NAME@_at sets what can stand after the subcommands in $1; _@NAME@_values sets what the
// option $2 can be there; _@NAME@_key_values what the configuration key $1 can be; _@NAME@_walk goes over the words
// before the cursor and sets `place` and `expecting` (the option whose value comes next, or nothing).
constexpr const char* kShared = R"(_@NAME@_at() {
  commands='' options='' valued='' positional='' overrides=''
  case "$1" in
@PLACES@  esac
}

_@NAME@_values() {
  values=''
  case "$1 $2" in
@OPTION_VALUES@  esac
}

_@NAME@_key_values() {
  values=''
  case "$1" in
@KEY_VALUES@  esac
}

_@NAME@_walk() {
  local word
  place='' expecting=''
  _@NAME@_at ''
  for word in "$@"; do
    if [[ -n $expecting ]]; then
      expecting=''
    elif [[ $word == -* ]]; then
      [[ " $valued " == *" $word "* ]] && expecting=$word
    elif [[ " $commands " == *" $word "* ]]; then
      place="${place:+$place }$word"
      _@NAME@_at "$place"
    fi
  done
}
)";

// readline hands over words cut at = and :, so the line is cut at blanks here, and what stands before the last = or :
// is taken off the answers.
constexpr const char* kBash = R"(# bash completion for @NAME@: source this file, or store it as
# ~/.local/share/bash-completion/completions/@NAME@
@SHARED@
_@NAME@_keys='@KEYS@'

_@NAME@() {
  local line=${COMP_LINE:0:COMP_POINT} current place expecting commands options valued positional overrides values
  local -a typed
  read -ra typed <<<"$line"
  current=''
  if [[ $line != *[[:space:]] ]]; then
    current=${typed[${#typed[@]}-1]}
    unset "typed[${#typed[@]}-1]"
  fi
  _@NAME@_walk "${typed[@]:1}"
  local candidates='' files='' stem=''
  if [[ -n $expecting ]]; then
    _@NAME@_values "$place" "$expecting"
    candidates=$values
    [[ -z $values ]] && files=1
  elif [[ $current == --*=* ]]; then
    stem=${current%%=*}=
    _@NAME@_values "$place" "${current%%=*}"
    candidates=$values
    [[ -z $values ]] && files=1
  elif [[ $current == -* ]]; then
    candidates=$options
  elif [[ -n $overrides && $current == *=* ]]; then
    stem=${current%%=*}=
    _@NAME@_key_values "${current%%=*}"
    candidates=$values
    [[ -z $values ]] && files=1
  else
    candidates="$commands $positional"
    if [[ -n $overrides && -n $current ]]; then
      candidates="$candidates $_@NAME@_keys"
      compopt -o nospace 2>/dev/null
    fi
    [[ -z $commands ]] && files=1
  fi
  local IFS=$' \t\n' broken=${current%"${current##*[=:]}"} answer
  local -a found=()
  for answer in $(compgen -W "$candidates" -- "${current#"$stem"}"); do
    printf -v answer %q "$answer"
    found+=("$stem$answer")
  done
  if [[ -n $files ]]; then
    local IFS=$'\n'
    for answer in $(compgen -f -- "${current#"$stem"}"); do
      found+=("$stem$answer")
    done
    compopt -o filenames 2>/dev/null
  fi
  COMPREPLY=()
  for answer in "${found[@]}"; do
    if [[ $COMP_WORDBREAKS == *=* ]]; then COMPREPLY+=("${answer#"$broken"}"); else COMPREPLY+=("$answer"); fi
  done
}
complete -F _@NAME@ @NAME@
)";

constexpr const char* kZsh = R"(#compdef @NAME@
# zsh completion for @NAME@: store this file as _@NAME@ in a folder of $fpath, or source it after compinit.
@SHARED@
_@NAME@_keys=(
@KEYS@)

_@NAME@() {
  local place expecting commands options valued positional overrides values current=$words[CURRENT]
  local -a described
  _@NAME@_walk "${(@)words[2,CURRENT-1]}"
  if [[ -n $expecting ]]; then
    _@NAME@_values "$place" "$expecting"
    if [[ -n $values ]]; then compadd -- ${=values}; else _files; fi
  elif [[ $current == --*=* ]]; then
    _@NAME@_values "$place" "${current%%=*}"
    compset -P '*='
    if [[ -n $values ]]; then compadd -- ${=values}; else _files; fi
  elif [[ $current == -* ]]; then
    _@NAME@_described "$place"
    _describe -o 'option' described
  elif [[ -n $overrides && $current == *=* ]]; then
    _@NAME@_key_values "${current%%=*}"
    compset -P '*='
    if [[ -n $values ]]; then compadd -- ${=values}; else _files; fi
  else
    if [[ -n $commands ]]; then
      _@NAME@_described_commands "$place"
      _describe 'command' described
    fi
    [[ -n $positional ]] && compadd -- ${=positional}
    [[ -n $overrides && -n $current ]] && _describe 'configuration key' _@NAME@_keys -S ''
    [[ -z $commands ]] && _files
  fi
  return 0
}

_@NAME@_described() {
  case "$1" in
@DESCRIBED_OPTIONS@  esac
}

_@NAME@_described_commands() {
  case "$1" in
@DESCRIBED_COMMANDS@  esac
}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _@NAME@ "$@"; elif whence compdef >/dev/null; then compdef _@NAME@ @NAME@; fi
)";

constexpr const char* kFish = R"(# fish completion for @NAME@: store this file as ~/.config/fish/completions/@NAME@.fish
function __@NAME@_place
    set -l place
    set -l expecting 0
    set -l typed (commandline -opc)
    for word in $typed[2..-1]
        if test $expecting = 1
            set expecting 0
            continue
        end
        if string match -q -- '-*' $word
            contains -- $word @VALUED@; and set expecting 1
            continue
        end
        set -l further (string join ' ' $place $word)
        contains -- $further @PATHS@; and set place $further
    end
    echo $place
end
function __@NAME@_at
    set -l place (__@NAME@_place)
    test "$place" = "$argv[1]"
end
function __@NAME@_types_key
    set -l current (commandline -ct)
    test -n "$current"; and not string match -q -- '-*' $current
end
complete -c @NAME@ -e
)";

std::string filled(std::string text, const std::string& what, const std::string& by) {
  return replaced(std::move(text), what, by);
}

std::string shared(const std::vector<Place>& places, const std::vector<Key>& keys) {
  std::string out = filled(kShared, "@PLACES@", place_cases(places, "    "));
  out = filled(out, "@OPTION_VALUES@", value_cases(places, "    "));
  return filled(out, "@KEY_VALUES@", key_value_cases(keys, "    "));
}

std::string bash_script(const Command& program, const std::vector<Key>& keys) {
  std::vector<std::string> words;
  words.reserve(keys.size());
  for (const Key& key : keys) words.push_back(key.path + "=");
  std::string out = filled(kBash, "@SHARED@", shared(places_of(program), keys));
  out = filled(out, "@KEYS@", join(words, " "));
  return filled(out, "@NAME@", program.name);
}

/// 'name:doc' for zsh's _describe.
std::string described(const std::string& name, const std::string& doc) {
  return quoted(replaced(name, ":", "\\:") + ":" + brief(doc));
}

std::string zsh_script(const Command& program, const std::vector<Key>& keys) {
  const std::vector<Place> places = places_of(program);
  std::string options, commands, lines;
  for (const Place& place : places) {
    options += concat("    ", quoted(place.path), ") described=(\n");
    for (const Option& option : place.options)
      for (const std::string& name : option.names) options += concat("      ", described(name, option.doc), "\n");
    options += "    ) ;;\n";
    if (place.command->subcommands.empty()) continue;
    commands += concat("    ", quoted(place.path), ") described=(\n");
    for (const Command& each : place.command->subcommands)
      commands += concat("      ", described(each.name, each.doc), "\n");
    commands += "    ) ;;\n";
  }
  for (const Key& key : keys) lines += concat("  ", described(key.path + "=", key.doc), "\n");
  std::string out = filled(kZsh, "@SHARED@", shared(places, keys));
  out = filled(filled(out, "@DESCRIBED_OPTIONS@", options), "@DESCRIBED_COMMANDS@", commands);
  return filled(filled(out, "@KEYS@", lines), "@NAME@", program.name);
}

std::string fish_option(const std::string& start, const Option& option) {
  std::string out = start;
  for (const std::string& name : option.names)
    out += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  if (option.takes_value)
    out += option.values.empty() ? " -r -F" : " -x -a " + quoted_for_fish(join(option.values, " "));
  return out + " -d " + quoted_for_fish(brief(option.doc)) + "\n";
}

std::string fish_script(const Command& program, const std::vector<Key>& keys) {
  const std::vector<Place> places = places_of(program);
  std::vector<std::string> paths, valued;
  for (const Place& place : places) {
    if (!place.path.empty()) paths.push_back(quoted_for_fish(place.path));
    for (const std::string& name : valued_names(place))
      if (std::ranges::find(valued, name) == valued.end()) valued.push_back(name);
  }
  std::string out = filled(filled(kFish, "@VALUED@", join(valued, " ")), "@PATHS@", join(paths, " "));
  for (const Place& place : places) {
    const std::string at = concat("complete -c @NAME@ -n \"__@NAME@_at '", place.path, "'\"");
    for (const Command& each : place.command->subcommands)
      out += concat(at, " -f -a ", each.name, " -d ", quoted_for_fish(brief(each.doc)), "\n");
    for (const std::string& word : place.command->words) out += concat(at, " -a ", quoted_for_fish(word), "\n");
    if (place.command->takes_overrides)
      out += concat("complete -c @NAME@ -n \"__@NAME@_at '", place.path,
                    "'; and __@NAME@_types_key\" -a '(__@NAME@_keys)'\n");
    for (const Option& option : place.options) out += fish_option(at, option);
  }
  const auto line = [&](const std::string& word, const Key& key) {
    out += concat("    printf '%s\\t%s\\n' ", quoted_for_fish(word), " ", quoted_for_fish(brief(key.doc)), "\n");
  };
  out += "function __@NAME@_keys\n";
  for (const Key& key : keys) {
    if (key.values.empty()) line(key.path + "=", key);
    for (const std::string& value : key.values) line(key.path + "=" + value, key);
  }
  out += "end\n";
  return filled(out, "@NAME@", program.name);
}

}  // namespace completion

std::string completion_script(Shell shell, const CompletionCommand& program, const std::vector<CompletionKey>& keys) {
  switch (shell) {
    case Shell::bash:
      return completion::bash_script(program, keys);
    case Shell::zsh:
      return completion::zsh_script(program, keys);
    case Shell::fish:
      return completion::fish_script(program, keys);
  }
  return {};
}

}  // namespace diptych
