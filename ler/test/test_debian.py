# -*- test-case-name: ler.test.test_debian -*-
"""
What runs the router as a service: of the Debian package and its neighbours,
what can be checked without building them.
"""

from __future__ import annotations

import os
import plistlib
import re
import sys
from configparser import ConfigParser
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import yaml
from twisted.trial.unittest import SkipTest, SynchronousTestCase

import ler
from ler.config import Config, load
from ler.config.model import ENGINE_TYPES
from ler.config.shape import settings
from ler.ctl.options import make_parser

ROOT = Path(ler.__file__).parent.parent
DEBIAN = ROOT / "debian"
CONTRIB = ROOT / "contrib"

SLOWEST_STOP_S = 10 + 2 * 30 + 5
"""How long an engine with the usual stop_timeout_s may take with a stop_cmd, a
signal and what is left behind, after the running answers."""


class Unit(ConfigParser):
    """
    A unit of systemd.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(strict=False, interpolation=None)
        self.read(path)

    def optionxform(self, optionstr: str) -> str:
        """
        Names are as they are written.
        """
        return optionstr


class CheckoutCase(SynchronousTestCase):
    """
    A test of files that are not installed.
    """

    def setUp(self) -> None:
        """
        They must be there.
        """
        if not DEBIAN.is_dir():
            raise SkipTest("not a checkout")


class PackageTests(CheckoutCase):
    """
    The Debian package.
    """

    def test_version(self) -> None:
        """It has the version of the Python package."""
        changelog = (DEBIAN / "changelog").read_text()
        self.assertEqual(f"engine-router ({ler.__version__})", changelog.partition(" bookworm")[0])

    def test_dependencies(self) -> None:
        """What the package needs is there when it is built and tried."""
        wanted = ConfigParser()
        wanted.read(ROOT / "setup.cfg")
        names = re.findall(r"^[\w.-]+", wanted["options"]["install_requires"], re.MULTILINE)
        control = (DEBIAN / "control").read_text()
        for name in names:
            self.assertIn(f"\n python3-{name.replace('pyyaml', 'yaml')},\n", control)

    def test_configuration(self) -> None:
        """The configuration that it comes with works, and raises no doubts."""
        loaded = load(str(DEBIAN / "config.yaml"), {})
        self.assertEqual(["ollama"], [*loaded.config.engines])
        self.assertEqual((), loaded.warnings)

    def test_examples(self) -> None:
        """What is commented out there works as well."""
        text = (DEBIAN / "config.yaml").read_text()
        text = re.sub(r"^( *)# (?= *[\w*-]+:|  *- )", r"\1", text, flags=re.MULTILINE)
        path = Path(self.mktemp())
        path.write_text(text.replace("[...]", "[secret]"))
        config = load(str(path), {}).config
        keys = [key.key for key in config.api_keys]
        self.assertEqual((["ollama", "qwen"], ["secret"]), ([*config.engines], keys))


class UnitTests(CheckoutCase):
    """
    The units of systemd.
    """

    def test_stop(self) -> None:
        """The router alone is told to stop, the configuration knows of that,
        and there is time enough."""
        for path in (DEBIAN / "engine-router.service", CONTRIB / "systemd/engine-router.service"):
            service = Unit(path)["Service"]
            self.assertEqual("process", service["KillMode"])
            self.assertEqual("ENGINE_ROUTER_KILLMODE=process", service["Environment"])
            self.assertGreater(int(service["TimeoutStopSec"]), SLOWEST_STOP_S)
            self.assertEqual("notify", service["Type"])
            self.assertTrue(service["WatchdogSec"])

    def test_leave(self) -> None:
        """Under them engines may be left running."""
        path = Path(self.mktemp())
        path.write_text("on_exit: leave\nengines: {o: {type: ollama}}\n")
        service = Unit(DEBIAN / "engine-router.service")["Service"]
        name, _, value = service["Environment"].partition("=")
        self.assertEqual(
            "leave", load(str(path), {"INVOCATION_ID": "1", name: value}).config.on_exit
        )

    def test_socket(self) -> None:
        """By default the socket is where the router would listen."""
        socket = Unit(DEBIAN / "engine-router.socket")["Socket"]
        default = load(str(DEBIAN / "config.yaml"), {}).config
        self.assertEqual(f"{default.host}:{default.port}", socket["ListenStream"])

    def test_user(self) -> None:
        """The service runs as the user that the package makes, in the folder
        that it removes."""
        service = Unit(DEBIAN / "engine-router.service")["Service"]
        sysusers = (DEBIAN / "sysusers/engine-router.conf").read_text()
        self.assertIn(f"u {service['User']} ", sysusers)
        folder = f"/var/lib/{service['StateDirectory']}"
        self.assertIn(folder, sysusers)
        self.assertIn(f"rm -rf {folder}\n", (DEBIAN / "postrm").read_text())


class ContainerTests(CheckoutCase):
    """
    The container, and the example with two engines.
    """

    def test_compose(self) -> None:
        """The configuration works there: the router can be reached, and knows
        the other services as engines."""
        compose = yaml.safe_load((ROOT / "compose.yaml").read_text())
        services = compose["services"]
        router = services.pop("router")
        [published] = router["ports"]
        path, inside, _ = router["volumes"][0].split(":")
        config = load(str(ROOT / path), {"ROUTER_API_KEY": "secret"}).config
        keys = [key.key for key in config.api_keys]
        self.assertEqual(("0.0.0.0", ["secret"]), (config.host, keys))
        self.assertEqual(str(config.port), published.rpartition(":")[2])
        hosts = [
            engine.base_url.split("/")[2].partition(":")[0] for engine in config.engines.values()
        ]
        self.assertEqual([*services], hosts)
        self.assertIn(f"ROUTER_CONFIG={inside} ", (ROOT / "Dockerfile").read_text())

    def test_context(self) -> None:
        """What the image is made of is all that the build is given."""
        ignored = (ROOT / ".dockerignore").read_text().splitlines()
        given = {line.removeprefix("!") for line in ignored if line.startswith("!")}
        for name in given:
            self.assertTrue((ROOT / name).exists(), name)
        self.assertTrue(given >= {"setup.cfg", "pyproject.toml", "LICENSE", "README.rst"})


class AgentTests(CheckoutCase):
    """
    The agent for macOS.
    """

    def test_plist(self) -> None:
        """It is a property list, runs the router, and lets it stop."""
        agent = plistlib.loads((CONTRIB / "launchd/engine-router.plist").read_bytes())
        self.assertEqual(["/bin/sh", "-c"], agent["ProgramArguments"][:2])
        self.assertIn("/engine-router", agent["ProgramArguments"][2])
        self.assertGreater(agent["ExitTimeOut"], SLOWEST_STOP_S)


class ManualTests(CheckoutCase):
    """
    The man pages, before they are rendered.
    """

    def setUp(self) -> None:
        """
        Load their maker.
        """
        super().setUp()
        self.patch(sys, "path", [*sys.path])
        spec = spec_from_file_location("man_make", ROOT / "man" / "make.py")
        assert spec is not None and spec.loader is not None
        self.make: ModuleType = module_from_spec(spec)
        spec.loader.exec_module(self.make)

    def test_keys(self) -> None:
        """That of the configuration tells of every key."""
        page = self.make.page("engine-router.yaml.5")
        for section in (Config, *ENGINE_TYPES.values()):
            for setting in settings(section):
                self.assertIn(f"**{self.make.escape(setting.name)}** (", page)

    def test_commands(self) -> None:
        """That of routerctl tells of every command, and of its environment."""
        page = self.make.page("routerctl.1")
        [choices] = (one.choices for one in make_parser()._actions if isinstance(one.choices, dict))
        for name in choices:
            self.assertIn(f"\n**{name}**", page)
        for text in ("\nENVIRONMENT\n===========\n", "\n--url URL\n"):
            self.assertIn(text, page)

    def test_options(self) -> None:
        """That of the router tells of every option."""
        page = self.make.page("engine-router.8")
        for option in ("--config FILE", "--check-config", "--print-schema", "--detect-only"):
            self.assertIn(option, page)

    def test_nothing_is_missing(self) -> None:
        """Whatever was to be put into a page is in it."""
        for path in (ROOT / "man").glob("*.rst"):
            self.assertNotRegex(self.make.page(path.stem), re.compile(r"^\.\. ", re.MULTILINE))

    def test_nothing_of_this_machine(self) -> None:
        """No page tells of the machine on which it was made."""
        for path in (ROOT / "man").glob("*.rst"):
            self.assertNotIn(os.path.expanduser("~"), self.make.page(path.stem))
