"""Runs the contestants of scripts/benchmark in alternation and writes benchmark.json and benchmark.md.

One row of the table: Diptych and its peers, each a server process of its own (one per allocator setting), asked in turn
A B C, C B A, ... Ratios are peer time / our time inside one round. A ratio whose check values differ is not reported.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# glibc's malloc without returning memory to the kernel: what Diptych sets for itself at the start of the process.
TUNED = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "1099511627776"}


@dataclass
class Contestant:
    label: str
    kind: str  # diptych | python | faiss
    case: str
    allocator: str  # tuned | default


@dataclass
class Row:
    name: str
    work: str
    repeats: int
    contestants: list  # ours first
    tolerance: tuple  # of each check value, relative
    bars: dict  # peer's label -> ratio that the peer as its users run it must be beaten by
    most_mb: float = 0  # what ours may take at most, inputs included


def contest(ours, peers):
    """Ours, then every peer twice: as its users run it, and with our allocator setting."""
    made = [Contestant("diptych", "diptych", ours, "tuned")]
    for label, kind, name in peers:
        made += [Contestant(label, kind, name, "default"), Contestant(label + ", tuned allocator", kind, name, "tuned")]
    return made


def table():
    packed = "Python, packed LSTM"
    return [
        Row("C1", "MobileNetV1 + Bi-LSTM 512, CMPM + CMPC step, batch 16, 224, fp32", 3,
            contest("c1", [("Python eager", "python", "c1")]), (1e-5, 2e-3), {"Python eager": 1.3}),
        Row("C1-bf16", "the same in bf16 autocast", 3,
            contest("c1-bf16", [("Python eager", "python", "c1-bf16")]), (2e-2, 2e-2), {}),  # each within 1 % of fp32
        Row("C2", "MobileNetV2 image step, batch 16, fp32", 3,
            contest("c2", [("torchvision", "python", "c2")]), (1e-5, 2e-3), {"torchvision": 1.2}),
        Row("C2-bf16", "the same in bf16 autocast", 3,
            contest("c2-bf16", [("torchvision", "python", "c2-bf16")]), (1e-2, 1e-2), {}),
        Row("C4", "AdamW, 26.4 M parameters in 160 tensors", 20,
            contest("c4", [("torch::optim::AdamW", "diptych", "c4-torch-optim"),
                                 ("Python foreach", "python", "c4-foreach"), ("Python fused", "python", "c4-fused")]),
            (1e-5, 1e-6), {"torch::optim::AdamW": 2.0}),
        Row("C7", "R@1/5/10 both ways, 5K x 25K x 512", 1,
            contest("c7", [("Faiss IndexFlatIP k=10", "faiss", "c7-faiss"), ("Python mm + topk", "python", "c7-topk"),
                                 ("Python mm + argsort", "python", "c7-argsort")]),
            (1e-4,) * 6, {"Faiss IndexFlatIP k=10": 3.0, "Python mm + argsort": 15.0},
            most_mb=30000 * 512 * 4 / 1e6 + 128),
        Row("C8", "Bi-LSTM step, 4 x 64 captions of 8-60 words, length-sorted batches against shuffled ones", 1,
            contest("c8", [(packed, "python", "c8")]), (1e-4, 1e-4), {packed: 2.0}),
        Row("C8-shuffled", "the same, our batches shuffled too", 1,
            contest("c8-shuffled", [(packed, "python", "c8")]), (1e-4, 1e-4), {}),
        Row("C8-bf16", "C8 in bf16 autocast", 1,
            contest("c8-bf16", [(packed, "python", "c8-bf16")]), (2e-2, 2e-2), {}),
    ]


CALIBRATION = {  # case: (repeats, work per repeat, unit)
    "gemm-mkl": (50, 2 * 1024**3 / 1e9, "GFLOP/s"),
    "gemm-onednn": (50, 2 * 1024**3 / 1e9, "GFLOP/s"),
    "gemm-bf16": (100, 2 * 1024**3 / 1e9, "GFLOP/s"),
    "stream-add": (10, 3 * 4 * (32 << 20) / 1e9, "GB/s"),
}


class Server:
    def __init__(self, kind, allocator, settings):
        command = {
            "diptych": [settings.build / "benchmarks/diptych_benchmark_server", "--allocator", allocator],
            "faiss": [settings.build / "benchmarks/diptych_benchmark_faiss", "--allocator", "default"],
            "python": [settings.python, HERE / "peer/server.py"],
        }[kind]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("MALLOC_")}
        environment["OMP_NUM_THREADS"] = str(settings.threads)
        if allocator == "tuned" and kind != "diptych":
            environment |= TUNED
        self.process = subprocess.Popen(
            [str(part) for part in command] + ["--threads", str(settings.threads)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
        )

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if not answer:
            raise RuntimeError(f"the server ended with code {self.process.wait()}")
        if answer.startswith("error "):
            raise RuntimeError(answer[6:])
        return answer

    def measure(self, case, repeats):
        wall, cpu, faults, check, memory = self.ask(f"{case} {repeats}").split()
        return {
            "wall": float(wall) / repeats,
            "cpu": float(cpu) / repeats,
            "faults": int(faults) / repeats,
            "check": [float(value) for value in check.split(",")],
            "peak_mb": float(memory),
        }

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def absent(contestant, settings):
    """Why a peer cannot take part, or None."""
    if contestant.kind == "faiss" and not (settings.build / "benchmarks/diptych_benchmark_faiss").exists():
        return "Faiss is not installed (Debian package libfaiss-dev)"
    return None


def equal(a, b, tolerance):
    return len(a) == len(b) and all(
        abs(x - y) <= t * max(1e-12, abs(x), abs(y)) for x, y, t in zip(a, b, tolerance)
    )


def run_row(row, settings):
    print(f"{row.name}: {row.work}", file=sys.stderr)
    servers, skipped, samples = {}, {}, {}
    for contestant in row.contestants:
        if why := absent(contestant, settings):
            skipped[contestant.label] = why
            continue
        servers[contestant.label] = (Server(contestant.kind, contestant.allocator, settings), contestant)
        samples[contestant.label] = []
    for round_number in range(settings.rounds + 1):  # round 0 makes the cases and is thrown away
        order = list(servers.items())
        for label, (server, contestant) in order if round_number % 2 else reversed(order):
            try:
                samples[label].append(server.measure(contestant.case, row.repeats))
            except RuntimeError as error:
                if label == row.contestants[0].label:
                    raise SystemExit(f"benchmark: {row.name}: {error}")
                skipped[label] = str(error)
                servers.pop(label)[0].close()
                samples.pop(label)
        if round_number == 0:
            drop_unequal(row, servers, samples, skipped)
    for server, _ in servers.values():
        server.close()
    return result_of(row, samples, skipped, settings)


def drop_unequal(row, servers, samples, skipped):
    """Equality before timing: who computes something else does not race."""
    ours = samples[row.contestants[0].label][0]["check"]
    for label in list(servers):
        if not equal(ours, samples[label][0]["check"], row.tolerance):
            skipped[label] = f"check values differ: ours {ours}, its {samples[label][0]['check']}"
            servers.pop(label)[0].close()
            samples.pop(label)


def result_of(row, samples, skipped, settings):
    clock = settings.clock
    ours = samples[row.contestants[0].label]
    result = {"row": row.name, "work": row.work, "repeats": row.repeats, "clock": clock, "most_mb": row.most_mb,
              "skipped": skipped, "contestants": []}
    for label, rounds in samples.items():
        timed = rounds[1:]
        ratios = [b[clock] / a[clock] for a, b in zip(ours[1:], timed)]
        entry = {
            "label": label,
            "ms_min": 1e3 * min(s[clock] for s in timed),
            "ms_median": 1e3 * statistics.median(s[clock] for s in timed),
            "cpu_ms_min": 1e3 * min(s["cpu"] for s in timed),
            "page_faults": statistics.median(s["faults"] for s in timed),
            "peak_mb": max(s["peak_mb"] for s in rounds),
            "check": timed[-1]["check"],
            "check_equal": all(equal(a["check"], b["check"], row.tolerance) for a, b in zip(ours, rounds)),
            "ratio_median": statistics.median(ratios),
            "ratio_min_min": min(s[clock] for s in timed) / min(s[clock] for s in ours[1:]),
            "ratio_range": [min(ratios), max(ratios)],
            "bar": row.bars.get(label),
        }
        if not entry["check_equal"]:
            skipped[label] = "check values differ in a later round"
            continue
        medians, minima = entry["ratio_median"], entry["ratio_min_min"]
        entry["steady"] = abs(medians - minima) <= 0.05 * max(medians, minima)
        result["contestants"].append(entry)
    return result


def calibrate(settings):
    server = Server("diptych", "tuned", settings)
    found = {"info": json.loads(server.ask("info"))}
    for case, (repeats, work, unit) in CALIBRATION.items():
        try:
            best = min(server.measure(case, repeats)[settings.clock] for _ in range(settings.rounds))
            found[case] = {"value": work / best, "unit": unit}
        except RuntimeError as error:
            found[case] = {"skipped": str(error)}
    server.close()
    return found


def output_of(command):
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def build_servers(settings):
    commands = [
        ["cmake", "--preset", "release", "-DDIPTYCH_BUILD_BENCHMARKS=ON"],
        ["cmake", "--build", "--preset", "release", "--target", "diptych_benchmarks"],
    ]
    for command in [] if settings.no_build else commands:
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode != 0:
            raise SystemExit(f"{done.stdout}benchmark: {' '.join(command)} failed")
    if not (settings.build / "benchmarks/diptych_benchmark_server").exists():
        raise SystemExit("benchmark: the servers are not built: run scripts/benchmark without --no-build")


def cpu_name():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def markdown(report):
    info = report["calibration"]["info"]
    lines = [
        "# Benchmark",
        "",
        f"torch {info['torch']}, {info['cpu_capability']}, {report['cpu']}, {info['threads']} threads, "
        f"commit {report['commit']}, {report['started']}, load average {report['load_before']} before, "
        f"{report['load_after']} after. {info['flags']}.",
        "",
        f"{'CPU' if report['clock'] == 'cpu' else 'Wall'} times per repetition. Ratio = the peer's time / ours in the "
        "same round: median of the rounds, [range], and ratio of the minima. Check values were equal "
        "wherever a ratio stands. ~ marks ratios whose median and min/min disagree by more than 5 %: run them again.",
        "",
        "| row | contestant | min ms | median ms | page faults | peak MB | ratio | min/min | bar |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in report["rows"]:
        for entry in row["contestants"]:
            first = entry is row["contestants"][0]
            low, high = entry["ratio_range"]
            unsteady = "" if entry["steady"] else " ~"
            ratio = "1" if first else f"{entry['ratio_median']:.2f} [{low:.2f}, {high:.2f}]{unsteady}"
            if first and row["most_mb"]:
                entry_bar = f"<= {row['most_mb']:.0f} MB {'yes' if entry['peak_mb'] <= row['most_mb'] else 'NO'}"
            elif entry["bar"] is not None:
                entry_bar = f">= {entry['bar']:g} {'yes' if entry['ratio_median'] >= entry['bar'] else 'NO'}"
            else:
                entry_bar = ""
            name = row["row"] if first else ""
            lines.append(
                f"| {name} | {entry['label']} | {entry['ms_min']:.1f} | {entry['ms_median']:.1f} | "
                f"{entry['page_faults']:.0f} | {entry['peak_mb']:.0f} | {ratio} | "
                f"{'' if first else format(entry['ratio_min_min'], '.2f')} | {entry_bar} |"
            )
    lines += ["", "| row | work | check values |", "| --- | --- | --- |"]
    for row in report["rows"]:
        check = ", ".join(format(value, ".7g") for value in row["contestants"][0]["check"])
        lines.append(f"| {row['row']} | {row['work']} | {check} |")
    lines += ["", "Calibration: " + ", ".join(
        f"{name} {entry['value']:.0f} {entry['unit']}" if "value" in entry else f"{name} skipped ({entry['skipped']})"
        for name, entry in report["calibration"].items() if name != "info") + "."]
    left_out = [(row["row"], label, why) for row in report["rows"] for label, why in row["skipped"].items()]
    if left_out:
        lines += ["", "Left out:", ""] + [f"- {row}: {label}: {why}" for row, label, why in left_out]
    return "\n".join(lines) + "\n"


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/benchmark", description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", help="rows to run (C1 C2 C4 C7 C8 ...; default: all)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds per row, at least 5 for a report (default 5)")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="compute threads of every contestant")
    parser.add_argument("--out", type=Path, default=ROOT / "build/benchmark", help="folder of benchmark.json and .md")
    parser.add_argument("--no-build", action="store_true", help="take the servers as they are")
    parser.add_argument("--python", type=Path, default=Path(sys.executable), help="interpreter of the Python peers")
    settings = parser.parse_args()
    known = {row.name.lower(): row for row in table()}
    unknown = [name for name in settings.rows if name.lower() not in known]
    if unknown:
        parser.error(f"no row {', '.join(unknown)}; known: {', '.join(row.name for row in known.values())}")
    if settings.rounds < 1 or settings.threads < 1:
        parser.error("--rounds and --threads must be at least 1")
    settings.build = ROOT / "build/release"
    settings.clock = "cpu" if settings.threads == 1 else "wall"  # wall time of one thread doubles on a shared machine
    settings.chosen = [known[name.lower()] for name in settings.rows] or list(known.values())
    return settings


def main():
    settings = arguments()
    build_servers(settings)
    report = {
        "started": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "commit": output_of(["git", "describe", "--always", "--dirty"]),
        "cpu": cpu_name(),
        "rounds": settings.rounds,
        "clock": settings.clock,
        "tuned_allocator_of_peers": TUNED,
        "load_before": "%.2f" % os.getloadavg()[0],
        "calibration": calibrate(settings),
        "rows": [],
    }
    settings.out.mkdir(parents=True, exist_ok=True)
    for row in settings.chosen:
        report["rows"].append(run_row(row, settings))
        report["load_after"] = "%.2f" % os.getloadavg()[0]
        (settings.out / "benchmark.json").write_text(json.dumps(report, indent=2) + "\n")
        (settings.out / "benchmark.md").write_text(markdown(report))
    print(markdown(report))
    print(f"written: {settings.out}/benchmark.json, {settings.out}/benchmark.md", file=sys.stderr)


main()
