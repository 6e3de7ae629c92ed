"""Reads a Flight server with PyArrow's client and with influxdb3-python.

Each line of standard input is a query: {"client", "url", "token", "database", "text", "language", "params"}. A client is
"json", "read_info" or "any" (PyArrow with that kind of ticket), "all" or "chunk" (influxdb3-python in that mode).
Each is answered by a line: {"types": {name: type}, "rows": [{name: cell}], "emptyBatches"}, where integers and times
(nanoseconds since 1970) are text, or {"error": the exception's class, "text"}.
"""

import json
import sys

import pyarrow as pa
import pyarrow.flight as flight
from influxdb_client_3 import InfluxDBClient3

READ_INFO_URL = b"type.googleapis.com/influxdata.iox.querier.v1.ReadInfo"
QUERY_TYPES = {"sql": 1, "influxql": 2}


def varint(number):
    groups = []
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*groups, number])


def length_delimited(field, data):
    return varint(field << 3 | 2) + varint(len(data)) + data


def read_info(ask):
    return (
        length_delimited(1, ask["database"].encode())
        + length_delimited(2, ask["text"].encode())
        + varint(3 << 3)
        + varint(QUERY_TYPES[ask["language"]])
    )


def any_ticket(ask):
    return length_delimited(1, READ_INFO_URL) + length_delimited(2, read_info(ask))


def json_ticket(ask):
    ticket = {"database": ask["database"], "sql_query": ask["text"], "query_type": ask["language"]}
    return json.dumps({**ticket, "params": ask["params"]}).encode()


TICKETS = {"json": json_ticket, "read_info": read_info, "any": any_ticket}


def batches_of_pyarrow(ask):
    headers = [(b"authorization", f"Bearer {ask['token']}".encode())]
    options = flight.FlightCallOptions(timeout=20, headers=headers)
    with flight.connect(ask["url"].replace("http://", "grpc://")) as client:
        reader = client.do_get(flight.Ticket(TICKETS[ask["client"]](ask)), options)
        return reader.schema, [chunk.data for chunk in reader]


def batches_of_influxdb3(ask):
    with InfluxDBClient3(host=ask["url"], token=ask["token"], database=ask["database"]) as client:
        parameters = {"query_parameters": ask["params"]} if ask["params"] else {}
        answer = client.query(ask["text"], language=ask["language"], mode=ask["client"], **parameters)
        if ask["client"] == "all":
            return answer.schema, answer.to_batches()
        return answer.schema, [chunk.data for chunk in answer]


def cells(column):
    if pa.types.is_dictionary(column.type):
        return cells(column.dictionary_decode())
    if pa.types.is_timestamp(column.type):
        return cells(column.cast(pa.timestamp("ns")).cast(pa.int64()))
    if pa.types.is_integer(column.type):
        return [None if cell is None else str(cell) for cell in column.to_pylist()]
    return column.to_pylist()


def rows_of(batch):
    columns = [cells(column) for column in batch.columns]
    return [dict(zip(batch.schema.names, row)) for row in zip(*columns)]


def answer(ask):
    try:
        read = batches_of_pyarrow if ask["client"] in TICKETS else batches_of_influxdb3
        schema, batches = read(ask)
    except Exception as error:
        return {"error": type(error).__name__, "text": str(error)}
    return {
        "types": {field.name: str(field.type) for field in schema},
        "rows": [row for batch in batches for row in rows_of(batch)],
        "emptyBatches": sum(batch.num_rows == 0 for batch in batches),
    }


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
