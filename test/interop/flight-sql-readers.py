"""Reads a Flight SQL server with ADBC's driver.

Each line of standard input is a question: {"url", "token", "database", "ask", …}. "ask" is "query" ("text", and
"bind": {name: value} or a list of such rows), "objects", "table_schema" ("table"), "table_types" or "info". Each is
answered by a line: {"rows": [...], "types": {...}} or what the call gave, where integers and times (nanoseconds since
1970) are text, or {"error": the exception's class, "text"}.
"""

import json
import sys

import adbc_driver_flightsql.dbapi as flightsql
import pyarrow as pa
from adbc_driver_flightsql import DatabaseOptions

DATABASE = f"{DatabaseOptions.RPC_CALL_HEADER_PREFIX.value}database"


def plain(cell):
    if isinstance(cell, bool) or cell is None:
        return cell
    if isinstance(cell, int):
        return str(cell)
    if isinstance(cell, list):
        return [plain(each) for each in cell]
    if isinstance(cell, dict):
        return {name: plain(each) for name, each in cell.items()}
    return cell


def rows_of(table):
    columns = [
        column.cast(pa.timestamp("ns")).cast(pa.int64()) if pa.types.is_timestamp(column.type) else column
        for column in table.columns
    ]
    return [plain(dict(zip(table.schema.names, row))) for row in zip(*(column.to_pylist() for column in columns))]


def types_of(schema):
    return {field.name: str(field.type) for field in schema}


def parameters(bind):
    rows = bind if isinstance(bind, list) else [bind]
    return pa.RecordBatch.from_pylist(rows)


def query(connection, ask):
    with connection.cursor() as cursor:
        if ask.get("bind") is None:
            cursor.execute(ask["text"])
        else:
            cursor.adbc_prepare(ask["text"])
            cursor.execute(ask["text"], parameters(ask["bind"]))
        table = cursor.fetch_arrow_table()
        return {"types": types_of(table.schema), "rows": rows_of(table)}


def prepare(connection, ask):
    with connection.cursor() as cursor:
        schema = cursor.adbc_prepare(ask["text"])
        return {"types": None if schema is None else types_of(schema)}


def objects(connection, ask):
    filters = {name: ask[name] for name in ("depth", "db_schema_filter", "table_name_filter") if name in ask}
    return {"rows": connection.adbc_get_objects(**filters).read_all().to_pylist()}


def table_schema(connection, ask):
    schema = connection.adbc_get_table_schema(ask["table"], db_schema_filter="iox")
    kinds = {field.name: (field.metadata or {}).get(b"iox::column::type", b"").decode() for field in schema}
    return {"types": types_of(schema), "kinds": kinds}


def table_types(connection, _ask):
    return {"rows": connection.adbc_get_table_types()}


def info(connection, _ask):
    return {"rows": {str(name): plain(value) for name, value in connection.adbc_get_info().items()}}


ASKS = {
    "query": query,
    "prepare": prepare,
    "objects": objects,
    "table_schema": table_schema,
    "table_types": table_types,
    "info": info,
}


def answer(ask):
    options = {DatabaseOptions.AUTHORIZATION_HEADER.value: f"Bearer {ask['token']}", DATABASE: ask["database"]}
    options = {name: value for name, value in options.items() if value is not None}
    try:
        with flightsql.connect(ask["url"].replace("http://", "grpc://"), db_kwargs=options, autocommit=True) as connection:
            return ASKS[ask["ask"]](connection, ask)
    except Exception as error:
        return {"error": type(error).__name__, "text": str(error)}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line)), default=str), flush=True)
