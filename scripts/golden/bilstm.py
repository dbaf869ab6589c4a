"""Makes tests/golden/bilstm.safetensors from torch.nn.LSTM over packed sequences, in float64.

Two layers, 13 words of 5, 4 units a direction, learned initial states, captions of 6, 1 and 4 words padded to 6.
Holds the states (zeros at padding), the four poolings, and every parameter's gradient of sum(mean_max * centred(98)).
"""

import pathlib

import torch
from torch import nn

from formula import centred, fill, write

GOLDEN = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"


class Text(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(13, 5, padding_idx=0)
        self.lstm = nn.LSTM(5, 4, num_layers=2, bidirectional=True, batch_first=True)
        self.lstm.h0 = nn.Parameter(torch.empty(4, 4))
        self.lstm.c0 = nn.Parameter(torch.empty(4, 4))


net = fill(Text().double())
with torch.no_grad():
    net.embedding.weight[0] = 0
tokens = torch.tensor([[3, 7, 12, 1, 3, 9], [5, 0, 0, 0, 0, 0], [2, 2, 11, 6, 0, 0]])
length = torch.tensor([6, 1, 4])
packed = nn.utils.rnn.pack_padded_sequence(net.embedding(tokens), length, batch_first=True, enforce_sorted=False)
first = [state.unsqueeze(1).expand(4, 3, 4).contiguous() for state in (net.lstm.h0, net.lstm.c0)]
out, (last, _) = net.lstm(packed, first)
states, _ = nn.utils.rnn.pad_packed_sequence(out, batch_first=True)  # [3, 6, 8]
real = (torch.arange(6) < length.unsqueeze(1)).unsqueeze(2)
pooled = {
    "max": states.masked_fill(~real, -torch.inf).amax(1),
    "mean": states.sum(1) / length.unsqueeze(1),
    "last": torch.cat([last[-2], last[-1]], 1),
}
pooled["mean_max"] = torch.cat([pooled["mean"], pooled["max"]], 1)
(pooled["mean_max"] * centred((3, 16), 98)).sum().backward()
tensors = {"tokens": tokens, "length": length, "states": states}
tensors |= {f"pool.{name}": value for name, value in pooled.items()}
tensors |= {f"grad.{name}": p.grad for name, p in net.named_parameters()}
write(GOLDEN / "bilstm.safetensors", tensors, {"made_by": f"scripts/golden/bilstm.py, torch {torch.__version__}"})
