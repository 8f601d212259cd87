"""
Tests for L{ler.engines.unit} and L{ler.engines.unit_status}.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from ler.engines.unit import ASK_S, KILL_S, LINGER_S, ISystemdUnit, SystemdUnit
from ler.engines.unit_status import PROPERTIES, UnitStatus, is_populated, parse_status, story
from ler.errors import EngineStartFailed, EngineStartTimeout, EngineStuck, Unreachable
from ler.interfaces import IServiceUnit
from ler.test.fakeprocess import no_threads

NOW = 1000.5
GROUP = "/system.slice/a.service"
REFUSAL = "Failed to start a.service: Interactive authentication required.\n"


def shown(state: str, **more: object) -> str:
    """
    @return: what C{systemctl show} prints of a unit.
    """
    properties = {"ActiveState": state, **more}
    return "".join(f"{key}={value}\n" for key, value in properties.items())


RUNNING = shown("active", SubState="running", MainPID=42, ControlGroup=GROUP, InvocationID="r1")
DEAD = shown("inactive", SubState="dead", MainPID=0, ControlGroup="", Result="success")


class FakeProgram:
    """
    The transport of a program that was run, and what a test makes of it.

    @ivar argv: its command line.
    @ivar killed: whether it was.
    @ivar immune: why it cannot be killed, or L{None}.
    """

    def __init__(
        self, protocol: ProcessProtocol, executable: str, argv: list[str], env: dict[str, str]
    ) -> None:
        self.executable = executable
        self.argv = argv
        self.env = env
        self.killed = False
        self.immune: Exception | None = None
        self._protocol = protocol
        protocol.makeConnection(self)

    def closeStdin(self) -> None:
        """
        @see: L{IProcessTransport.closeStdin}
        """

    def signalProcess(self, name: str) -> None:
        """
        @see: L{IProcessTransport.signalProcess}
        """
        assert name == "KILL"
        if self.immune is not None:
            raise self.immune
        self.killed = True

    def prints(self, out: str) -> None:
        """
        It prints something.
        """
        self._protocol.childDataReceived(1, out.encode())

    def ends(self, code: int = 0, out: str = "", err: str = "") -> None:
        """
        It prints something, and exits.
        """
        self._protocol.childDataReceived(1, out.encode())
        self._protocol.childDataReceived(2, err.encode())
        reason = ProcessTerminated(code) if code else ProcessDone(0)
        self._protocol.processEnded(Failure(reason))

    def is_killed(self) -> None:
        """
        Somebody kills it.
        """
        self._protocol.processEnded(Failure(ProcessTerminated(None, 9)))


class FakeReactor(Clock):
    """
    A clock that runs L{FakeProgram}s.

    @ivar programs: all of them.
    @ivar refuses: an error for the next one to raise.
    """

    def __init__(self) -> None:
        super().__init__()
        self.programs: list[FakeProgram] = []
        self.refuses: OSError | None = None

    def spawnProcess(self, *arguments: Any) -> FakeProgram:
        """
        @see: L{IReactorProcess.spawnProcess}
        """
        if self.refuses is not None:
            raise self.refuses
        program = FakeProgram(*arguments)
        self.programs.append(program)
        return program


class UnitStatusTests(SynchronousTestCase):
    """
    L{UnitStatus}
    """

    def test_parse(self) -> None:
        """What C{systemctl show} prints is taken apart, in any order."""
        text = (
            "Result=exit-code\nNRestarts=3\nMainPID=42\nInvocationID=abc\n"
            "ControlGroup=/a=b\nActiveState=active\nSubState=running\n"
        )
        self.assertEqual(
            UnitStatus("active", "running", 42, "/a=b", "exit-code", 3, "abc"), parse_status(text)
        )

    def test_parse_nothing(self) -> None:
        """What is missing, empty or new is not known."""
        self.assertEqual(UnitStatus(), parse_status(""))
        text = "MainPID=0\nNRestarts=[not set]\nResult=\nActiveState=maintenance\nnonsense\n"
        self.assertEqual(UnitStatus(), parse_status(text))

    def test_reloading(self) -> None:
        """A unit that reloads its configuration is active."""
        self.assertEqual("active", parse_status("ActiveState=reloading").state)

    def test_runs_and_gone(self) -> None:
        """A unit that waits to be restarted neither runs nor is gone; nor is
        one gone that left processes."""
        table: list[tuple[UnitStatus, bool, bool]] = [
            (UnitStatus("active"), True, False),
            (UnitStatus("activating", "start"), True, False),
            (UnitStatus("activating", "auto-restart"), False, False),
            (UnitStatus("activating", "auto-restart-queued"), False, False),
            (UnitStatus("deactivating"), False, False),
            (UnitStatus("unknown"), False, False),
            (UnitStatus("inactive"), False, True),
            (UnitStatus("failed", populated=False), False, True),
            (UnitStatus("failed", populated=True), False, False),
        ]
        for status, runs, gone in table:
            self.assertEqual((runs, gone), (status.runs, status.gone), status)

    def test_text(self) -> None:
        """It is told in a few words."""
        self.assertEqual("active (running)", str(UnitStatus("active", "running")))
        self.assertEqual(
            "failed (result oom-kill, restarts 2)",
            str(UnitStatus("failed", "failed", result="oom-kill", restarts=2)),
        )
        self.assertEqual("inactive", str(UnitStatus("inactive")))

    def test_story(self) -> None:
        """Its last lines are shown, and what they mean for memory."""
        lines = [f"line {number}" for number in range(9)]
        self.assertEqual(
            "is failed; its last lines: line 4 | line 5 | line 6 | line 7 | line 8",
            story(UnitStatus("failed"), lines),
        )
        self.assertEqual("cannot be looked at", story(None, []))
        self.assertIn("was not back yet", story(None, ["CUDA out of memory"]))


class PopulatedTests(SynchronousTestCase):
    """
    L{is_populated}
    """

    def test_populated(self) -> None:
        """A control group says whether it has processes; one that is not there
        says nothing."""
        root = Path(self.mktemp())
        for mount in (root, root / "unified"):
            self.assertIsNone(is_populated(str(root), GROUP))
            events = mount / GROUP.lstrip("/") / "cgroup.events"
            events.parent.mkdir(parents=True)
            events.write_text("populated 1\nfrozen 0\n", encoding="ascii")
            self.assertTrue(is_populated(str(root), GROUP))
            events.write_text("populated 0\nfrozen 0\n", encoding="ascii")
            self.assertFalse(is_populated(str(root), GROUP))
            events.unlink()


class UnitCase(SynchronousTestCase):
    """
    A unit whose programs the test plays.
    """

    scope = "system"

    def setUp(self) -> None:
        """
        Make a unit, and the files that it looks for.
        """
        self.reactor = FakeReactor()
        self.reactor.advance(NOW)
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        for name in ("systemctl", "journalctl", "sudo"):
            self.add_program(name)
        self.unit = self.make()
        self.answered = 0

    def tearDown(self) -> None:
        """
        Nothing is left to happen, and nothing was run unseen.
        """
        self.assertEqual([], self.reactor.getDelayedCalls())
        self.assertEqual(self.answered, len(self.reactor.programs))

    def make(self, **environ: str) -> SystemdUnit:
        """
        @return: a unit.
        """
        return SystemdUnit(
            "a.service",
            "user" if self.scope == "user" else "system",
            reactor=self.reactor,
            environ={"PATH": str(self.folder), "NOTIFY_SOCKET": "/run/x", **environ},
            threads=no_threads,
            start_timeout=60.0,
            stop_timeout=45.0,
            cgroups=str(self.folder / "cgroup"),
        )

    def add_program(self, name: str) -> None:
        """
        There is such a program.
        """
        path = self.folder / name
        path.touch()
        path.chmod(0o755)

    def populate(self, populated: bool) -> None:
        """
        The unit's control group has processes, or none.
        """
        events = self.folder / "cgroup" / GROUP.lstrip("/") / "cgroup.events"
        events.parent.mkdir(parents=True, exist_ok=True)
        events.write_text(f"populated {int(populated)}\n", encoding="ascii")

    @property
    def program(self) -> FakeProgram:
        """
        The one program that runs.
        """
        (program,) = self.reactor.programs[self.answered :]
        return program

    def answer(self, command: str, code: int = 0, out: str = "", err: str = "") -> None:
        """
        The one program that runs, which is C{command} but for its options,
        ends.
        """
        words = [word for word in self.program.argv if not word.startswith("-")]
        self.assertEqual(command, " ".join(words))
        program = self.program
        self.answered += 1
        program.ends(code, out, err)

    def show(self, out: str) -> None:
        """
        The unit is looked at.
        """
        self.answer("systemctl show a.service", out=out)

    def message(self, failing: Deferred[Any], error: type[Exception]) -> str:
        """
        @return: what a call failed with.
        """
        return str(self.failureResultOf(failing, error).value)


class LookTests(UnitCase):
    """
    L{SystemdUnit.look} and what is made of it.
    """

    def test_interface(self) -> None:
        """It is a unit, and one of systemd."""
        self.assertTrue(verifyObject(IServiceUnit, self.unit))
        self.assertTrue(verifyObject(ISystemdUnit, self.unit))

    def test_command(self) -> None:
        """It asks for what it knows, never for a password, and with an
        environment of its own."""
        looking = self.unit.look()
        program = self.program
        self.assertEqual(str(self.folder / "systemctl"), program.executable)
        self.assertEqual(
            [
                "systemctl",
                "--no-ask-password",
                "--no-pager",
                "show",
                f"--property={','.join(PROPERTIES)}",
                "a.service",
            ],
            program.argv,
        )
        self.assertEqual({"PATH": str(self.folder), "LC_ALL": "C"}, program.env)
        self.show(RUNNING)
        self.assertEqual("r1", self.successResultOf(looking).run)

    def test_populated(self) -> None:
        """Whether it has processes is read from its control group, which is
        remembered when it has ended."""
        self.assertIsNone(self.unit.seen.populated)
        self.populate(True)
        for text in (RUNNING, DEAD):
            looking = self.unit.look()
            self.show(text)
            self.assertIs(True, self.successResultOf(looking).populated)
        self.populate(False)
        looking = self.unit.look()
        self.show(DEAD)
        self.assertIs(False, self.successResultOf(looking).populated)
        self.assertIs(False, self.unit.seen.populated)

    def test_no_group(self) -> None:
        """Without a control group to read, one that runs may have processes,
        and one that has ended has none."""
        for text, populated in ((RUNNING, None), (DEAD, False)):
            looking = self.unit.look()
            self.show(text)
            self.assertIs(populated, self.successResultOf(looking).populated)

    def test_state(self) -> None:
        """Its state is one word; C{unknown} when systemd does not say."""
        state = self.unit.state()
        self.show(RUNNING)
        self.assertEqual("active", self.successResultOf(state))
        state = self.unit.state()
        self.answer("systemctl show a.service", 1, err="Failed to connect to bus")
        self.assertEqual("unknown", self.successResultOf(state))

    def test_unreachable(self) -> None:
        """Why it cannot be looked at is told."""
        looking = self.unit.look()
        self.answer("systemctl show a.service", 1, err="Failed to connect\nto bus\n")
        message = self.message(looking, Unreachable)
        self.assertEqual("a.service cannot be looked at: Failed to connect to bus", message)

    def test_killed(self) -> None:
        """A program that is killed has failed."""
        looking = self.unit.look()
        program = self.program
        self.answered += 1
        program.is_killed()
        self.assertIn("exit code -9", self.message(looking, Unreachable))

    def test_hanging(self) -> None:
        """A program that does not end in time is killed, and not waited for."""
        looking = self.unit.look()
        program = self.program
        self.reactor.advance(ASK_S)
        self.assertIn("systemctl did not end within 10 s", self.message(looking, Unreachable))
        self.assertTrue(program.killed)
        self.answered += 1
        program.is_killed()

    def test_immune(self) -> None:
        """One that cannot be killed is left alone."""
        for error in (PermissionError(), ProcessExitedAlready()):
            looking = self.unit.look()
            self.program.immune = error
            self.answered += 1
            self.reactor.advance(ASK_S)
            self.failureResultOf(looking, Unreachable)

    def test_no_program(self) -> None:
        """Without systemd there is nothing to ask."""
        (self.folder / "systemctl").unlink()
        self.assertIn("no program systemctl", self.message(self.unit.look(), Unreachable))

    def test_no_room(self) -> None:
        """Nor can it be asked without room for another process."""
        self.reactor.refuses = OSError("Resource temporarily unavailable")
        self.assertIn("temporarily unavailable", self.message(self.unit.look(), Unreachable))

    def test_lines(self) -> None:
        """Its last lines are those of the journal since it was started here,
        and none when there is no journal."""
        lines = self.unit.last_lines()
        self.assertIn("--unit=a.service", self.program.argv)
        self.answer("journalctl", out="one\n\n  two  \n")
        self.assertEqual(["one", "two"], self.successResultOf(lines))
        (self.folder / "journalctl").unlink()
        self.assertEqual([], self.successResultOf(self.unit.last_lines()))


class StartTests(UnitCase):
    """
    L{SystemdUnit.start}
    """

    def test_start(self) -> None:
        """A start forgets earlier failures first, and waits for systemd's job."""
        starting = self.unit.start()
        self.answer("systemctl reset-failed a.service", 1, err="Unit a.service not loaded.")
        self.assertNoResult(starting)
        self.answer("systemctl start a.service")
        self.assertIsNone(self.successResultOf(starting))

    def test_failed(self) -> None:
        """A start that fails tells why, with the unit's last lines of this
        start."""
        starting = self.unit.start()
        self.answer("systemctl reset-failed a.service")
        self.answer("systemctl start a.service", 1, err="Job for a.service failed.")
        self.show(shown("failed", SubState="failed", Result="exit-code"))
        self.assertIn("--since=@1000", self.program.argv)
        self.answer("journalctl", out="no such model\n")
        self.assertEqual(
            "a.service was not started: Job for a.service failed.; it is failed (result "
            "exit-code); its last lines: no such model",
            self.message(starting, EngineStartFailed),
        )

    def test_memory(self) -> None:
        """A start that lacked memory is told apart."""
        starting = self.unit.start()
        self.answer("systemctl reset-failed a.service")
        self.answer("systemctl start a.service", 1)
        self.show(DEAD)
        self.answer("journalctl", out="CUDA out of memory\n")
        failure: Any = self.failureResultOf(starting, EngineStartFailed).value
        self.assertTrue(failure.lacked_memory)

    def test_unknown_unit(self) -> None:
        """A unit that does not exist is named."""
        starting = self.unit.start()
        self.answer("systemctl reset-failed a.service", 1)
        self.answer("systemctl start a.service", 5, err="Unit a.service not found.")
        self.show(DEAD)
        self.answer("journalctl")
        self.assertEqual(
            "a.service was not started: Unit a.service not found.",
            self.message(starting, EngineStartFailed),
        )

    def test_slow(self) -> None:
        """A start has a time limit."""
        starting = self.unit.start()
        self.answer("systemctl reset-failed a.service")
        program = self.program
        self.answered += 1
        self.reactor.advance(60)
        self.assertIn("within 60 s", self.message(starting, EngineStartTimeout))
        self.assertTrue(program.killed)

    def test_cancelled(self) -> None:
        """Who cancels a start waits for it no longer."""
        starting = self.unit.start()
        program = self.program
        self.answered += 1
        starting.cancel()
        self.failureResultOf(starting, CancelledError)
        self.assertTrue(program.killed)


class SudoTests(UnitCase):
    """
    Orders to the system's systemd by one who may not give them.
    """

    def refused(self) -> Deferred[None]:
        """
        @return: a start that systemd refuses to us.
        """
        starting = self.unit.start()
        self.answer("systemctl reset-failed a.service")
        self.answer("systemctl start a.service", 1, err=REFUSAL)
        return starting

    def test_sudo(self) -> None:
        """What is denied is tried by sudo, which asks nobody, in the words that
        a rule can name."""
        starting = self.refused()
        self.assertEqual(["sudo", "-n", "systemctl", "start", "a.service"], self.program.argv)
        self.answer("sudo systemctl start a.service")
        self.assertIsNone(self.successResultOf(starting))

    def test_no_password(self) -> None:
        """If sudo denies it too, both reasons are told."""
        starting = self.refused()
        self.answer("sudo systemctl start a.service", 1, err="sudo: a password is required")
        self.show(DEAD)
        self.answer("journalctl")
        message = self.message(starting, EngineStartFailed)
        self.assertIn("authentication required. sudo: a password is required", message)

    def test_no_sudo(self) -> None:
        """Without sudo the first reason counts."""
        (self.folder / "sudo").unlink()
        starting = self.refused()
        self.show(DEAD)
        self.answer("journalctl")
        message = self.message(starting, EngineStartFailed)
        self.assertIn("authentication required. sudo: there is no program sudo", message)

    def test_obeyed(self) -> None:
        """What systemd itself says to sudo is told alone."""
        starting = self.refused()
        self.answer("sudo systemctl start a.service", 1, err="Job for a.service failed.")
        self.show(DEAD)
        self.answer("journalctl")
        self.assertEqual(
            "a.service was not started: Job for a.service failed.",
            self.message(starting, EngineStartFailed),
        )


class UserTests(UnitCase):
    """
    A unit of the user's systemd.
    """

    scope = "user"

    def test_runtime_folder(self) -> None:
        """The folder by which systemd is found is there, whoever started the
        router."""
        looking = self.unit.look()
        self.assertEqual("--user", self.program.argv[1])
        self.assertEqual(f"/run/user/{os.getuid()}", self.program.env["XDG_RUNTIME_DIR"])
        self.show(DEAD)
        self.successResultOf(looking)
        self.unit = self.make(XDG_RUNTIME_DIR="/run/mine")
        looking = self.unit.look()
        self.assertEqual("/run/mine", self.program.env["XDG_RUNTIME_DIR"])
        self.show(DEAD)
        self.successResultOf(looking)

    def test_no_sudo(self) -> None:
        """Of the user's own systemd nobody asks as root."""
        starting = self.unit.start()
        self.answer("systemctl reset-failed a.service")
        self.answer("systemctl start a.service", 1, err="Access denied")
        self.show(DEAD)
        self.assertIn("--user-unit=a.service", self.program.argv)
        self.answer("journalctl")
        self.failureResultOf(starting, EngineStartFailed)


class StopTests(UnitCase):
    """
    L{SystemdUnit.stop}
    """

    def stop(self) -> Deferred[None]:
        """
        @return: the stop of a unit that runs.
        """
        self.populate(True)
        stopping = self.unit.stop()
        self.show(RUNNING)
        return stopping

    def test_stop(self) -> None:
        """A unit is stopped once systemd says so and no process is left."""
        stopping = self.stop()
        self.populate(False)
        self.answer("systemctl stop a.service")
        self.assertNoResult(stopping)
        self.show(DEAD)
        self.assertIsNone(self.successResultOf(stopping))
        self.assertIs(False, self.unit.seen.populated)

    def test_not_running(self) -> None:
        """One that does not run is only looked at, also when it failed."""
        for text in (DEAD, shown("failed", Result="exit-code")):
            stopping = self.unit.stop()
            self.show(text)
            self.assertIsNone(self.successResultOf(stopping))

    def test_restarting(self) -> None:
        """One that waits to be restarted is stopped."""
        stopping = self.unit.stop()
        self.show(shown("activating", SubState="auto-restart"))
        self.answer("systemctl stop a.service")
        self.show(DEAD)
        self.assertIsNone(self.successResultOf(stopping))

    def test_start_given_up(self) -> None:
        """One whose start was given up is stopped although it does not run yet,
        but once."""
        starting = self.unit.start()
        self.answer("systemctl reset-failed a.service")
        self.answered += 1
        starting.cancel()
        self.failureResultOf(starting, CancelledError)
        stopping = self.unit.stop()
        self.show(DEAD)
        self.answer("systemctl stop a.service")
        self.show(DEAD)
        self.assertIsNone(self.successResultOf(stopping))
        stopping = self.unit.stop()
        self.show(DEAD)
        self.assertIsNone(self.successResultOf(stopping))

    def test_lingering(self) -> None:
        """Processes that the unit leaves behind are waited for a moment, then
        killed."""
        stopping = self.stop()
        self.answer("systemctl stop a.service")
        self.show(DEAD)
        self.reactor.advance(LINGER_S)
        self.show(DEAD)
        self.assertIn("--signal=SIGKILL", self.program.argv)
        self.populate(False)
        self.answer("systemctl kill a.service")
        self.show(DEAD)
        self.assertIsNone(self.successResultOf(stopping))

    def test_slow(self) -> None:
        """A unit that does not stop in time is killed."""
        stopping = self.stop()
        self.answered += 1
        self.reactor.advance(45)
        self.populate(False)
        self.answer("systemctl kill a.service")
        self.show(DEAD)
        self.assertIsNone(self.successResultOf(stopping))

    def test_immortal(self) -> None:
        """If not even that helps, it is stuck, and where to look is told."""
        stopping = self.stop()
        self.answered += 1
        self.reactor.advance(45)
        self.answer("systemctl kill a.service")
        self.show(RUNNING)
        self.reactor.advance(KILL_S)
        self.show(RUNNING)
        self.assertEqual(
            "a.service does not stop: systemctl did not end within 45 s; it is active (running); "
            "look at 'systemctl status a.service'",
            self.message(stopping, EngineStuck),
        )

    def test_denied(self) -> None:
        """One that we may not stop is stuck at once."""
        (self.folder / "sudo").unlink()
        stopping = self.stop()
        self.answer("systemctl stop a.service", 1, err="Access denied")
        self.answer("systemctl kill a.service", 1, err="Access denied")
        self.show(RUNNING)
        self.assertIn("Access denied", self.message(stopping, EngineStuck))

    def test_unreachable(self) -> None:
        """If nobody says what it does, it is stuck if it may run, at whichever
        point that is found."""
        stopping = self.stop()
        self.answer("systemctl stop a.service")
        self.answer("systemctl show a.service", 1, err="Failed to connect to bus")
        self.answer("systemctl kill a.service", 1, err="Failed to connect to bus")
        self.answer("systemctl show a.service", 1, err="Failed to connect to bus")
        self.assertIn("connect to bus", self.message(stopping, EngineStuck))
        stopping = self.unit.stop()
        self.answer("systemctl show a.service", 1, err="Failed to connect to bus")
        self.assertIn("connect to bus", self.message(stopping, EngineStuck))

    def test_never_there(self) -> None:
        """Where systemd cannot be asked, nothing of it was started."""
        starting = self.unit.start()
        for command in ("reset-failed", "start", "show"):
            self.answer(f"systemctl {command} a.service", 1, err="Failed to connect to bus")
        self.answer("journalctl", 1)
        self.failureResultOf(starting, EngineStartFailed)
        stopping = self.unit.stop()
        self.answer("systemctl show a.service", 1, err="Failed to connect to bus")
        self.assertIsNone(self.successResultOf(stopping))
        (self.folder / "systemctl").unlink()
        self.failureResultOf(self.unit.start(), Unreachable)
        self.assertIsNone(self.successResultOf(self.unit.stop()))
