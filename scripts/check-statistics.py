#!/usr/bin/env python3
"""Compares the statistics of the analysis (`analysis/src/stats/`) with NumPy and SciPy.

`analysis/examples/statistics.rs`, whose path is the argument, answers what this asks:
- Student's distribution: two-sided p-values and quantiles, from 0.3 to 10,000 degrees of freedom,
  down to probabilities of 1e-290;
- Welch's test on the logarithms of 2,000 pairs of samples: t, the degrees of freedom and p;
- the typical trial and the ratio of each pair, with their intervals;
- Holm's correction: examples whose result is printed in the literature or calculated by hand, and
  500 random tables;
- percentiles of merged histograms: within their precision, 0.1 %, of the order statistic
  ceil(q x n) of all latencies.

Everything is drawn from one fixed seed. Exit code: 0 all agrees, 1 something differs (told line by
line), 2 usage.
"""

import argparse
import json
import math
import subprocess
import sys

import numpy as np
import scipy
from scipy import stats

SEED = 20_260_301
PAIRS = 2_000
TABLES = 500
MERGED = 100

# p-values agree to this, absolutely; and as a share of the value, however small it is.
P_ABSOLUTE = 1e-9
P_RELATIVE = 1e-6
# Intervals, estimates, t and degrees of freedom agree to this share.
RELATIVE = 1e-9
# What a histogram of three significant digits does not tell apart.
HISTOGRAM = 1e-3

PER_MILLE = [1, 100, 500, 900, 950, 990, 999, 1000]

# p-values and their adjusted ones, to as many digits as are printed.
HOLM = [
    # Calculated by hand: 0.005 x 4, 0.01 x 3, 0.03 x 2, and 0.04, which may not be below 0.06.
    ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02], 1e-15),
    # The same with ties, with what passes 1, and without rows.
    ([0.02, 0.02, 0.02], [0.06, 0.06, 0.06], 1e-15),
    ([0.6, 0.7, 1.0], [1.0, 1.0, 1.0], 1e-15),
    ([], [], 0.0),
    # Benjamini & Hochberg (J. R. Statist. Soc. B 57, 1995, section 4): 15 hypotheses about
    # thrombolysis, of which Holm's procedure rejects those three that Bonferroni's does.
    (
        [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262,
         0.5719, 0.6528, 0.7590, 1.0],
        [0.0015, 0.0056, 0.0247, 0.1140, 0.2211, 0.2780, 0.2780, 0.2780, 0.3213] + [1.0] * 6,
        1e-12,
    ),
]


class Check:
    """Asks, compares, and keeps what differs."""

    def __init__(self, program):
        self.program = program
        self.questions = []
        self.comparisons = []

    def ask(self, question, compare):
        """`compare` gets the answer and yields (what, found, expected, agrees, error)."""
        self.questions.append(question)
        self.comparisons.append(compare)

    def run(self):
        asked = "".join(json.dumps(question) + "\n" for question in self.questions)
        told = subprocess.run(
            [self.program], input=asked, capture_output=True, text=True, check=True
        )
        answers = [json.loads(line) for line in told.stdout.splitlines()]
        if len(answers) != len(self.questions):
            raise ValueError(f"{len(self.questions)} questions, {len(answers)} answers")
        differ, worst, counts = [], {}, {}
        for question, answer, compare in zip(self.questions, answers, self.comparisons):
            for what, found, expected, agrees, error in compare(answer):
                counts[what] = counts.get(what, 0) + 1
                worst[what] = max(worst.get(what, 0.0), error)
                if not agrees:
                    differ.append(
                        f"{what} is {found!r}, and {expected!r} by SciPy: "
                        f"{json.dumps(question)[:300]}"
                    )
        for what, count in counts.items():
            print(f"{what}: {count} compared, at most {worst[what]:.1e} apart")
        return differ


def apart(found, expected):
    """As a share of what is expected."""
    if found is None or not math.isfinite(found):
        return 0.0 if found == expected else math.inf
    if found == expected:
        return 0.0
    return abs(found - expected) / abs(expected) if expected != 0 else math.inf


def close(what, found, expected, relative=RELATIVE):
    error = apart(found, expected)
    return what, found, expected, error <= relative, error


def p_value(what, found, expected):
    error = apart(found, expected)
    agrees = found is not None and abs(found - expected) <= P_ABSOLUTE and error <= P_RELATIVE
    return what, found, expected, agrees, error


def ask_student(check, random):
    for _ in range(2_000):
        df = float(10 ** random.uniform(-0.5, 4))
        p = float(10 ** random.uniform(-290, math.log10(0.5)))
        t = float(-stats.t.ppf(p, df))
        if not math.isfinite(t) or t > 1e150:
            continue
        expected = float(2 * stats.t.sf(t, df))
        if expected > 0:
            check.ask(
                {"two_sided": {"t": t, "df": df}},
                lambda found, e=expected: [p_value("two-sided p", found, e)],
            )
    for _ in range(2_000):
        df = float(10 ** random.uniform(0, 4))
        p = float(random.choice([0.5 + random.uniform(0.001, 0.4999), random.uniform(1e-9, 0.499)]))
        expected = float(stats.t.ppf(p, df))
        check.ask(
            {"quantile": {"p": p, "df": df}},
            lambda found, e=expected: [close("quantile", found, e)],
        )


def draw_pair(random):
    """Two samples: of 2 to 30 trials, around anything from 1e-3 to 1e9, varying by 0.01 % to
    100 %, equal in truth or up to 100 % apart."""
    a_count, b_count = (int(n) for n in random.integers(2, 31, size=2))
    scale = 10 ** random.uniform(-3, 9)
    a_spread, b_spread = 10 ** random.uniform(-4, 0, size=2)
    if random.random() < 0.3:
        b_spread = a_spread
    change = random.choice([0.0, 10 ** random.uniform(-4, 0)])
    a = scale * np.exp(a_spread * random.standard_normal(a_count))
    b = scale * np.exp(change + b_spread * random.standard_normal(b_count))
    return a, b


def interval_of(value, half):
    return value * math.exp(-half), value * math.exp(half)


def ask_pairs(check, random):
    for _ in range(PAIRS):
        a, b = draw_pair(random)
        log_a, log_b = np.log(a), np.log(b)
        result = stats.ttest_ind(log_a, log_b, equal_var=False)

        def welch(found, result=result):
            # The statistic itself is as exact as the difference of two logarithms.
            yield close("Welch's t", found["t"], float(result.statistic), 1e-7)
            yield close("degrees of freedom", found["df"], float(result.df))
            yield p_value("Welch's p", found["p"], float(result.pvalue))

        check.ask({"welch": {"a": a.tolist(), "b": b.tolist()}}, welch)
        ask_typical(check, a)
        error = math.sqrt(log_a.var(ddof=1) / len(a) + log_b.var(ddof=1) / len(b))
        value = math.exp(log_a.mean() - log_b.mean())
        half = float(stats.t.ppf(0.975, result.df)) * error
        enough = min(len(a), len(b)) >= 3
        low, high = interval_of(value, half) if enough else (None, None)
        check.ask(
            {"ratio": {"of": a.tolist(), "to": b.tolist()}},
            lambda found, value=value, low=low, high=high: estimate("ratio", found, value, low, high),
        )


def ask_typical(check, trials):
    value = float(stats.gmean(trials))
    low = high = None
    if len(trials) >= 3:
        logs = np.log(trials)
        interval = stats.t.interval(0.95, len(logs) - 1, logs.mean(), stats.sem(logs))
        low, high = (math.exp(end) for end in interval)
    check.ask(
        {"typical": trials.tolist()},
        lambda found: estimate("typical trial", found, value, low, high),
    )


def estimate(what, found, value, low, high):
    yield close(what, found["value"], value)
    if low is None or found["low"] is None:
        both = (found["low"], found["high"])
        yield f"{what} without interval", both, (low, high), both == (low, high), 0.0
    else:
        yield close(f"{what}: interval", found["low"], low)
        yield close(f"{what}: interval", found["high"], high)


def holm(p):
    """As Holm's paper says it: rejected at level alpha where all p up to it pass theirs. The
    adjusted p is the lowest alpha at which that is so."""
    m = len(p)
    order = np.argsort(p, kind="stable")
    sorted_p = np.asarray(p)[order]
    adjusted = np.empty(m)
    for at in range(m):
        adjusted[order[at]] = min(1.0, max((m - j) * sorted_p[j] for j in range(at + 1)))
    return adjusted.tolist()


def ask_holm(check, random):
    def each(what, found, expected, tolerance):
        yield f"{what}: rows", len(found), len(expected), len(found) == len(expected), 0.0
        for one, other in zip(found, expected):
            error = abs(one - other)
            yield what, one, other, error <= tolerance, error

    for p, expected, tolerance in HOLM:
        check.ask(
            {"holm": p},
            lambda found, e=expected, t=tolerance: each("Holm's examples", found, e, t),
        )
    for _ in range(TABLES):
        p = (10 ** random.uniform(-6, 0, size=int(random.integers(1, 80)))).tolist()
        check.ask(
            {"holm": p}, lambda found, e=holm(p): each("Holm's random tables", found, e, 1e-15)
        )


def ask_percentiles(check, random):
    for _ in range(MERGED):
        parts = []
        for _ in range(int(random.integers(1, 8))):
            median = 10 ** random.uniform(1.5, 5)
            draws = median * np.exp(random.uniform(0.1, 1.5) * random.standard_normal(
                int(random.integers(1, 2_000))))
            parts.append(np.maximum(1, np.rint(draws)).astype(int).tolist())
        latencies = np.sort(np.concatenate([np.asarray(part) for part in parts]))
        ranks = [-(-len(latencies) * q // 1000) for q in PER_MILLE]
        expected = [int(latencies[max(rank, 1) - 1]) for rank in ranks]

        def compare(found, expected=expected):
            for one, other in zip(found, expected, strict=True):
                yield close("percentile of merged histograms", one, other, HISTOGRAM)

        check.ask({"percentiles": {"parts": parts, "per_mille": PER_MILLE}}, compare)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("program", metavar="PROGRAM", help="the example `statistics`, built")
    check = Check(parser.parse_args().program)
    random = np.random.default_rng(SEED)
    print(f"NumPy {np.__version__}, SciPy {scipy.__version__}, seed {SEED}")
    ask_student(check, random)
    ask_pairs(check, random)
    ask_holm(check, random)
    ask_percentiles(check, random)
    try:
        differ = check.run()
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        told = getattr(error, "stderr", None) or error
        print(f"{check.program} does not answer: {told}", file=sys.stderr)
        return 1
    for line in differ[:50]:
        print(line, file=sys.stderr)
    print(f"{len(differ)} differ" if differ else "all agree")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
