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


def test_keys_come_in_reading_order() -> None:
    (table,) = json_tables({"10": 1, "9": 2})
    assert table.rows == (("9", "2"), ("10", "1"))
    (table,) = json_tables({"test": {"high": 1, "low": 2}, "train": {"high": 3, "medium": 4, "low": 5}})
    assert table.columns == ("", "low", "medium", "high")
    assert [row[0] for row in table.rows] == ["train", "test"]
    (table,) = json_tables({"ceiling": 1, "human": 2})
    assert [row[0] for row in table.rows] == ["human", "human ceiling"]


def test_a_matrix_is_a_table_of_all_its_values() -> None:
    (table,) = json_tables({"model": [[8, 0], [1, 33]]})
    assert (table.caption, table.columns) == ("model", ("", "1", "2"))
    assert table.rows == (("1", "8", "0"), ("2", "1", "33"))


def test_a_mapping_with_more_than_an_estimate_keeps_all_its_values() -> None:
    (table,) = json_tables({"sad": {"mean": 0.2, "r2": 0.5}, "angry": {"mean": 0.1, "r2": 0.4}})
    assert table.columns == ("", "mean", "R²")
    assert table.rows[0] == ("sad", "0.200", "0.500")
