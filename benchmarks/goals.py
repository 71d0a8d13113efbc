"""What scoring was to reach, and what was measured: the rows of the table."""

NAMES = {
    "efficientnet-lite0": ("EfficientNet-Lite0", 3.0),
    "mobilenetv2-keras": ("MobileNetV2", 3.0),
    "resnet18-cntk": ("ResNet-18", 1.5),
}
"""Networks that are timed: their names, and how many times as fast scoring was to be."""
MATRIX = 0.85  # of the matrix rate; it would do for ResNet-18
SRCC_CHANGE, SPARSE, MEMORY, START, GROWTH = 0.002, 1.8, 100, 0.5, 2


def table(found: dict) -> list[dict[str, str]]:
    """Return a row for every goal: what, against what, the goal, what was found, whether it holds.

    Args:
        found: What was measured, the content of ``scoring.json``.
    """
    rows = [exact(one) for one in found["exact"]]
    rows.append(row("six tasks, bf16", "published way", ">= 5 times", found["bf16"], None))
    rows.append(row("six tasks, on a GPU, bf16", "published way", "50 times", found["gpu"], None))
    rows += sparse(found["sparse"])
    many = found["many tasks"]
    growth = many["growth, sparse"]
    told = f"{growth:.1f} times the time (exact: {many['growth, exact']:.1f} times)"
    goal = f"<= {GROWTH} times"
    rows.append(row("6 to 64 tasks, sparse", "six tasks", goal, told, growth <= GROWTH))
    return rows + commands(found["command"])


def row(what: str, against: str, goal: str, told: str, reached: bool | None) -> dict[str, str]:
    """Make a row; ``reached`` is None where nothing was measured."""
    answer = {True: "yes", False: "no", None: "not measured"}[reached]
    return {"what": what, "against": against, "goal": goal, "found": told, "reached": answer}


def exact(one: dict) -> dict[str, str]:
    """Make the row of a network, timed with a number of threads."""
    name, goal = NAMES[one["backbone"]]
    what = f"six tasks exactly, {name}, {one['threads']} thread" + "s" * (one["threads"] > 1)
    told = one.get("left out", "")
    reached, wanted = None, f">= {goal:g} times"
    if name == "ResNet-18":
        wanted += f", or >= {MATRIX:.0%} of the matrix rate"
    if not told:
        share = one["share of the matrix rate"]
        told = (
            f"{one['ratio']:.2f} times ({one['published, ms']:.0f} to {one['engine, ms']:.0f} ms an"
            f" image), {share:.0%} of the matrix rate; scores differ by"
            f" {one['largest difference']:.0e}"
        )
        fast = one["ratio"] >= goal or (name == "ResNet-18" and share >= MATRIX)
        reached = fast and one["largest difference"] <= 1e-5
    return row(what, "published way", wanted, told, reached)


def sparse(curves: dict) -> list[dict[str, str]]:
    """Make a row for each readout: its fastest point whose mean SRCC stays."""
    wanted = f">= {SPARSE} times where the mean SRCC changes by <= {SRCC_CHANGE}"
    if told := curves.get("left out"):
        return [row("sparse, human-rated sets", "exact", wanted, told, None)]
    rows = []
    for readout in ("gated", "calibrated"):
        kept = [one for one in curves[readout] if abs(one["mean SRCC change"]) <= SRCC_CHANGE]
        timed = [one for one in kept if "times as fast" in one] or kept
        best = max(timed, key=lambda one: one["fewer passes"])
        fast = best.get("times as fast", best["fewer passes"])
        told = (
            f"{fast:.2f} times at {best['epsilon']:g} ({best['fewer passes']:.2f} times fewer"
            f" passes); mean SRCC {best['mean SRCC change']:+.4f}, one set's by up to"
            f" {best['largest SRCC change']:.4f}; bounds {best['median bound']:.3f} in the median,"
            f" {best['largest bound']:.3f} at most"
        )
        what = f"sparse, human-rated sets, {readout}"
        rows.append(row(what, "exact", wanted, told, fast >= SPARSE))
    return rows


def commands(found: dict) -> list[dict[str, str]]:
    """Make the rows of the command line."""
    more = found["more memory, MB"]
    told = (
        f"{more:+.0f} MB on {found['200 photos, peak MB']:.0f} MB;"
        f" {found['2000 photos, images a second']:.1f} images of {found['photos']} pixels a second,"
        f" the first after {found['2000 photos, first score after s']:.1f} s"
    )
    goal = f"<= {MEMORY} MB more"
    rows = [row("2,000 photos by tsniqa score", "200 photos", goal, told, more <= MEMORY)]
    for name in ("tsniqa --help", "import tsniqa"):
        took = found[f"{name}, s"]
        rows.append(row(name, "", f"<= {START} s", f"{took:.2f} s", took <= START))
    return rows
