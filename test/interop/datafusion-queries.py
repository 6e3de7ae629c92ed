"""Runs queries in Apache DataFusion, over tables as InfluxDB 3 would hand them to it.

Standard input: {"tables": {name: {"columns": {name: kind}, "rows": [{name: cell}]}}, "queries": [sql]}. A kind is
time, tag, string, float, integer, unsigned or boolean; a time is a text of nanoseconds since 1970; what
a row does not name is null.
Standard output: {"version": …, "answers": [{"rows": [{name: cell}]} or {"error": text}]}, without nulls and with
times as text (2026-11-22 08:00:00.123456789).
"""

import json
import sys

import datafusion
import pyarrow as pa

TYPES = {
    "time": pa.timestamp("ns"),
    "tag": pa.dictionary(pa.int32(), pa.utf8()),
    "string": pa.utf8(),
    "float": pa.float64(),
    "integer": pa.int64(),
    "unsigned": pa.uint64(),
    "boolean": pa.bool_(),
}


def column(kind, cells):
    if kind == "time":
        return pa.array([int(cell) for cell in cells], TYPES[kind])
    if kind == "tag":
        return pa.array(cells, pa.utf8()).dictionary_encode()
    return pa.array(cells, TYPES[kind])


def batch(table):
    columns = table["columns"].items()
    arrays = [column(kind, [row.get(name) for row in table["rows"]]) for name, kind in columns]
    schema = pa.schema([(name, TYPES[kind]) for name, kind in columns])
    return pa.record_batch(arrays, schema=schema)


def plain(batch):
    """A batch as rows that JSON can hold."""
    texts = [
        array.cast(pa.utf8()) if pa.types.is_timestamp(array.type) else array for array in batch.columns
    ]
    rows = zip(*(array.to_pylist() for array in texts))
    names = batch.schema.names
    return [
        {name: cell for name, cell in zip(names, row) if cell is not None} for row in rows
    ]


def answer(context, sql):
    try:
        return {"rows": [row for batch in context.sql(sql).collect() for row in plain(batch)]}
    except Exception as error:
        return {"error": str(error)}


def main():
    work = json.load(sys.stdin)
    context = datafusion.SessionContext()
    for name, table in work["tables"].items():
        context.register_record_batches(name, [[batch(table)]])
    answers = [answer(context, sql) for sql in work["queries"]]
    json.dump({"version": datafusion.__version__, "answers": answers}, sys.stdout)


main()
