"""A Comparison as plots, PNG and SVG. Imports matplotlib, so it is imported when plots are asked for."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402
from matplotlib.ticker import FuncFormatter  # noqa: E402

from echolab.comparison import Comparison, Row  # noqa: E402
from echolab.verdict import GraderTrouble  # noqa: E402

# Told apart in print, by who sees few colours, and on white as on black (Okabe and Ito).
_COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7"]
_LINES = {True: "-", False: "--"}
_MARKERS = "osD^vP*X<>hdp"
_GREY = "#808080"  # 4:1 on white and 5:1 on black
_STYLE = {
    "font.size": 10,
    "text.color": _GREY,
    "axes.labelcolor": _GREY,
    "axes.edgecolor": _GREY,
    "xtick.color": _GREY,
    "ytick.color": _GREY,
    "grid.color": _GREY,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "svg.hashsalt": "echolab",  # the same figures make the same file
    "svg.fonttype": "none",
}


def write(comparison: Comparison, folder: Path) -> list[Path]:
    """Writes every plot to `folder`; the files. Raises GraderTrouble if it cannot."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with pyplot.rc_context(_STYLE):
            return [
                *_curve(comparison, folder, "round_trips", 1, "round trips a second"),
                *_curve(comparison, folder, "latency_p50", 1e-3, "median latency in µs"),
                *_curve(comparison, folder, "latency_p99.9", 1e-3, "latency of 999 in 1000, in µs"),
                *_bars(comparison, folder, "connections", 1, "connections a second"),
                *_bars(comparison, folder, "memory", 1 / 1024, "KiB per client (PSS)"),
            ]
    except OSError as error:
        raise GraderTrouble(f"cannot write to {folder}: {error.strerror}") from error


def _curve(comparison: Comparison, folder: Path, figure: str, factor: float, label: str) -> list[Path]:
    plot, axes = pyplot.subplots(figsize=(8, 5), layout="constrained")
    for number, row in enumerate(comparison.rows):
        found = [(key.clients, value) for key, value in row.figures.items() if key.figure == figure]
        found = sorted((clients, value) for clients, value in found if clients)
        if not found:
            continue
        clients = [clients for clients, _ in found]
        middle = [value.median * factor for _, value in found]
        axes.plot(
            clients, middle, _LINES[row.ours], color=_colour(row), linewidth=2.2 if row.ours else 1.2,
            marker=_MARKERS[number % len(_MARKERS)], markersize=5, label=row.name,
        )  # fmt: skip
        if not row.ours:
            continue  # where the figure is known to be, for ours alone: more would hide the lines
        bounds = [[bound * factor for bound in value.bounds] for _, value in found]
        axes.fill_between(clients, *zip(*bounds, strict=True), color=_colour(row), alpha=0.12, linewidth=0)
    axes.set_xscale("log", base=2)
    axes.set_xticks(comparison.curve(), [str(clients) for clients in comparison.curve()])
    if figure.startswith("latency"):
        axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlabel("clients")
    axes.set_ylabel(label)
    axes.grid(True)
    if axes.lines:
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=8)
    return _save(plot, folder, figure)


def _bars(comparison: Comparison, folder: Path, figure: str, factor: float, label: str) -> list[Path]:
    rows = [row for row in comparison.rows if row.median(figure) is not None]
    rows.sort(key=lambda row: (row.model, not row.ours), reverse=True)
    plot, axes = pyplot.subplots(figsize=(8, 1 + 0.32 * max(1, len(rows))), layout="constrained")
    values = [(row.median(figure) or 0) * factor for row in rows]
    bars = axes.barh([row.name for row in rows], values, color=[_colour(row) for row in rows])
    for bar, row in zip(bars, rows, strict=True):
        bar.set_alpha(1 if row.ours else 0.5)
    axes.bar_label(bars, [f" {value:,.0f}" for value in values], color=_GREY, fontsize=8)
    axes.set_xlabel(label)
    axes.grid(True, axis="x")
    return _save(plot, folder, figure)


def _colour(row: Row) -> str:
    return _COLOURS[(row.model - 1) % len(_COLOURS)]


def _save(plot: "pyplot.Figure", folder: Path, figure: str) -> list[Path]:
    files = [folder / f"{figure.replace('.', '_')}.{kind}" for kind in ("png", "svg")]
    for path in files:
        plot.savefig(path, transparent=True, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)
    pyplot.close(plot)
    return files
