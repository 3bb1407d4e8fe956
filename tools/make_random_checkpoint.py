"""Write a Demucs model folder with random weights: the real architecture and size, or a tiny one for tests.

Such a folder is loaded by ``demucs --repo FOLDER -n NAME`` as well as by Stembridge, needs no download and raises no
licence question; it separates nothing. It serves for measuring speed and memory and for testing that the numbers agree.

::

    python tools/make_random_checkpoint.py FOLDER [--name htdemucs|htdemucs_ft|htdemucs_6s] [--tiny]
"""

from __future__ import annotations

import argparse
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

#: Where the published models differ from the defaults of `demucs.htdemucs.HTDemucs`, chosen so that the files have the
#: published sizes: 84 MB (htdemucs and each of htdemucs_ft; 42 M parameters in half precision), 55 MB (htdemucs_6s).
REAL_SIZE: dict[str, Any] = {"dconv_mode": 3, "segment": Fraction(39, 5)}
BOTTOM_CHANNELS = {"htdemucs": 512, "htdemucs_ft": 512, "htdemucs_6s": 0}

#: 0.1 million parameters in the same arrangement (two branches, cross transformer, bottom channels), in segments of a
#: quarter of a second.
TINY_SIZE: dict[str, Any] = {
    "channels": 8,
    "nfft": 1024,
    "depth": 3,
    "t_layers": 3,
    "t_heads": 2,
    "t_hidden_scale": 1.0,
    "dconv_mode": 3,
    "bottom_channels": 16,
    "segment": Fraction(1, 4),
}


def make_checkpoint(folder: Path, name: str = "htdemucs", *, tiny: bool = False, seed: int = 0) -> Path:
    """Write `name` with random weights into `folder` (made where missing) and return it.

    The bag's description (which models, which weights) is demucs' own; half-precision weights are drawn with `seed`.
    """
    import torch
    import yaml
    from demucs.htdemucs import HTDemucs
    from demucs.pretrained import REMOTE_ROOT
    from demucs.states import get_state, save_with_checksum

    description = REMOTE_ROOT / f"{name}.yaml"
    folder.mkdir(parents=True, exist_ok=True)
    sources = ["drums", "bass", "other", "vocals"] + (["guitar", "piano"] if name.endswith("6s") else [])
    size = TINY_SIZE if tiny else {**REAL_SIZE, "bottom_channels": BOTTOM_CHANNELS[name]}
    for index, signature in enumerate(yaml.safe_load(description.read_text())["models"]):
        torch.manual_seed(seed + index)
        model = HTDemucs(sources=sources, **size)
        content = {
            "klass": HTDemucs,
            "args": (),
            "kwargs": {"sources": sources, **size},
            "state": get_state(model, None, half=True),
        }
        save_with_checksum(content, folder / f"{signature}.th")
    shutil.copyfile(description, folder / description.name)
    return folder


def main() -> None:
    """Read the command line and write the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--name", default="htdemucs", choices=BOTTOM_CHANNELS)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    make_checkpoint(args.folder, args.name, tiny=args.tiny, seed=args.seed)


if __name__ == "__main__":
    main()
