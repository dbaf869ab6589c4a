#pragma once
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "diptych/core/io/json.h"
#include "support/temp_dir.h"

namespace diptych::testing {

/// Path of a Chromium: $CHROMIUM or one of the usual names in PATH; "" if there is none.
inline std::string chromium_program() {
  if (const char* given = std::getenv("CHROMIUM")) return given;
  const std::string path = std::getenv("PATH") ? std::getenv("PATH") : "";
  for (size_t at = 0; at <= path.size();) {
    const size_t end = std::min(path.find(':', at), path.size());
    for (const char* name : {"chromium", "chromium-browser", "google-chrome"})
      if (const auto file = std::filesystem::path(path.substr(at, end - at)) / name; access(file.c_str(), X_OK) == 0)
        return file.string();
    at = end + 1;
  }
  return "";
}

/// A headless Chromium with one page, driven by the DevTools protocol over two pipes (no port, no network).
class Browser {
 public:
  explicit Browser(const std::string& program) {
    int commands[2], answers[2];
    if (pipe2(commands, O_CLOEXEC) != 0 || pipe2(answers, O_CLOEXEC) != 0) throw std::runtime_error("no pipes");
    pid_ = fork();
    if (pid_ == 0) {
      const int from = fcntl(commands[0], F_DUPFD, 10), to = fcntl(answers[1], F_DUPFD, 10);
      dup2(from, 3), dup2(to, 4);
      const int nothing = open("/dev/null", O_WRONLY);
      dup2(nothing, 1), dup2(nothing, 2);
      const std::string profile = "--user-data-dir=" + profile_.path().string();
      const std::array arguments{program.c_str(),
                                 "--headless",
                                 "--no-sandbox",
                                 "--disable-gpu",
                                 "--no-first-run",
                                 "--disable-background-networking",
                                 "--disable-sync",
                                 "--disable-quic",
                                 "--disable-component-update",
                                 profile.c_str(),
                                 "--remote-debugging-pipe",
                                 "about:blank",
                                 static_cast<const char*>(nullptr)};
      execv(program.c_str(), const_cast<char**>(arguments.data()));
      _exit(127);
    }
    close(commands[0]), close(answers[1]);
    to_ = commands[1], from_ = answers[0];
    const std::string target = call("Target.createTarget", {{"url", "about:blank"}})["targetId"];
    session_ = call("Target.attachToTarget", {{"targetId", target}, {"flatten", true}})["sessionId"];
    for (const char* domain : {"Page.enable", "Runtime.enable", "Log.enable", "Network.enable"}) call(domain);
  }
  ~Browser() {
    close(to_), close(from_);
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  Browser(const Browser&) = delete;
  Browser& operator=(const Browser&) = delete;

  Json call(const std::string& method, const Json& parameters = Json::object()) {
    Json message{{"id", ++number_}, {"method", method}, {"params", parameters}};
    if (!session_.empty()) message["sessionId"] = session_;
    const std::string text = message.dump() + '\0';
    if (write(to_, text.data(), text.size()) != static_cast<ssize_t>(text.size()))
      throw std::runtime_error("the browser is gone");
    while (true) {
      Json answer = read_message();
      if (answer.value("id", int64_t{0}) != number_) {
        events.push_back(std::move(answer));
        continue;
      }
      if (answer.contains("error")) throw std::runtime_error(method + ": " + answer["error"].dump());
      return answer["result"];
    }
  }
  /// Opens a file and waits for its load event.
  void open_page(const std::filesystem::path& file) {
    events.clear();
    call("Page.navigate", {{"url", "file://" + file.string()}});
    while (!saw("Page.loadEventFired")) events.push_back(read_message());
  }
  /// Value of a JavaScript expression in the page.
  Json evaluate(const std::string& expression) {
    const Json result = call("Runtime.evaluate", {{"expression", expression}, {"returnByValue", true}});
    if (result.contains("exceptionDetails")) throw std::runtime_error(result["exceptionDetails"].dump());
    return result["result"].value("value", Json());
  }
  void press(const std::string& key, int code) {
    for (const char* type : {"rawKeyDown", "keyUp"})
      call("Input.dispatchKeyEvent", {{"type", type}, {"key", key}, {"code", key}, {"windowsVirtualKeyCode", code}});
  }
  bool saw(const std::string& method) const {
    for (const Json& event : events)
      if (event.value("method", "") == method) return true;
    return false;
  }
  /// What a page should not do: messages on the console, errors, dialogues, requests beyond its own file.
  std::vector<std::string> complaints(const std::filesystem::path& page) {
    evaluate("1");  // events that were under way have arrived
    std::vector<std::string> out;
    for (const Json& event : events) {
      const std::string method = event.value("method", "");
      if (method == "Log.entryAdded" || method == "Runtime.exceptionThrown" || method == "Runtime.consoleAPICalled" ||
          method == "Page.javascriptDialogOpening")
        out.push_back(event.dump());
      if (method != "Network.requestWillBeSent") continue;
      const std::string url = event["params"]["request"]["url"];
      if (!url.starts_with("data:") && url != "file://" + page.string()) out.push_back("request: " + url);
    }
    return out;
  }
  std::vector<Json> events;  // since the page was opened

 private:
  Json read_message() {
    constexpr int kPatience_ms = 60'000;
    size_t end;
    while ((end = buffer_.find('\0')) == std::string::npos) {
      pollfd waiting{from_, POLLIN, 0};
      std::array<char, 65536> bytes;
      const ssize_t count = poll(&waiting, 1, kPatience_ms) > 0 ? read(from_, bytes.data(), bytes.size()) : -1;
      if (count <= 0) throw std::runtime_error("the browser does not answer");
      buffer_.append(bytes.data(), static_cast<size_t>(count));
    }
    Json message = Json::parse(buffer_.substr(0, end));
    buffer_.erase(0, end + 1);
    return message;
  }

  TempDir profile_;
  pid_t pid_ = -1;
  int to_ = -1, from_ = -1;
  int64_t number_ = 0;
  std::string session_, buffer_;
};

}  // namespace diptych::testing
