"""Writes the records of the golden case `window_statistics`: statistics in one pass over the rows in log order.

Run it in the folder of the case. It shares no code with the program.
"""

import json
import math
import random

random.seed(7)
MINUTE, START = 60_000, 1_767_225_600_000


def statistics(rows):
    n, my, mx, syy, sxx, sxy = 0, 0.0, 0.0, 0.0, 0.0, 0.0
    for y, x in rows:
        n += 1
        dy, dx = y - my, x - mx
        my += dy / n
        mx += dx / n
        syy += dy * (y - my)
        sxx += dx * (x - mx)
        sxy += dx * (y - my)
    return {
        "spread": math.sqrt(syy / (n - 1)),
        "variance": syy / n,
        "together": sxy / (n - 1),
        "r": max(-1.0, min(1.0, sxy / math.sqrt(sxx) / math.sqrt(syy))),
        "slope": sxy / sxx,
        "base": my - sxy / sxx * mx,
    }


def iso(ms):
    seconds, ms = divmod(ms - START, 1000)
    return f"2026-01-01T{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{ms:03}Z"


rows = []
for i in range(60):
    key = random.choice("abc")
    y = round(random.gauss(1e6, 10), 3)
    x = None if random.random() < 0.1 else round(y / 3 + random.random() * 5, 3)
    rows.append((START + i * 2500, key, y, x))

def line(key, value, time):
    # As a text: a parser of numbers may change their last digit.
    value = json.dumps(value, separators=(",", ":"))
    return json.dumps({"partition": 0, "key": key, "value": value, "timestamp": time})


with open("in/raw.jsonl", "w") as out:
    for time, key, y, x in rows:
        print(line(key, {"key": key, "y": y, "x": x}, time), file=out)

with open("out/out.jsonl", "w") as out:
    for start in sorted({t - t % MINUTE for t, _, _, _ in rows}):
        for key in "abc":
            pairs = [(y, x) for t, k, y, x in rows if k == key and t - t % MINUTE == start and x is not None]
            value = {"key": key, **statistics(pairs), "window_start": iso(start), "window_end": iso(start + MINUTE)}
            print(line(key, value, start + MINUTE - 1), file=out)
