"""Run with `python3 -m unittest`, in this folder."""

import sys
import unittest
from unittest import mock

sys.path.append("sdk")

import tollgate  # noqa: E402
import tool  # noqa: E402, F401


class Greeting(unittest.TestCase):
    def test_greets(self):
        self.assertEqual(tollgate.call("greet", {"name": "Ada", "times": 2}), "Hello, Ada! Hello, Ada!")

    def test_counts(self):
        with mock.patch.object(tollgate.files, "read_text", return_value="a b\nc\n"):
            self.assertEqual(tollgate.call("words", {"path": "x"}), {"lines": 2, "words": 3})
