"""
Tests for L{ler.config.report}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ler.config.report import ConfigError, Problem, Report, suggestion


class ReportTests(SynchronousTestCase):
    """
    Tests for L{Report} and L{ConfigError}.
    """

    def test_nothing_wrong(self) -> None:
        """
        A report without errors concludes in silence, whatever it warned of.
        """
        report = Report("c.yaml")
        report.warn(("a",), "odd")
        report.conclude()
        self.assertEqual(("c.yaml:1: a: odd",), report.warnings)

    def test_order(self) -> None:
        """
        Errors and warnings are ordered by line.
        """
        report = Report("c.yaml")
        report.error(("b",), "late", 9)
        report.error(("a", 0), "early", 2)
        error = self.assertRaises(ConfigError, report.conclude)
        self.assertEqual((Problem(2, "a[0]", "early"), Problem(9, "b", "late")), error.problems)
        self.assertEqual("c.yaml:2: a[0]: early\nc.yaml:9: b: late\n2 problems", str(error))

    def test_fatal(self) -> None:
        """
        A fatal problem comes with those that were noted before.
        """
        report = Report("c.yaml")
        report.error(("a",), "wrong", 3)
        error = report.fatal("broken")
        self.assertEqual("c.yaml: broken\nc.yaml:3: a: wrong\n2 problems", str(error))


class SuggestionTests(SynchronousTestCase):
    """
    Tests for L{suggestion}.
    """

    def test_suggestion(self) -> None:
        """
        The nearest word is proposed, whatever its case, or none.
        """
        known = ["host", "port", "API_keys"]
        self.assertEqual("; did you mean 'host'?", suggestion("hots", known))
        self.assertEqual("; did you mean 'API_keys'?", suggestion("api-key", known))
        self.assertEqual("; did you mean 'port'?", suggestion("PORT", known))
        self.assertEqual("", suggestion("zebra", known))
        self.assertEqual("", suggestion("host", []))
