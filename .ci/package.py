"""Builds the package, looks at what is in it, and runs it where nothing of the repository is on the path.

`python .ci/package.py` needs `build` beside the extra `sweep`. A fresh environment borrows its packages, not ch5jax.
The wheel is built from the sdist, so that what is missing there shows.
"""

import os
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NO_CODE = {str(path.relative_to(ROOT)) for path in (ROOT / "ch5jax").rglob("*.*") if path.suffix not in (".py", ".pyc")}
METADATA = ("PKG-INFO", "pyproject.toml", ".gitignore")  # of an sdist, as hatchling makes it
SWEEP = "sweep --optimizer sgd --learning-rate 0.1,1 --steps 20 --seeds 1 --no-cache --out page"
SMOKE = """
import importlib.metadata, pathlib, sys
import ch5jax, ch5jax.report, jax
assert pathlib.Path(ch5jax.__file__).is_relative_to(sys.prefix), ch5jax.__file__
assert (pathlib.Path(ch5jax.__file__).parent / "py.typed").is_file()
task, opts = ch5jax.tasks.surface(ch5jax.problems.beale()), ch5jax.grid(ch5jax.adam, learning_rate=[0.01, 0.1])
assert len(ch5jax.sweep(task, opts, steps=20, key=jax.random.key(0)).table()) == 2
assert importlib.metadata.version("ch5jax") == sys.argv[1]
"""


def run(*command: object, where: Path) -> str:
    """Runs a command without what this environment would add to the path, and gives what it printed."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [*map(str, command)], cwd=where, env=clean, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def wrong(names: set[str], allowed: tuple[str, ...]) -> list[str]:
    """Names that are not among those that a package may hold."""
    return sorted(name for name in names if not name.startswith(allowed))


def main() -> None:
    """Says what it found, or ends at the first thing that is wrong."""
    assert any(name.endswith(".css") for name in NO_CODE), NO_CODE
    assert any(name.endswith("py.typed") for name in NO_CODE), NO_CODE
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        run(sys.executable, "-m", "build", "--outdir", place / "dist", ROOT, where=place)
        (wheel,), (sdist,) = (place / "dist").glob("*.whl"), (place / "dist").glob("*.tar.gz")
        version = wheel.name.split("-")[1]
        in_wheel = set(zipfile.ZipFile(wheel).namelist())
        with tarfile.open(sdist) as archive:
            in_sdist = {name.partition("/")[2] for name in archive.getnames()}
        allowed = ("ch5jax/", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", *METADATA)
        for found, strangers in (
            (in_wheel, wrong(in_wheel, ("ch5jax/", f"ch5jax-{version}.dist-info/"))),
            (in_sdist, wrong(in_sdist, allowed)),
        ):
            assert not strangers, f"the package holds {strangers[:5]}"
            assert found >= NO_CODE, f"the package lacks {sorted(NO_CODE - found)}"
        venv.create(place / "venv", with_pip=True)
        python = place / "venv" / "bin" / "python"
        run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel, where=place)
        packages = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", where=place).strip()
        (Path(packages) / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
        run(python, "-c", SMOKE, version, where=place)
        command = place / "venv" / "bin" / "ch5jax"
        said = run(command, "--version", where=place)
        assert said.startswith(f"ch5jax {version}"), said
        run(command, *SWEEP.split(), where=place)
        pages = [page for page in place.glob("page*/**/*.html") if "<style" in page.read_text()]
        assert pages, "the sweep wrote no page with its style"
        size, other = wheel.stat().st_size, sdist.stat().st_size
        print(f"{wheel.name} ({size / 1000:.0f} kB) and {sdist.name} ({other / 1000:.0f} kB) build, install and run")


if __name__ == "__main__":
    main()
