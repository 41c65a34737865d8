"""Run with `python3 -m unittest`, in this folder."""

import sys
import unittest
from unittest import mock

sys.path.append("sdk")

import tollgate  # noqa: E402
import tool  # noqa: E402, F401

TABLE = "region,amount,id\nnorth,10,007\nsouth,2.5,008\nnorth,30,\n"


class Tables(unittest.TestCase):
    def call(self, name, text=TABLE, path="t.csv", **arguments):
        with mock.patch.object(tollgate.files, "read_text", return_value=text):
            return tollgate.call(name, {"grant": "data", "path": path, **arguments})

    def test_summary(self):
        summary = self.call("summarise")
        self.assertEqual(summary["rows"], 3)
        region, amount, id = summary["columns"]
        self.assertEqual((region["kind"], region["distinct"]), ("text", 2))
        self.assertEqual((amount["min"], amount["max"], amount["kind"]), (2.5, 30, "number"))
        self.assertEqual((id["kind"], id["missing"], id["min"]), ("text", 1, "007"))

    def test_groups(self):
        found = self.call("query", group_by=["region"], aggregate=["sum:amount", "count"], sort_by="-sum:amount")
        self.assertEqual(found["rows"][0], {"region": "north", "sum:amount": 40, "count": 2})

    def test_filter(self):
        where = [{"column": "amount", "test": "at_least", "value": "10"}]
        self.assertEqual(self.call("query", where=where, limit=1)["count"], 2)
        with self.assertRaises(tollgate.InvalidArguments):
            self.call("query", sort_by="colour")

    def test_json(self):
        rows = self.call("query", text='[{"a": 2}, {"a": null}, {"a": 1}]', path="t.json", sort_by="a")["rows"]
        self.assertEqual([row["a"] for row in rows], [1, 2, None])
        for text in ("{}", "[1]", "[NaN]", "["):
            with self.assertRaises(tollgate.Failed):
                self.call("query", text=text, path="t.json")
