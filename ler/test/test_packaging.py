# -*- test-case-name: ler.test.test_packaging -*-
"""
What is there once the package is installed.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
from email import message_from_bytes
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from zipfile import ZipFile

from twisted.application.service import IServiceMaker
from twisted.plugin import getPlugins
from twisted.trial.unittest import SkipTest, SynchronousTestCase

import ler
from ler.web.ui import page_files

ROOT = Path(ler.__file__).parent.parent

# What it says where no backend is installed, or one that cannot make wheels by itself.
NO_BACKEND = ("No module named 'setuptools'", "invalid command 'bdist_wheel'")


@cache
def build(kind: str) -> Path:
    """
    Build a distribution, once, from a copy of the checkout.

    @param kind: C{wheel} or C{sdist}.
    @return: its file.
    """
    if not (ROOT / "setup.cfg").exists():
        raise SkipTest("not a checkout")
    folder = Path.cwd() / f"packaging-{kind}"
    source = folder / "source"
    unwanted = shutil.ignore_patterns(".*", "_trial_temp*", "build", "dist", "*.egg-info")
    shutil.copytree(ROOT, source, ignore=unwanted, dirs_exist_ok=True)
    call = f"from setuptools import build_meta; build_meta.build_{kind}({str(folder)!r})"
    done = subprocess.run(
        [sys.executable, "-c", call], cwd=source, capture_output=True, text=True, check=False
    )
    if any(text in done.stderr for text in NO_BACKEND):
        raise SkipTest(done.stderr.strip().splitlines()[-1])
    if done.returncode:
        raise AssertionError(done.stderr)
    [result] = (path for path in folder.iterdir() if path.is_file())
    return result


class WheelTests(SynchronousTestCase):
    """
    The wheel.
    """

    def setUp(self) -> None:
        """Open the wheel."""
        self.wheel = ZipFile(build("wheel"))
        self.addCleanup(self.wheel.close)
        self.names = set(self.wheel.namelist())

    def test_plugin(self) -> None:
        """The wheel adds one file to Twisted's folders: the plugin."""
        added = {name for name in self.names if name.startswith("twisted")}
        self.assertEqual({"twisted/plugins/engine_router.py"}, added)

    def test_package(self) -> None:
        """The wheel has every module of the package, the mark that they are typed, and the files
        of the live page."""
        source = build("wheel").parent / "source"
        modules = {str(path.relative_to(source)) for path in (source / "ler").rglob("*.py")}
        page = {f"ler/web/page/{name}" for name in page_files()}
        packed = {name for name in self.names if name.startswith("ler/")}
        self.assertEqual(modules | page | {"ler/py.typed"}, packed)

    def test_metadata(self) -> None:
        """The wheel has the package's version and asks for the six dependencies."""
        [name] = (name for name in self.names if name.endswith("/METADATA"))
        metadata = message_from_bytes(self.wheel.read(name))
        self.assertEqual(ler.__version__, metadata["Version"])
        wanted = {
            re.split(r"[ (>]", requirement)[0].lower()
            for requirement in metadata.get_all("Requires-Dist", [])
            if "extra ==" not in requirement
        }
        six = {"twisted", "treq", "pyyaml", "psutil", "prometheus-client", "zope.interface"}
        self.assertEqual(six, wanted)


class SourceDistributionTests(SynchronousTestCase):
    """
    The source distribution.
    """

    def test_content(self) -> None:
        """One can read about the package, test it and build it again."""
        with tarfile.open(build("sdist")) as archive:
            names = {name.partition("/")[2] for name in archive.getnames()}
        wanted = {
            *("LICENSE", "Makefile", "NEWS.rst", "README.rst", "pyproject.toml", "setup.cfg"),
            *("ler/test/test_packaging.py", "twisted/plugins/engine_router.py"),
        }
        self.assertEqual(set(), wanted - names)
        self.assertFalse([name for name in names if name.endswith((".pyc", "dropin.cache"))])


class InstalledTests(SynchronousTestCase):
    """
    The package as these tests find it.
    """

    def test_imports(self) -> None:
        """Every module can be imported, but those that need an extra."""
        extra = ("ler.demo.", "ler.web.websocket_ends")
        for module in walk_packages(ler.__path__, "ler."):
            if not module.name.startswith((*extra, "ler.test.")):
                import_module(module.name)

    def test_plugin(self) -> None:
        """Twisted finds the plugin, and finds it once."""
        commands = [plugin.tapname for plugin in getPlugins(IServiceMaker)]
        self.assertEqual(1, commands.count("engine-router"))
