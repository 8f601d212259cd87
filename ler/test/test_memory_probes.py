# -*- test-case-name: ler.test.test_memory_probes -*-
"""
The measures of free memory, on files that say what the kernel says.
"""

from __future__ import annotations

import os

import psutil
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from ler.interfaces import IMemoryChannel
from ler.memory.probes import (
    CgroupChannel,
    CgroupLevel,
    KeptFile,
    MeminfoChannel,
    PsutilChannel,
    cgroup_path,
    inactive_file,
    limit_of,
    machine_channels,
    meminfo_field,
)

MEMINFO = b"""\
MemTotal:       24684084 kB
MemFree:        23981792 kB
MemAvailable:   24228220 kB
Buffers:          228836 kB
HugePages_Total:       3
HugePages_Free:        2
"""

KIB = 1024


class ParserTests(SynchronousTestCase):
    """
    What the kernel's files say.
    """

    def test_meminfo(self) -> None:
        """
        A field is found by its whole name, and told in bytes.
        """
        for name, value in (
            (b"MemTotal", 24684084 * KIB),
            (b"MemFree", 23981792 * KIB),
            (b"MemAvailable", 24228220 * KIB),
            (b"HugePages_Free", 2),
            (b"Available", None),
            (b"Mem", None),
            (b"GPUReclaim", None),
        ):
            self.assertEqual(value, meminfo_field(MEMINFO, name), name)
        self.assertEqual(
            7 * KIB, meminfo_field(MEMINFO + b"GPUReclaim:          7 kB\n", b"GPUReclaim")
        )
        self.assertIsNone(meminfo_field(b"", b"MemFree"))

    def test_limit(self) -> None:
        """
        A group without a limit says so in a word.
        """
        self.assertEqual(53687091200, limit_of(b"53687091200\n"))
        self.assertIsNone(limit_of(b"max\n"))

    def test_inactive_file(self) -> None:
        """
        Only the page cache that is inactive now is found.
        """
        stat = b"anon 5\nfile 9\nactive_file 8\ninactive_file 7\nworkingset_x 1\n"
        self.assertEqual(7, inactive_file(stat))
        self.assertEqual(0, inactive_file(b"anon 5\n"))

    def test_cgroup_path(self) -> None:
        """
        The line of version 2 is found beside those of version 1.
        """
        for text, path in (
            ("0::/user.slice/a:b\n", "/user.slice/a:b"),
            ("4:memory:/old\n0::/new\n", "/new"),
            ("4:memory:/old\n", None),
            ("", None),
        ):
            self.assertEqual(path, cgroup_path(text), text)


class Files:
    """
    A folder of a test's own.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def write(self, name: str, content: str | bytes) -> str:
        """
        @return: the path of the file C{name}, which then holds C{content}.
        """
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return path

    def group(self, name: str, limit: str, current: int, inactive: int = 0) -> str:
        """
        @return: the folder of a control group.
        """
        self.write(f"{name}/memory.max", f"{limit}\n")
        self.write(f"{name}/memory.current", f"{current}\n")
        self.write(f"{name}/memory.stat", f"anon 1\ninactive_file {inactive}\n")
        return os.path.normpath(os.path.join(self.folder, name))


class KeptFileTests(SynchronousTestCase):
    """
    A file that stays open.
    """

    def test_current(self) -> None:
        """
        Each reading is of the content at that moment.
        """
        files = Files(self.mktemp())
        kept = KeptFile(files.write("a", "one"))
        self.addCleanup(kept.close)
        self.assertEqual(b"one", kept.read())
        files.write("a", "two!")
        self.assertEqual(b"two!", kept.read())

    def test_absent(self) -> None:
        """
        A file that is not there is tried anew the next time.
        """
        files = Files(self.mktemp())
        kept = KeptFile(os.path.join(files.folder, "a"))
        self.addCleanup(kept.close)
        self.assertIsNone(kept.read())
        files.write("a", "here")
        self.assertEqual(b"here", kept.read())

    def test_closed(self) -> None:
        """
        A descriptor that went bad is replaced.
        """
        kept = KeptFile(Files(self.mktemp()).write("a", "one"))
        self.addCleanup(kept.close)
        kept.read()
        kept.close()
        kept.close()
        self.assertEqual(b"one", kept.read())


class ChannelTests(SynchronousTestCase):
    """
    The channels.
    """

    def setUp(self) -> None:
        """
        Have a folder, and the memory of a host in it.
        """
        self.files = Files(self.mktemp())
        self.meminfo = self.files.write("meminfo", MEMINFO)

    def test_interface(self) -> None:
        """
        Every channel provides L{IMemoryChannel}.
        """
        for channel in (
            MeminfoChannel("mem", "MemAvailable", self.meminfo),
            CgroupChannel([]),
            PsutilChannel(),
        ):
            self.assertTrue(verifyObject(IMemoryChannel, channel))

    def test_meminfo(self) -> None:
        """
        One file serves two channels.
        """
        available = MeminfoChannel("mem", "MemAvailable", self.meminfo)
        self.assertEqual(24228220 * KIB, available.read())
        free = MeminfoChannel("free", "MemFree", self.meminfo)
        self.assertEqual(23981792 * KIB, free.read())

    def test_meminfo_without(self) -> None:
        """
        A field, or a file, that is missing is no reading.
        """
        self.assertIsNone(MeminfoChannel("mem", "MemOther", self.meminfo).read())
        self.assertIsNone(MeminfoChannel("mem", "MemFree", self.meminfo + "x").read())

    def test_psutil(self) -> None:
        """
        Where there is no such file psutil is asked.
        """
        reading = PsutilChannel().read()
        assert reading is not None
        self.assertTrue(0 < reading <= psutil.virtual_memory().total)

    def test_psutil_fails(self) -> None:
        """
        What psutil cannot tell is no reading.
        """

        def fail() -> None:
            raise OSError("no sysctl")

        self.patch(psutil, "virtual_memory", fail)
        self.assertIsNone(PsutilChannel().read())

    def chain(self, *groups: str) -> CgroupChannel:
        """
        @return: a channel over C{groups}.
        """
        return CgroupChannel([CgroupLevel.at(group) for group in groups])

    def test_cgroup(self) -> None:
        """
        The room is the least of the chain; inactive page cache is room.
        """
        inner = self.files.group("a/b", "max", 10)
        middle = self.files.group("a", "1000", 700, 50)
        outer = self.files.group(".", "2000", 700)
        self.assertEqual(350, self.chain(inner, middle, outer).read())
        self.files.group(".", "900", 700)
        self.assertEqual(200, self.chain(inner, middle, outer).read())

    def test_cgroup_over(self) -> None:
        """
        A group above its limit has no room, rather than less than none.
        """
        self.assertEqual(0, self.chain(self.files.group("a", "100", 150)).read())

    def test_cgroup_without_limit(self) -> None:
        """
        Where a limit was lifted, or cannot be read, there is no reading.
        """
        self.assertIsNone(self.chain(self.files.group("a", "max", 150)).read())
        self.assertIsNone(self.chain(os.path.join(self.files.folder, "none")).read())


class MachineTests(SynchronousTestCase):
    """
    The channels that a machine has.
    """

    def setUp(self) -> None:
        """
        Have the files of a machine without control groups.
        """
        self.files = Files(self.mktemp())
        self.meminfo = self.files.write("meminfo", MEMINFO)
        self.own = self.files.write("own", "0::/a/b\n")

    def names(self, *, free_too: bool = False) -> list[str]:
        """
        @return: the names of the channels of that machine.
        """
        channels = machine_channels(
            free_too=free_too,
            meminfo=self.meminfo,
            own_cgroup=self.own,
            cgroup_root=os.path.join(self.files.folder, "cgroup"),
        )
        return [channel.name for channel in channels]

    def test_host(self) -> None:
        """
        Without a limit the memory of the host is all there is.
        """
        self.files.group("cgroup/a/b", "max", 10)
        self.assertEqual(["mem"], self.names())

    def test_free(self) -> None:
        """
        What lies idle is a channel where it was asked for.
        """
        self.assertEqual(["mem", "free"], self.names(free_too=True))

    def test_limited(self) -> None:
        """
        A limit anywhere in the chain is a channel of its own.
        """
        self.files.group("cgroup/a", "1000", 10)
        self.assertEqual(["mem", "cgroup"], self.names())

    def test_limited_at_the_root(self) -> None:
        """
        Inside a container its limit is that of the root.
        """
        self.files.write("own", "0::/\n")
        self.files.group("cgroup", "1000", 10)
        self.assertEqual(["mem", "cgroup"], self.names())

    def test_elsewhere(self) -> None:
        """
        Where the kernel does not say what is available, psutil does.
        """
        self.files.write("meminfo", "MemFree: 1 kB\n")
        (channel,) = machine_channels(meminfo=self.meminfo)
        self.assertIsInstance(channel, PsutilChannel)
