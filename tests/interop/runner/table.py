"""The table of what came of the runs, and what was skipped and failed."""

from dataclasses import dataclass, field


@dataclass
class Row:
    """What came of one run."""

    peer: str
    version: str
    transport: str
    direction: str
    passed: int = 0
    #: Checks that were left out, each with the reason.
    skips: list = field(default_factory=list)
    #: Checks that failed, each with what was seen.
    failures: list = field(default_factory=list)
    #: Why nothing was run.
    reason: str = ""

    def cells(self):
        counts = [str(self.passed), str(len(self.failures)), "all" if self.reason else str(len(self.skips))]
        return [self.peer, self.version, self.transport, self.direction, *counts, self.reason]


HEAD = ["peer", "version", "transport", "direction", "passed", "failed", "skipped", ""]


def progress(row):
    """One line, while others still run."""
    outcome = f"skipped: {row.reason}" if row.reason else f"{row.passed} passed, {len(row.failures)} failed"
    return f"{row.peer}, {row.transport}, {row.direction}: {outcome}"


def text(rows):
    """The table; beneath it, each skip once for all transports, and each failure."""
    lines = ["", *columns([HEAD, *(row.cells() for row in rows)])]
    skips = {(row.peer, row.direction, *skip): None for row in rows for skip in row.skips}
    if skips:
        lines += ["", "skipped checks, as these peers cannot pass them:"]
        lines += [f"  {peer}, {direction}: {check}: {reason}" for peer, direction, check, reason in skips]
    failures = [(row, failure) for row in rows for failure in row.failures]
    if failures:
        lines += ["", "failed:"]
        lines += [f"  {row.peer}, {row.transport}, {row.direction}: {check}: {seen}" for row, (check, seen) in failures]
    passed = sum(row.passed for row in rows)
    lines += ["", f"{passed} passed, {len(failures)} failed"]
    return "\n".join(lines)


def columns(rows):
    widths = [max(len(row[index]) for row in rows) for index in range(len(HEAD))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
