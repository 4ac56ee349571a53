#!/usr/bin/env python3
"""Reads the histograms of result directories with another implementation of HdrHistogram (PyPI's
`hdrhistogram`) and compares them with what telegraft wrote beside them.

For each run of `runs.csv`:
- count: each operation's histogram in `latency/<run_id>.total.hlog` holds as many latencies as
  operations succeeded;
- p50, p90, p95, p99, p99.9 and the longest, and of service times p50, p99 and p99.9: the rank is
  ceil(q x due), where what failed, is unknown or never finished was due and is slower than all
  others; the value is the highest that the bucket at that rank stands for. `>timeout` must stand
  exactly where missed / due >= 1 - q. Ranks are whole numbers here as there, so the tolerance is
  zero;
- `latency/<run_id>.hlog`: its seconds add up to the total, bucket by bucket.

Exit code: 0 all agrees, 1 something differs (told line by line), 2 usage.
"""

import argparse
import csv
import sys
from collections import Counter
from pathlib import Path

from hdrh.histogram import HdrHistogram

# Column and thousandths; 1000 is the longest.
RESPONSE = {
    "response_p50_us": 500,
    "response_p90_us": 900,
    "response_p95_us": 950,
    "response_p99_us": 990,
    "response_p999_us": 999,
    "response_max_us": 1000,
}
SERVICE = {
    "service_p50_us": 500,
    "service_p99_us": 990,
    "service_p999_us": 999,
}
SERVICE_SUFFIX = "-service"
ALL = "all"

# What histograms are added in, in microseconds: more than the hour that telegraft tells apart.
# The digits are those of the files.
HIGHEST_US = 2 * 3600 * 1_000_000
DIGITS = 3


def read_log(path):
    """The histograms of a log, as (tag, histogram) in the order of the file."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith(("#", '"')) or not line:
            continue
        fields = line.split(",")
        tag = ""
        if fields[0].startswith("Tag="):
            tag = fields.pop(0)[len("Tag="):]
        if len(fields) != 4:
            raise ValueError(f"{path}:{number}: it is no line of a histogram log")
        histogram = HdrHistogram.decode(fields[3])
        if histogram.get_total_count() > 0 and float(fields[2]) != histogram.get_max_value():
            raise ValueError(
                f"{path}:{number}: Interval_Max is {fields[2]}, and the longest latency in it "
                f"{histogram.get_max_value()}"
            )
        found.append((tag, histogram))
    return found


def added(histograms):
    """One histogram of all."""
    total = HdrHistogram(1, HIGHEST_US, DIGITS)
    for histogram in histograms:
        total.add(histogram)
    return total


def buckets(histogram):
    """How many latencies each bucket holds, by the lowest value that it stands for."""
    counts = Counter()
    for index, count in enumerate(histogram.counts[0:histogram.counts_len]):
        if count:
            counts[histogram.get_value_from_index(index)] = count
    return counts


def percentile(histogram, per_mille, missed):
    """What the column must read."""
    completed = histogram.get_total_count()
    due = completed + missed
    if due == 0:
        return ""
    if missed > 0 and missed * 1000 >= due * (1000 - per_mille):
        return ">timeout"
    if per_mille == 1000:
        return str(histogram.get_max_value())
    rank = -(-due * per_mille // 1000)
    # The package rounds percentile x count / 100 to a rank: this percentile gives back ours.
    return str(histogram.get_value_at_percentile(100.0 * rank / completed))


class Directory:
    """One result directory, and what is wrong in it."""

    def __init__(self, path):
        self.path = path
        self.runs = {}
        self.numbers = 0
        self.seconds = 0
        self.wrong = []
        with open(path / "runs.csv", newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                self.runs.setdefault(row["run_id"], []).append(row)

    def check(self):
        for run_id, rows in self.runs.items():
            try:
                self.check_run(run_id, rows)
            except (OSError, ValueError) as error:
                self.wrong.append(f"{run_id}: {error}")
        if not self.runs:
            self.wrong.append("runs.csv has no run")

    def check_run(self, run_id, rows):
        latency = self.path / "latency"
        totals = self.by_tag(latency / f"{run_id}.total.hlog")
        for row in rows:
            for suffix, columns in [("", RESPONSE), (SERVICE_SUFFIX, SERVICE)]:
                histogram = self.of_op(totals, rows, row["op"], suffix)
                self.check_row(f"{run_id} {row['op']}{suffix}", row, histogram, columns)
        seconds = self.by_tag(latency / f"{run_id}.hlog")
        for tag in sorted(totals.keys() | seconds.keys()):
            whole, parts = (buckets(added(of.get(tag, []))) for of in (totals, seconds))
            for value in sorted(whole.keys() | parts.keys()):
                if whole[value] != parts[value]:
                    self.wrong.append(
                        f"{run_id} {tag}: the total has {whole[value]} latencies in the bucket "
                        f"from {value} us, the seconds together {parts[value]}"
                    )
            self.seconds += len(seconds.get(tag, []))

    @staticmethod
    def by_tag(path):
        found = {}
        for tag, histogram in read_log(path):
            found.setdefault(tag, []).append(histogram)
        return found

    @staticmethod
    def of_op(totals, rows, op, suffix):
        """The latencies of an operation; of `all`, those of all operations."""
        ops = [row["op"] for row in rows if row["op"] != ALL] if op == ALL else [op]
        tags = [f"{one}{suffix}" for one in ops or [op]]
        return added(histogram for tag in tags for histogram in totals.get(tag, []))

    def check_row(self, name, row, histogram, columns):
        missed = sum(int(row[column]) for column in ("failed", "unknown", "unfinished"))
        expected = {"ok": str(histogram.get_total_count())}
        for column, per_mille in columns.items():
            expected[column] = percentile(histogram, per_mille, missed)
        for column, value in expected.items():
            self.numbers += 1
            if row[column] != value:
                self.wrong.append(
                    f"{name}: {column} is {row[column]!r} in runs.csv, and "
                    f"{value!r} by the histogram"
                )


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("directories", metavar="DIR", nargs="+", type=Path)
    differs = False
    for path in parser.parse_args().directories:
        try:
            directory = Directory(path)
        except (OSError, KeyError) as error:
            print(f"{path}: cannot read runs.csv: {error}", file=sys.stderr)
            differs = True
            continue
        directory.check()
        for wrong in directory.wrong:
            print(f"{path}: {wrong}", file=sys.stderr)
        differs |= bool(directory.wrong)
        result = f"{len(directory.wrong)} differ" if directory.wrong else "all agree"
        print(
            f"{path}: {len(directory.runs)} runs, {directory.numbers} numbers and "
            f"{directory.seconds} histograms of seconds compared: {result}"
        )
    return 1 if differs else 0


if __name__ == "__main__":
    sys.exit(main())
