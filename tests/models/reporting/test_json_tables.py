"""JSON values as tables: records, nested mappings, and long values that say that they are cut."""

from __future__ import annotations

from ambivox.models.reporting.json_tables import format_cell, json_tables


def test_json_becomes_tables_and_long_ones_say_they_are_cut() -> None:
    tables = json_tables({"low": {"js": 0.1, "n": 3}, "high": {"js": 0.2, "n": 4}})
    assert tables[0].columns == ("", "JS (base 2)", "n")
    assert tables[0].rows == (("low", "0.100", "3"), ("high", "0.200", "4"))
    assert "the first 60 of 100 rows" in json_tables([{"a": row} for row in range(100)], "many")[0].caption


def test_intervals_beside_a_value_are_merged_into_it() -> None:
    (table,) = json_tables({"pooled": {"js": 0.2, "js_low": 0.1, "js_high": 0.3}, "n": 2}["pooled"])
    assert table.rows == (("JS (base 2)", "0.200 [0.100, 0.300]"),)


def test_records_of_different_kinds_are_tables_of_their_own() -> None:
    tables = json_tables({"first": {"a": 1, "b": 2, "c": 3}, "second": {"x": 1, "y": 2, "z": 3}})
    assert [table.caption for table in tables] == ["first", "second"]


def test_cells_of_every_kind() -> None:
    assert format_cell(None) == format_cell([]) == format_cell({}) == "–"
    assert format_cell("x" * 400).endswith("… (400 characters)")
    assert format_cell(list(range(20))).endswith("11, … (20 in total)")
    assert format_cell({"label_mass": 0.5, "seed": 3}) == "label mass 0.500; seed 3"
