"""Makes the histogram logs beside it, with another implementation of the format.

    pip install --no-deps hdrhistogram==0.10.8
    python3 make.py

(That version's `output_start_time` raises an error: its line is written as a comment, by the same
format.)
"""

from pathlib import Path

from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogWriter

EPOCH_MS = 1441812279474


def histogram(start_ms, end_ms, values):
    """An interval, with every value 10 times."""
    made = HdrHistogram(1, 3600 * 1000 * 1000, 3)
    for value in values:
        made.record_value(value, 10)
    made.set_start_time_stamp(start_ms)
    made.set_end_time_stamp(end_ms)
    return made


def main():
    """Two logs of the same two intervals, which begin 127 ms after the epoch above."""
    intervals = [
        histogram(EPOCH_MS + 127, EPOCH_MS + 1134, range(1, 1001)),
        histogram(EPOCH_MS + 1134, EPOCH_MS + 2134, [5, 1_000_000]),
    ]
    here = Path(__file__).parent
    with open(here / "absolute.hlog", "w", encoding="utf-8") as file:
        log = HistogramLogWriter(file)
        log.output_comment("[Logged by hand]")
        log.output_log_format_version()
        log.output_legend()
        for interval in intervals:
            log.output_interval_histogram(interval, max_value_unit_ratio=1000.0)
    with open(here / "base-time.hlog", "w", encoding="utf-8") as file:
        log = HistogramLogWriter(file)
        log.output_log_format_version()
        log.output_base_time(EPOCH_MS)
        log.base_time = EPOCH_MS
        started = f"{(EPOCH_MS + 100) / 1000:f}"
        log.output_comment(f"[StartTime: {started} (seconds since epoch), 2015-09-09 15:24:39]")
        log.output_legend()
        for interval in intervals:
            log.output_interval_histogram(interval, max_value_unit_ratio=1000.0)


main()
