"""Answers questions about Delta tables with delta-rs: a JSON object a line in, one a line out, until the input ends."""

import base64
import datetime
import json
import math
import os
import sys
from decimal import Decimal

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder

STORAGE = json.loads(os.environ["DELTA_STORAGE_OPTIONS"])


def encode(kind, value):
    """The value of an Arrow type in the form that `reader.ts` describes."""
    if value is None:
        return None
    t = pa.types
    if t.is_boolean(kind):
        return value
    if t.is_int64(kind) or t.is_uint64(kind):
        return str(value)
    if t.is_integer(kind):
        return value
    if t.is_floating(kind):
        return value if math.isfinite(value) else "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if t.is_decimal(kind):
        return format(value, "f")
    if t.is_string(kind) or t.is_large_string(kind) or t.is_string_view(kind):
        return value
    if t.is_binary(kind) or t.is_large_binary(kind) or t.is_binary_view(kind) or t.is_fixed_size_binary(kind):
        return base64.b64encode(value).decode()
    if t.is_date(kind):
        return value.isoformat()
    if t.is_timestamp(kind):
        if kind.tz is None:
            return value.isoformat(timespec="microseconds")
        return value.astimezone(datetime.timezone.utc).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
    if t.is_struct(kind):
        return {field.name: encode(field.type, value[field.name]) for field in kind}
    if t.is_list(kind) or t.is_large_list(kind) or t.is_list_view(kind):
        return [encode(kind.value_type, item) for item in value]
    if t.is_map(kind):
        return {key: encode(kind.item_type, item) for key, item in value}
    raise TypeError(f"no form for the Arrow type {kind}")


def rows(result):
    table = pa.table(result)
    columns = [[encode(field.type, value) for value in column.to_pylist()] for field, column in zip(table.schema, table.columns)]
    return [dict(zip(table.column_names, values)) for values in zip(*columns)]


def opened(request):
    return DeltaTable(request["table"], version=request.get("version"), storage_options=STORAGE)


def answer_rows(request):
    """Rows of one version, the newest unless it is named; `sql` over the name `t` if given."""
    query = QueryBuilder().register("t", opened(request))
    return rows(query.execute(request.get("sql") or "SELECT * FROM t").read_all())


def answer_changes(request):
    """Rows of the change data feed from version `from` to `to`, both included."""
    return rows(opened({"table": request["table"]}).load_cdf(starting_version=request["from"], ending_version=request["to"]).read_all())


def answer_describe(request):
    table = opened(request)
    protocol, metadata = table.protocol(), table.metadata()
    return {
        "version": table.version(),
        "protocol": {
            "minReaderVersion": protocol.min_reader_version,
            "minWriterVersion": protocol.min_writer_version,
            "readerFeatures": sorted(protocol.reader_features or []),
            "writerFeatures": sorted(protocol.writer_features or []),
        },
        "configuration": metadata.configuration,
        "schema": json.loads(table.schema().to_json()),
        "transactions": {app: table.transaction_version(app) for app in request.get("apps", [])},
        "history": table.history(),
    }


ANSWERS = {"rows": answer_rows, "changes": answer_changes, "describe": answer_describe}


def plain(value):
    """What `history` may hold beside JSON's own types."""
    if isinstance(value, (Decimal, datetime.date)):
        return str(value)
    raise TypeError(f"no form for {type(value).__name__}")


for line in sys.stdin:
    asked = json.loads(line)
    try:
        reply = {"value": ANSWERS[asked["ask"]](asked)}
    except Exception as error:  # whatever a reader throws at a table is an answer
        reply = {"error": f"{type(error).__name__}: {error}"}
    sys.stdout.write(json.dumps(reply, allow_nan=False, default=plain) + "\n")
    sys.stdout.flush()
