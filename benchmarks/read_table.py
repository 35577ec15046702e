"""Reading a table for training, beside pandas and NumPy, who only read it; and the memory that each takes at most."""

import multiprocessing
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

import ch5jax
from benchmarks.tables import table
from benchmarks.timing import alternate, at, median, ratio, save

ROUNDS = at(7, 1)
CSV = at((500_000, 50), (200, 4))
NPZ = at((50_000, 784), (200, 9))


def files(folder: Path) -> dict[str, tuple[Path, int]]:
    """Each table's file, and how many bytes its numbers are in memory."""
    generator = np.random.default_rng(0)
    numbers = generator.normal(size=CSV).round(6)
    names = [*(f"x{i}" for i in range(CSV[1] - 1)), "y"]
    pd.DataFrame(numbers, columns=names).to_csv(folder / "t.csv", index=False)
    pixels = generator.integers(0, 256, NPZ).astype(np.float32)
    np.savez(folder / "t.npz", x=pixels, y=generator.integers(0, 10, NPZ[0]))
    return {
        "CSV {:,} × {}".format(*CSV): (folder / "t.csv", numbers.nbytes),
        "NPZ {:,} × {}".format(*NPZ): (folder / "t.npz", pixels.nbytes),
    }


def ours(path: Path) -> object:
    return ch5jax.tasks.read_table(path, "y")


def peer(path: Path) -> object:
    if path.suffix == ".csv":
        return pd.read_csv(path)
    with np.load(path) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _peak(read: Callable[[Path], object], warm: Path, path: Path) -> int:
    read(warm)
    before = _most()
    read(path)
    return _most() - before


def _most() -> int:
    """Bytes that this process has held at most: `ru_maxrss` would be its parent's too."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])


def peak(read: Callable[[Path], object], warm: Path, path: Path) -> int:
    """Bytes that a process holds more, at most, than after it has read a small table."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak, (read, warm, path))


def main() -> None:
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, (path, size) in files(Path(folder)).items():
            warm = Path(folder, f"warm{path.suffix}")
            if path.suffix == ".csv":
                warm.write_text("x,y\n" + "0.5,1\n1.5,2\n" * 20)
            else:
                np.savez(warm, x=np.arange(40.0).reshape(20, 2), y=np.arange(20) % 2)
            contestants = {"ch5jax.tasks.read_table": ours, "pandas" if path.suffix == ".csv" else "NumPy": peer}
            seconds = alternate({who: lambda read=read: read(path) for who, read in contestants.items()}, ROUNDS)
            other = seconds[[*contestants][1]]
            rows += [
                {
                    "table": name,
                    "": who,
                    "s": median(seconds[who]),
                    "× the peer": ratio(seconds[who], other),
                    "memory, × the data": peak(read, warm, path) / size,
                }
                for who, read in contestants.items()
            ]
    save("read_table", {"rows": rows})
    print(table(rows))


if __name__ == "__main__":
    main()
