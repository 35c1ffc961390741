"""Small networks with random weights, of the shapes that upscalers have."""

from types import SimpleNamespace

import torch
from torch import nn
from torch.nn.functional import interpolate, pixel_shuffle, pixel_unshuffle


class Compact(nn.Module):
    """A chain of 3×3 convolutions with PReLU, then a pixel shuffle; the enlarged input is added."""

    def __init__(self, features=16, convs=4, scale=2, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        layers = [nn.Conv2d(3, features, 3, padding=1), nn.PReLU(features)]
        for _ in range(convs):
            layers += [nn.Conv2d(features, features, 3, padding=1), nn.PReLU(features)]
        layers.append(nn.Conv2d(features, 3 * scale * scale, 3, padding=1))
        self.body = nn.Sequential(*layers)
        self.spec = SimpleNamespace(scale=scale, radius=convs + 2, align=1)
        self.eval()

    def forward(self, x):
        return pixel_shuffle(self.body(x), self.spec.scale) + interpolate(x, scale_factor=self.spec.scale)


class Folded(nn.Module):
    """Folds 2 × 2 pixels into channels first, so that sides must be even."""

    def __init__(self, features=8, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.first, self.last = nn.Conv2d(12, features, 3, padding=1), nn.Conv2d(features, 48, 3, padding=1)
        self.spec = SimpleNamespace(scale=2, radius=4, align=2)
        self.eval()

    def forward(self, x):
        return pixel_shuffle(self.last(torch.relu(self.first(pixel_unshuffle(x, 2)))), 4)


def noise(*shape, seed=1):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))
