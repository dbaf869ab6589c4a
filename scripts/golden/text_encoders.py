"""Makes tests/golden/text_encoders.safetensors: text encoders and poolings in PyTorch, in float64.

13 words of 5; captions of 6, 1 and 4 words, padded to 6. Recurrent networks: torch.nn over packed sequences, two layers,
learned initial states. The CNN runs over each caption alone; the residual CNN over [B, C, 1, 8] with two-dimensional
kernels, all its channels divided by 32. Poolings take centred values [3, 6, 5]. Gradients are those of
sum(output * centred(98)); for the residual CNN one probe a parameter, in order of name.
"""

import pathlib

import torch
import torch.nn.functional as F
from torch import nn

from formula import centred, fill, probe, write

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"
TOKENS = torch.tensor([[3, 7, 12, 1, 3, 9], [5, 0, 0, 0, 0, 0], [2, 2, 11, 6, 0, 0]])
LENGTH = torch.tensor([6, 1, 4])
REAL = torch.arange(6) < LENGTH[:, None]
tensors = {}


def filled(module):
    fill(module.double())
    with torch.no_grad():
        module.embedding.weight[0] = 0
    return module


def backward(out):
    (out * centred(out.shape, 98)).sum().backward()


def keep_gradients(name, module):
    tensors.update({f"{name}.grad.{key}": p.grad for key, p in module.named_parameters()})


def table():
    return nn.Embedding(13, 5, padding_idx=0)


def packed(words):
    return nn.utils.rnn.pack_padded_sequence(words, LENGTH, batch_first=True, enforce_sorted=False)


def recurrent(name):
    kind, both = {"lstm": (nn.LSTM, False), "gru": (nn.GRU, False), "bigru": (nn.GRU, True)}[name]
    cell = "lstm" if kind is nn.LSTM else "gru"
    net = nn.Module()
    net.embedding = table()
    layers = kind(5, 4, num_layers=2, bidirectional=both, batch_first=True)
    for state in ("h0", "c0") if cell == "lstm" else ("h0",):
        layers.register_parameter(state, nn.Parameter(torch.empty(4 if both else 2, 4)))
    setattr(net, cell, layers)
    filled(net)
    first = layers.h0.unsqueeze(1).repeat(1, 3, 1)
    if cell == "lstm":
        first = (first, layers.c0.unsqueeze(1).repeat(1, 3, 1))
    out, last = layers(packed(net.embedding(TOKENS)), first)
    states, _ = nn.utils.rnn.pad_packed_sequence(out, batch_first=True)
    if both:
        states = (states[:, :, :4] + states[:, :, 4:]) / 2
        sentence = states.sum(1) / LENGTH[:, None]
    else:
        sentence = (last[0] if cell == "lstm" else last)[-1]
    backward(sentence)
    tensors.update({f"{name}.global": sentence, f"{name}.local": states})
    keep_gradients(name, net)


class Gpo(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(32, 32, bidirectional=True, batch_first=True)
        self.score = nn.Linear(32, 1, bias=False)

    def forward(self, x):
        codes = torch.zeros(6, 32, dtype=torch.float64)
        for position in range(6):
            for i in range(16):
                angle = torch.tensor(position / 10000 ** (2 * i / 32), dtype=torch.float64)
                codes[position, 2 * i], codes[position, 2 * i + 1] = angle.sin(), angle.cos()
        out = []
        for row, length in enumerate(LENGTH.tolist()):
            states, _ = self.gru(codes[None, :length])
            states = (states[0, :, :32] + states[0, :, 32:]) / 2
            weights = (self.score(states) / 0.1).softmax(0)  # [n, 1]
            out.append((weights * x[row, :length].sort(0, descending=True).values).sum(0))
        return torch.stack(out)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.project, self.score = nn.Linear(5, 4), nn.Linear(4, 1, bias=False)

    def forward(self, x):
        rows = [each[:length] for each, length in zip(x, LENGTH.tolist())]
        return torch.stack([(self.score(self.project(r).tanh()).softmax(0) * r).sum(0) for r in rows])


class Gem(nn.Module):
    def __init__(self):
        super().__init__()
        self.p = nn.Parameter(torch.tensor(3.0))

    def forward(self, x):
        rows = [each[:length].clamp_min(1e-6) for each, length in zip(x, LENGTH.tolist())]
        return torch.stack([(r**self.p).mean(0) ** (1 / self.p) for r in rows])


def each_row(function):
    return lambda x: torch.stack([function(row[:length]) for row, length in zip(x, LENGTH.tolist())])


def weldon(row):
    k = min(2, len(row))
    ordered = row.sort(0).values
    return ordered[-k:].mean(0) + ordered[:k].mean(0)


def poolings():
    x = centred((3, 6, 5), 31)
    plain = {
        "max": lambda r: r.max(0).values,
        "mean": lambda r: r.mean(0),
        "last": lambda r: r[-1],
        "mean_max": lambda r: torch.cat([r.mean(0), r.max(0).values]),
        "weldon": weldon,
        "lse": lambda r: (6 * r).exp().sum(0).log() / 6,
    }
    for name, function in plain.items():
        tensors[f"pool.{name}"] = each_row(function)(x)
    for name, module in {"gem": Gem(), "attention": Attention(), "gpo": Gpo()}.items():
        fill(module.double())
        out = module(x)
        backward(out)
        tensors[f"pool.{name}"] = out
        keep_gradients(f"pool.{name}", module)


def text_cnn():
    net = nn.Module()
    net.embedding = table()
    net.convs = nn.ModuleList(nn.Conv1d(5, 3, kernel) for kernel in (2, 3, 4, 5))
    filled(net)
    out = []
    for row, length in zip(TOKENS, LENGTH.tolist()):
        words = net.embedding(row[:length]).t()[None]
        features = [
            conv(F.pad(words, ((k - 1) // 2, k // 2))).relu().amax(2)[0] for conv, k in zip(net.convs, (2, 3, 4, 5))
        ]
        out.append(torch.cat(features))
    out = torch.stack(out)
    backward(out)
    tensors["text_cnn.global"] = out
    keep_gradients("text_cnn", net)


class Block(nn.Module):
    """Kernels [out, in, k] as parameters; the arithmetic is two-dimensional."""

    def __init__(self, channels, inner, out, stride):
        super().__init__()
        self.stride = stride
        self.conv1, self.bn1 = nn.Conv1d(channels, inner, 1, bias=False), nn.BatchNorm2d(inner, eps=1e-3)
        self.conv2, self.bn2 = nn.Conv1d(inner, inner, 2, bias=False), nn.BatchNorm2d(inner, eps=1e-3)
        self.conv3, self.bn3 = nn.Conv1d(inner, out, 1, bias=False), nn.BatchNorm2d(out, eps=1e-3)
        self.downsample = None
        if stride > 1 or channels != out:
            self.downsample = nn.Sequential(nn.Conv1d(channels, out, 1, bias=False), nn.BatchNorm2d(out, eps=1e-3))

    def forward(self, x):
        y = F.relu(self.bn1(F.conv2d(x, self.conv1.weight[:, :, None])))
        y = F.conv2d(F.pad(y, (1, 0, 0, 0)), self.conv2.weight[:, :, None], stride=(1, self.stride))
        y = self.bn3(F.conv2d(F.relu(self.bn2(y)), self.conv3.weight[:, :, None]))
        if self.downsample is not None:
            x = self.downsample[1](F.conv2d(x, self.downsample[0].weight[:, :, None], stride=(1, self.stride)))
        return F.relu(x + y)


class TextResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.bn = table(), nn.BatchNorm2d(5, eps=1e-3)
        shapes = [(4, 8, 1)] + 2 * [(2, 8, 1)] + [(16, 16, 2)] + 3 * [(4, 16, 1)] + [(32, 32, 2)] + 5 * [(8, 32, 1)]
        blocks, channels = [], 5
        for inner, out, stride in shapes + [(64, 64, 1)]:
            blocks.append(Block(channels, inner, out, stride))
            channels = out
        self.blocks = nn.Sequential(*blocks)

    def forward(self, placed):
        x = self.embedding(placed).permute(0, 2, 1)[:, :, None]  # [B, C, 1, places]
        return self.blocks(self.bn(x)).amax((2, 3))


def text_resnet():
    net = filled(TextResNet()).eval()
    with torch.no_grad():
        placed = torch.zeros(3, 8, dtype=torch.int64)
        placed[:, :6] = TOKENS
        tensors["text_resnet.eval"] = net(placed)
        everywhere = []
        for row, length in zip(TOKENS, LENGTH.tolist()):
            starts = torch.zeros(9 - length, 8, dtype=torch.int64)
            for start in range(9 - length):
                starts[start, start : start + length] = row[:length]
            everywhere.append(net(starts).mean(0))
        tensors["text_resnet.eval_all"] = torch.stack(everywhere)
    out = net.train()(placed)
    backward(out)
    tensors["text_resnet.train"] = out
    probes = [probe(p.grad) for _, p in sorted(net.named_parameters())]
    tensors["text_resnet.grad_probe"] = torch.tensor(probes, dtype=torch.float64)


class CnnRnn(nn.Module):
    """(filters, kernel, pool, stride) per layer; one text at a time, [places, channels]."""

    def __init__(self, channels, layers):
        super().__init__()
        self.convs, self.layers = nn.ModuleList(), layers
        for filters, kernel, _, _ in layers:
            self.convs.append(nn.Conv1d(channels, filters, kernel))
            channels = filters
        self.rnn = nn.RNN(channels, 6, nonlinearity="relu", batch_first=True)
        self.linear = nn.Linear(6, 5)

    def forward(self, text):
        x = text.t()[None]
        for conv, (_, _, pool, stride) in zip(self.convs, self.layers):
            x = F.max_pool1d(F.threshold(conv(x), 1e-6, 0), pool, stride)
        states = self.rnn(x.transpose(1, 2))[0][0]
        return self.linear(states.mean(0)), states


def cnn_rnn(name, places, net, read):
    """read: ids of a text -> [length, channels]; zeros fill up to `places`."""
    fill(net.double())
    if hasattr(net, "embedding"):
        with torch.no_grad():
            net.embedding.weight[0] = 0
    both = []
    for row, length in zip(TOKENS, LENGTH.tolist()):
        text = read(row[:length])
        both.append(net.net(torch.cat([text, text.new_zeros(places - length, text.size(1))])))
    out = torch.stack([sentence for sentence, _ in both])
    backward(out)
    tensors[f"{name}.global"], tensors[f"{name}.states"] = out, torch.stack([states for _, states in both])
    keep_gradients(name, net)


def word_cnn_rnn():
    net = nn.Module()
    net.embedding, net.net = table(), CnnRnn(5, [(4, 3, 1, 1), (4, 2, 3, 3), (4, 2, 1, 1)])
    cnn_rnn("word_cnn_rnn", 12, net, lambda ids: net.embedding(ids))


def char_cnn_rnn():
    """Nine characters, ids 4 to 12; the others are columns of zeros."""
    net = nn.Module()
    net.net = CnnRnn(9, [(4, 4, 3, 3), (5, 4, 3, 3), (4, 4, 3, 2)])
    cnn_rnn("char_cnn_rnn", 102, net, lambda ids: F.one_hot(ids, 13)[:, 4:].double())


for each in ("lstm", "gru", "bigru"):
    recurrent(each)
poolings()
text_cnn()
text_resnet()
word_cnn_rnn()
char_cnn_rnn()
write(GOLDEN / "text_encoders.safetensors", tensors, {"made_by": f"scripts/golden/text_encoders.py, torch {torch.__version__}"})
