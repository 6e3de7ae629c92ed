"""A Flight server of Apache Arrow's own, for the contract that every Flight server and our client keep.

The query in the ticket names a scenario of test/support/flight-scenarios.ts; what each of them sends is said there and
built here anew, the types as in test/support/flight-types.ts. Standard output: {"port": …} first, then, for each line of
standard input, {"queries": …, "cancelled": …, "rowsSent": …}. Ends when standard input does.
"""

import datetime
import decimal
import itertools
import json
import sys
import threading
import time

import pyarrow as pa
import pyarrow.flight as flight

BASE_NS = 1_763_800_000_000_000_000
BASE_N = 2**62
ROWS_PER_BATCH = 1000
HEADER_NAMES = ["authorization", "x-request-id", "x-own"]


def say(message):
    print(json.dumps(message), flush=True)


class Counters:
    """What the client left, of endless and hanging queries, is counted where they are made: nobody leaves others."""

    def __init__(self):
        self.lock = threading.Lock()
        self.counts = {"queries": 0, "cancelled": 0, "rowsSent": 0}

    def add(self, name, count=1):
        with self.lock:
            self.counts[name] += count

    def all(self):
        with self.lock:
            return dict(self.counts)


def influx(kind):
    return {"iox::column::type": f"iox::column_type::{kind}"}


COUNT_SCHEMA = pa.schema(
    [
        pa.field("time", pa.timestamp("ns"), metadata=influx("timestamp")),
        pa.field("dev_eui", pa.utf8(), metadata=influx("tag")),
        pa.field("value", pa.float64(), metadata=influx("field::float")),
        pa.field("n", pa.int64()),
    ]
)


def count_batch(first, rows):
    numbers = range(first, first + rows)
    return pa.record_batch(
        [
            pa.array([BASE_NS + n for n in numbers], pa.timestamp("ns")),
            pa.array([f"device {n % 5}" for n in numbers], pa.utf8()),
            pa.array([None if n % 7 == 0 else n / 2 for n in numbers], pa.float64()),
            pa.array([BASE_N + n for n in numbers], pa.int64()),
        ],
        schema=COUNT_SCHEMA,
    )


def count_batches(total):
    for first in range(0, total, ROWS_PER_BATCH):
        yield count_batch(first, min(ROWS_PER_BATCH, total - first))


def number_columns():
    for bits in (8, 16, 32, 64):
        most = 2 ** (bits - 1) - 1
        yield f"int{bits}", pa.array([-most - 1, None, most], f"int{bits}")
    for bits in (8, 16, 32, 64):
        yield f"uint{bits}", pa.array([0, None, 2**bits - 1], f"uint{bits}")
    yield "float16", pa.array([0.5, None, -1.25], pa.float16())
    yield "float32", pa.array([0.5, None, -1.25], pa.float32())
    yield "float64", pa.array([0.1, None, float("inf")], pa.float64())


def byte_columns():
    texts = ["", None, "a text of more than twelve bytes: 😀"]
    blobs = [b"", None, b"\x00\xff"]
    for name, kind in (("utf8", pa.utf8()), ("large_utf8", pa.large_utf8()), ("utf8_view", pa.string_view())):
        yield name, pa.array(texts, kind)
    for name, kind in (("binary", pa.binary()), ("large_binary", pa.large_binary()), ("binary_view", pa.binary_view())):
        yield name, pa.array(blobs, kind)
    yield "fixed_binary", pa.array([b"ab", None, b"cd"], pa.binary(2))


def decimal_columns():
    small = decimal.Decimal("0.001")
    for name, kind, text in (
        ("decimal32", pa.decimal32(9, 3), "-123456.789"),
        ("decimal64", pa.decimal64(18, 3), "-123456789012345.678"),
        ("decimal128", pa.decimal128(30, 3), "-12345678901234567890.123"),
        ("decimal256", pa.decimal256(60, 3), f"-1{'0' * 52}.123"),
    ):
        yield name, pa.array([decimal.Decimal(text), None, small], kind)


def time_columns():
    dates = [datetime.date(1969, 12, 31), None, datetime.date(2026, 11, 22)]
    yield "date32", pa.array(dates, pa.date32())
    yield "date64", pa.array(dates, pa.date64())
    yield "time32_s", pa.array([0, None, 86_399], pa.time32("s"))
    yield "time32_ms", pa.array([0, None, 86_399_999], pa.time32("ms"))
    yield "time64_us", pa.array([0, None, 86_399_999_999], pa.time64("us"))
    yield "time64_ns", pa.array([0, None, 86_399_999_999_999], pa.time64("ns"))
    for unit in ("s", "ms", "us"):
        yield f"timestamp_{unit}", pa.array([-1, None, 1], pa.timestamp(unit))
    yield "timestamp_ns", pa.array([-1, None, BASE_NS + 1], pa.timestamp("ns"))
    yield "timestamp_utc", pa.array([-1, None, BASE_NS + 1], pa.timestamp("ns", "UTC"))
    for unit in ("s", "ms", "us", "ns"):
        yield f"duration_{unit}", pa.array([-1, None, 2], pa.duration(unit))
    yield "interval", pa.array([(14, 3, 500_000_000), None, (0, 0, 0)], pa.month_day_nano_interval())


def nested_columns():
    int32 = pa.int32()
    yield "list", pa.array([[1, None], None, []], pa.list_(int32))
    yield "large_list", pa.array([[1, None], None, []], pa.large_list(int32))
    yield "fixed_list", pa.array([[1, None], None, [3, 4]], pa.list_(int32, 2))
    struct = pa.struct([("a", int32), ("b", pa.utf8())])
    yield "struct", pa.array([{"a": 1, "b": None}, None, {"a": 2, "b": "x"}], struct)
    yield "map", pa.array([[("k", 1)], None, []], pa.map_(pa.utf8(), int32))
    yield "dictionary", pa.array(["x", None, "y"], pa.utf8()).dictionary_encode()
    kinds = pa.array([0, 0, 1], pa.int8())
    numbers, words = pa.array([1, None, 0], int32), pa.array(["", "", "x"], pa.utf8())
    yield "sparse_union", pa.UnionArray.from_sparse(kinds, [numbers, words], ["n", "s"])
    places = pa.array([0, 1, 0], int32)
    dense = [numbers.slice(0, 2), words.slice(2, 1)]
    yield "dense_union", pa.UnionArray.from_dense(kinds, places, dense, ["n", "s"])


def types_table():
    return pa.table(
        {
            "null": pa.array([None, None, None], pa.null()),
            "bool": pa.array([True, None, False], pa.bool_()),
            **dict(
                itertools.chain(number_columns(), byte_columns(), decimal_columns(), time_columns(), nested_columns())
            ),
        }
    )


def unsupported_column(kind):
    if kind == "list_view":
        return pa.array([[1], None], pa.list_view(pa.int32()))
    return pa.RunEndEncodedArray.from_arrays(pa.array([2], pa.int32()), pa.array(["a"]))


DICTIONARIES = {
    "same": (["a", "b"], [1, 0, None]),
    "deltas": (["a", "b", "c"], [2, 0, None]),
    "replaced": (["c", "d"], [0, 1, None]),
}


def dictionary_batches(second):
    schema = pa.schema([pa.field("tag", pa.dictionary(pa.int32(), pa.utf8()))])
    for words, picks in ((["a", "b"], [0, 1, None]), second):
        array = pa.DictionaryArray.from_arrays(pa.array(picks, pa.int32()), pa.array(words, pa.utf8()))
        yield pa.record_batch([array], schema=schema)


FAILURES = {
    "cancelled": flight.FlightCancelledError,
    "invalid": pa.ArrowInvalid,
    "timed_out": flight.FlightTimedOutError,
    "not_found": pa.ArrowKeyError,
    "unauthorized": flight.FlightUnauthorizedError,
    "not_implemented": pa.ArrowNotImplementedError,
    "internal": flight.FlightInternalError,
    "unavailable": flight.FlightUnavailableError,
    "unauthenticated": flight.FlightUnauthenticatedError,
}


def failure(kind):
    return FAILURES[kind](f"the words of {kind}")


class Headers(flight.ServerMiddleware):
    def __init__(self, headers):
        self.headers = headers


class HeadersFactory(flight.ServerMiddlewareFactory):
    def start_call(self, info, headers):
        return Headers(headers)


class Server(flight.FlightServerBase):
    def __init__(self):
        super().__init__("grpc://127.0.0.1:0", middleware={"headers": HeadersFactory()})
        self.counters = Counters()
        self.failed = set()

    def do_get(self, context, ticket):
        self.counters.add("queries")
        name, *words = json.loads(ticket.ticket)["sql_query"].split(" ")
        return getattr(self, name)(context, *words)

    def until_left(self, context):
        while not context.is_cancelled():
            time.sleep(0.005)
        self.counters.add("cancelled")

    def count(self, context, total):
        return flight.GeneratorStream(COUNT_SCHEMA, count_batches(int(total)))

    def types(self, context):
        return flight.RecordBatchStream(types_table())

    def unsupported(self, context, kind):
        return flight.RecordBatchStream(pa.table({"column": unsupported_column(kind)}))

    def dictionary(self, context, how):
        options = pa.ipc.IpcWriteOptions(emit_dictionary_deltas=how == "deltas")
        batches = list(dictionary_batches(DICTIONARIES[how]))
        reader = pa.RecordBatchReader.from_batches(batches[0].schema, batches)
        # Not a GeneratorStream, which sends no dictionaries.
        return flight.RecordBatchStream(reader, options=options)

    def compressed(self, context, codec):
        options = pa.ipc.IpcWriteOptions(compression=codec)
        return flight.RecordBatchStream(pa.Table.from_batches(count_batches(2500)), options=options)

    def keep_alives(self, context):
        return flight.GeneratorStream(COUNT_SCHEMA, (count_batch(0, rows) for rows in (0, 3, 0)))

    def metadata(self, context):
        return flight.GeneratorStream(COUNT_SCHEMA, ((count_batch(n, 1), f"batch {n}".encode()) for n in (0, 1)))

    def headers(self, context):
        headers = context.get_middleware("headers").headers
        values = [headers[name][0] for name in HEADER_NAMES]
        return flight.RecordBatchStream(pa.table({"name": HEADER_NAMES, "value": values}))

    def fail(self, context, kind):
        raise failure(kind)

    def fail_after(self, context, total, kind):
        def batches():
            yield from count_batches(int(total))
            raise failure(kind)

        return flight.GeneratorStream(COUNT_SCHEMA, batches())

    def fail_once(self, context, name, kind, total):
        if name in self.failed:
            return self.count(context, total)
        self.failed.add(name)
        raise failure(kind)

    def hang(self, context):
        self.until_left(context)
        return self.count(context, 0)

    def hang_after(self, context, total):
        def batches():
            yield from count_batches(int(total))
            self.until_left(context)

        return flight.GeneratorStream(COUNT_SCHEMA, batches())

    def endless(self, context):
        def batches():
            try:
                for first in itertools.count(0, ROWS_PER_BATCH):
                    yield count_batch(first, ROWS_PER_BATCH)
                    self.counters.add("rowsSent", ROWS_PER_BATCH)
            finally:
                self.counters.add("cancelled")

        return flight.GeneratorStream(COUNT_SCHEMA, batches())


def main():
    server = Server()
    say({"port": server.port})
    threading.Thread(target=server.serve, daemon=True).start()
    for _ in sys.stdin:
        say(server.counters.all())
    server.shutdown()


main()
