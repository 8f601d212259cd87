"""
Tests for L{ler.config.variables}.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from ler.config import GenericProcess
from ler.config.variables import expand
from ler.test.test_config import BASE, ConfigTestCase

ENVIRON = {"A": "one", "B_2": "two words", "EMPTY": "", "TRICK": "${A}", "ODD": "\udcff"}


class ExpandTests(SynchronousTestCase):
    """
    Tests for L{expand}.
    """

    def test_replaced(self) -> None:
        """
        Names in braces are replaced, everything else is itself.
        """
        rows = {
            "": "",
            "plain $A $ $$ {A}": "plain $A $ $$ {A}",
            "${A}": "one",
            "<${A}${B_2}>": "<onetwo words>",
            "${EMPTY}": "",
            "$${A}": "${A}",
            "$$${A}": "$${A}",
            "$${": "${",
            "${TRICK}": "${A}",
            "{${A}}": "{one}",
        }
        for text, expanded in rows.items():
            self.assertEqual(expanded, expand(text, ENVIRON), text)

    def test_refused(self) -> None:
        """
        A variable that is not set is an error that names it; so is a brace
        without a name, and a value that is no text.
        """
        form = "a ${ must go on as ${NAME}; write $${ for the two characters"
        rows = {
            "x${MISSING}": "the environment variable MISSING is not set",
            "${ODD}": "the environment variable ODD is not UTF-8",
            "${": form,
            "${}": form,
            "${A": form,
            "${A-b}": form,
            "${2}": form,
            "${A }": form,
        }
        for text, message in rows.items():
            error = self.assertRaises(ValueError, expand, text, ENVIRON)
            self.assertEqual(message, str(error), text)


class VariablesInFilesTests(ConfigTestCase):
    """
    Variables where the configuration holds text.
    """

    def test_everywhere(self) -> None:
        """
        Single values, items of lists and values of mappings are replaced.
        """
        config = self.load(
            BASE
            + "    cwd: /${A}\n    env: {X: '${B_2}'}\n    served_models: ['${A}/m']\n"
            + "api_keys:\n  - ${A}\n",
            ENVIRON,
        ).config
        engine = config.engines["a"]
        assert isinstance(engine, GenericProcess)
        self.assertEqual("/one", engine.cwd)
        self.assertEqual({"X": "two words"}, engine.env)
        self.assertEqual(("one/m",), engine.served_models)
        self.assertEqual(["one"], [key.key for key in config.api_keys])

    def test_one_word_stays_one(self) -> None:
        """
        A value with a space does not split a command line.
        """
        text = BASE + "    stop_cmd: stop ${B_2} $${A}\n"
        engine = self.load(text, ENVIRON).config.engines["a"]
        assert isinstance(engine, GenericProcess)
        self.assertEqual(("stop", "two words", "${A}"), engine.stop_cmd)

    def test_unset(self) -> None:
        """
        An unset variable is a problem with its line and key path.
        """
        self.assertEqual(
            [
                "6: engines.a.env.X: the environment variable MISSING is not set",
                "7: api_keys[1]: the environment variable KEY is not set",
            ],
            self.problems(BASE + "    env: {X: '${MISSING}'}\napi_keys: [a, '${KEY}']\n"),
        )

    def test_empty(self) -> None:
        """
        A variable that is set to nothing does not pass for a key.
        """
        problems = self.problems(BASE + "api_keys: ['${EMPTY}']\n", ENVIRON)
        self.assertEqual(["6: api_keys[0]: must not be blank"], problems)
