"""Changes of Delta tables by delta-rs: change-judge.py write FOLDER SEED | read FOLDER FROM TO.

write makes a table with the change data feed on and a random history of appends, deletes, updates,
merges, overwrites and rearrangements; read prints each changed row between two versions as a JSON
object. Timestamps are microseconds, dates are days since 1970, decimals are texts.
"""

import datetime
import decimal
import json
import random
import sys

import deltalake
import pyarrow

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
WORDS = ["red", "green", "blue", None]


def plain(value):
    match value:
        case datetime.datetime():
            at = value if value.tzinfo else value.replace(tzinfo=datetime.timezone.utc)
            return (at - EPOCH) // datetime.timedelta(microseconds=1)
        case datetime.date():
            return (value - EPOCH.date()).days
        case decimal.Decimal():
            return str(value)
        case dict():
            return {name: plain(inner) for name, inner in value.items()}
        case list():
            return [plain(inner) for inner in value]
        case _:
            return value


def rows(ids, chance, wide):
    columns = {
        "id": pyarrow.array(ids, pyarrow.int64()),
        "part": pyarrow.array([chance.choice(WORDS) for _ in ids], pyarrow.string()),
        "price": pyarrow.array(
            [decimal.Decimal(chance.randrange(10_000)) / 100 for _ in ids],
            pyarrow.decimal128(18, 2),
        ),
        "at": pyarrow.array(
            [EPOCH + datetime.timedelta(microseconds=chance.randrange(2**50)) for _ in ids],
            pyarrow.timestamp("us", "UTC"),
        ),
        "inner": pyarrow.array(
            [{"list": [n, None], "day": EPOCH.date()} if n % 3 else None for n in ids],
            pyarrow.struct([("list", pyarrow.list_(pyarrow.int32())), ("day", pyarrow.date32())]),
        ),
    }
    if wide:
        columns["late"] = pyarrow.array(ids, pyarrow.float64())
    return pyarrow.table(columns)


def write(folder, seed):
    chance = random.Random(seed)
    partitions = ["part"] if chance.random() < 0.5 else None
    deltalake.write_deltalake(
        folder,
        rows(range(20), chance, False),
        partition_by=partitions,
        configuration={"delta.enableChangeDataFeed": "true"},
    )
    following, wide = 20, False
    for _ in range(14):
        table = deltalake.DeltaTable(folder)
        match chance.choice(
            ["append", "append", "delete", "update", "merge", "merge", "compact", "widen", "overwrite"]
        ):
            case "append":
                count = chance.randrange(1, 15)
                data = rows(range(following, following + count), chance, wide)
                deltalake.write_deltalake(folder, data, mode="append")
                following += count
            case "delete":
                table.delete(f"id % 7 = {chance.randrange(7)}")
            case "update":
                table.update(
                    predicate=f"id % 5 = {chance.randrange(5)}",
                    updates={"price": "price + 1"},
                )
            case "merge":
                ids = sorted({chance.randrange(following + 5) for _ in range(10)})
                following = max(following, ids[-1] + 1)
                source = rows(ids, chance, wide)
                (
                    table.merge(source, "t.id = s.id", source_alias="s", target_alias="t")
                    .when_matched_delete("t.id % 4 = 0")
                    .when_matched_update_all()
                    .when_not_matched_insert_all()
                    .execute()
                )
            case "compact":
                table.optimize.compact()
            case "widen" if not wide:
                wide = True
                data = rows(range(following, following + 3), chance, wide)
                deltalake.write_deltalake(folder, data, mode="append", schema_mode="merge")
                following += 3
            case "overwrite":
                ids = range(following, following + 8)
                deltalake.write_deltalake(folder, rows(ids, chance, wide), mode="overwrite")
                following += 8


def read(folder, first, last):
    table = deltalake.DeltaTable(folder, version=last)
    changes = table.load_cdf(starting_version=first, ending_version=last)
    return pyarrow.table(changes.read_all())


match sys.argv[1:]:
    case ["write", folder, seed]:
        write(folder, int(seed))
    case ["read", folder, first, last]:
        for row in read(folder, int(first), int(last)).to_pylist():
            print(json.dumps(plain(row)))
    case _:
        sys.exit(__doc__)
