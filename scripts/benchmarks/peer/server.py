"""The Python contestants: PyTorch as its users write it. Same protocol as server.h.

    server.py --threads N
"""

import ctypes
import json
import re
import resource
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import rnn

import formula

BATCH, SIZE, VOCABULARY, CLASSES = 16, 224, 10000, 11003


class Case:
    """One piece of work: run() is timed; check() gives the numbers that must equal the other contestants'."""

    warm_up_always = True

    def reset(self):
        pass


# --- models ----------------------------------------------------------------------------------------------------------


class MobileNetV1(nn.Module):
    LAYERS = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)] + [(512, 1)] * 5 + [(1024, 2), (1024, 1)]

    def __init__(self):
        super().__init__()

        def conv(i, o, kernel, stride=1, groups=1):
            return nn.Conv2d(i, o, kernel, stride, kernel // 2, groups=groups, bias=False)

        blocks, channels = [nn.Sequential(conv(3, 32, 3, 2), nn.BatchNorm2d(32), nn.ReLU6(True))], 32
        for out, stride in self.LAYERS:
            blocks.append(
                nn.Sequential(
                    conv(channels, channels, 3, stride, channels),
                    nn.BatchNorm2d(channels),
                    nn.ReLU6(True),
                    conv(channels, out, 1),
                    nn.BatchNorm2d(out),
                    nn.ReLU6(True),
                )
            )
            channels = out
        self.model = nn.Sequential(*blocks)

    def forward(self, image):
        return self.model(image).mean((2, 3))


class PackedBiLstm(nn.Module):
    def __init__(self, size=512):
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, size, padding_idx=0)
        self.lstm = nn.LSTM(size, size, batch_first=True, bidirectional=True)

    def forward(self, tokens, length):
        words = self.embedding(tokens)
        packed = rnn.pack_padded_sequence(words, length, batch_first=True, enforce_sorted=False)
        states, _ = rnn.pad_packed_sequence(self.lstm(packed)[0], batch_first=True, padding_value=-torch.inf)
        return states.max(1).values


class LinearBn(nn.Module):
    def __init__(self, features, size):
        super().__init__()
        self.fc = nn.Linear(features, size, bias=False)
        self.bn = nn.BatchNorm1d(size)

    def forward(self, features):
        return self.bn(self.fc(features))


class Matching(nn.Module):
    """MobileNetV1 + Bi-LSTM, CMPM + CMPC (Zhang and Lu, ECCV 2018)."""

    def __init__(self):
        super().__init__()
        self.image, self.text = MobileNetV1(), PackedBiLstm()
        self.image_head, self.text_head = LinearBn(1024, 512), LinearBn(1024, 512)
        self.cmpc = nn.Module()
        self.cmpc.weight = nn.Parameter(torch.empty(512, CLASSES))

    def encode(self, image, tokens, length):
        return self.image_head(self.image(image)), self.text_head(self.text(tokens, length))

    def loss(self, x, y, label):
        unit_x, unit_y = F.normalize(x), F.normalize(y)
        match = (label[:, None] == label[None, :]).float()
        target = match / match.sum(1, keepdim=True)

        def divergence(scores):
            p = scores.softmax(1)
            return (p * torch.log(1e-8 + p / (target + 1e-8))).sum(1).mean()

        cmpm = divergence(x @ unit_y.t()) + divergence(y @ unit_x.t())
        weight = F.normalize(self.cmpc.weight, dim=0)
        on_text, on_image = (x * unit_y).sum(1, keepdim=True) * unit_y, (y * unit_x).sum(1, keepdim=True) * unit_x
        return cmpm + F.cross_entropy(on_text @ weight, label) + F.cross_entropy(on_image @ weight, label)


# --- C1, C2 ----------------------------------------------------------------------------------------------------------


def import_torchvision():
    """Also a CUDA build beside a CPU torch, whose compiled operators do not load: no model here needs them."""
    library = torch.library.Library("torchvision", "FRAGMENT")
    while True:
        try:
            import torchvision

            return torchvision, library
        except RuntimeError as error:
            missing = re.search(r"operator torchvision::(\w+) does not exist", str(error))
            if not missing:
                raise
            library.define(f"{missing[1]}() -> ()")
            for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
                del sys.modules[name]


class TrainingStep(Case):
    """Starts afresh at every request; checks are the losses of the warm-up step and of the last one."""

    def __init__(self, bf16):
        self.bf16 = bf16
        self.image = formula.noise("image", (BATCH, 3, SIZE, SIZE)).float().to(memory_format=torch.channels_last)
        self.model = self.make().to(memory_format=torch.channels_last)

    def reset(self):
        formula.fill(self.model.named_parameters())
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4, weight_decay=0.01, fused=True)
        self.losses = []

    def run(self):
        self.optimizer.zero_grad()
        loss = self.loss()
        loss.backward()
        self.optimizer.step()
        self.losses.append(loss.item())

    def check(self):
        return [self.losses[0], self.losses[-1]]


class CmpmCmpc(TrainingStep):
    def make(self):
        self.label = formula.integers("label", (BATCH,), CLASSES)
        self.length = formula.caption_lengths(BATCH)
        self.tokens = formula.caption_tokens(self.length, VOCABULARY)
        return Matching()

    def loss(self):
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            x, y = self.model.encode(self.image, self.tokens, self.length)
        return self.model.loss(x.float(), y.float(), self.label)


class MobileNetV2(TrainingStep):
    def make(self):
        self.label = formula.integers("label", (BATCH,), 1000)
        model = nn.Module()
        torchvision, self.library = import_torchvision()
        model.features = torchvision.models.mobilenet_v2().features
        model.fc = nn.Linear(1280, 1000)
        return model

    def loss(self):
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            logits = self.model.fc(self.model.features(self.image).mean((2, 3)))
        return F.cross_entropy(logits.float(), self.label)


# --- C4 --------------------------------------------------------------------------------------------------------------


class AdamW(Case):
    """26.4 M parameters in 160 tensors."""

    def __init__(self, **how):
        self.values = []
        for i in range(160):
            size = [(512,), (2048,), (128, 1152), (510, 1000)][i % 4]
            value = formula.noise(f"c4.{i}", size).float().requires_grad_()
            value.grad = formula.noise(f"c4.{i}.grad", size).float()
            self.values.append(value)
        self.optimizer = torch.optim.AdamW(self.values, lr=1e-4, weight_decay=0.01, **how)

    def run(self):
        self.optimizer.step()

    def check(self):
        values = [value.detach().double() for value in self.values]
        return [sum(v.sum().item() for v in values), sum(v.abs().sum().item() for v in values)]


# --- C7 --------------------------------------------------------------------------------------------------------------


class Recalls(Case):
    """R@1, 5, 10 both ways from the whole score matrix."""

    warm_up_always = False

    def __init__(self, sort):
        self.images, self.captions = formula.gallery()
        self.sort = sort

    def best(self, scores):  # [queries, 10]
        return scores.argsort(1, descending=True)[:, :10] if self.sort else scores.topk(10, 1).indices

    def run(self):
        scores = self.images @ self.captions.t()
        image = torch.arange(formula.IMAGES)
        owner = image.repeat_interleave(formula.PER_IMAGE)
        self.found = []
        for hits in (owner[self.best(scores)] == image[:, None], self.best(scores.t()) == owner[:, None]):
            self.found += [100 * hits[:, :k].any(1).double().mean().item() for k in (1, 5, 10)]

    def check(self):
        return self.found


# --- C8 --------------------------------------------------------------------------------------------------------------


class BiLstmStep(Case):
    """Forward and backward of four shuffled batches of 64 captions."""

    def __init__(self, bf16):
        self.bf16 = bf16
        self.model = PackedBiLstm()
        formula.fill(self.model.named_parameters())
        length = formula.caption_lengths(256)
        tokens, weight = formula.caption_tokens(length, VOCABULARY), formula.noise("c8.weight", (256, 1024)).float()
        self.batches = [
            (tokens[i : i + 64, : int(length[i : i + 64].max())].contiguous(), length[i : i + 64], weight[i : i + 64])
            for i in range(0, 256, 64)
        ]

    def run(self):
        self.total = 0
        self.model.zero_grad()
        for tokens, length, weight in self.batches:
            with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
                loss = (self.model(tokens, length) * weight).sum() / 64
            loss.backward()
            self.total += loss.item()

    def check(self):
        squares = sum(p.grad.double().square().sum().item() for p in self.model.parameters())
        return [self.total, squares**0.5]


CASES = {
    "c1": lambda: CmpmCmpc(False),
    "c1-bf16": lambda: CmpmCmpc(True),
    "c2": lambda: MobileNetV2(False),
    "c2-bf16": lambda: MobileNetV2(True),
    "c4-foreach": lambda: AdamW(foreach=True),
    "c4-fused": lambda: AdamW(fused=True),
    "c7-topk": lambda: Recalls(False),
    "c7-argsort": lambda: Recalls(True),
    "c8": lambda: BiLstmStep(False),
    "c8-bf16": lambda: BiLstmStep(True),
}


def memory_mb(key):
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith(key):
                return int(line.split()[1]) / 1024
    return 0.0


def forget_peak():
    """Gives back what setting up a case left over, so that the peak is that of the work and its inputs."""
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")


def usage():
    now = resource.getrusage(resource.RUSAGE_SELF)
    return time.perf_counter(), now.ru_utime + now.ru_stime, now.ru_minflt + now.ru_majflt


def measure(case, repeats, first, memory_before):
    case.reset()
    if first or case.warm_up_always:
        case.run()
    before = usage()
    for _ in range(repeats):
        case.run()
    wall, cpu, faults = (b - a for a, b in zip(before, usage()))
    check = ",".join(f"{value:.9g}" for value in case.check())
    return f"{wall:.6f} {cpu:.6f} {faults} {check} {memory_mb('VmHWM') - memory_before:.1f}"


def main():
    torch.set_num_threads(int(sys.argv[sys.argv.index("--threads") + 1]))
    torch.mm(torch.ones(256, 256), torch.ones(256, 256))
    made = {}
    for line in sys.stdin:
        name, _, repeats = line.strip().partition(" ")
        if name == "info":
            print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads()}), flush=True)
            continue
        try:
            first = name not in made
            if first:
                before = memory_mb("VmRSS")
                made[name] = (CASES[name](), before)
                forget_peak()
            print(measure(made[name][0], int(repeats or 1), first, made[name][1]), flush=True)
        except Exception as error:
            print(f"error {type(error).__name__}: {str(error).splitlines()[0]}", flush=True)


main()
