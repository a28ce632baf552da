"""`portvakt bench`: what it prints and how it ends. One real figure is measured, the quickest; no value is judged."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.bench import main, run
from agent.bench.figure import Figure, Measurement, Unmeasurable, figure
from tests.bench.measure import in_turn, p50_and_p99, percentile

ROOT = Path(__file__).parents[2]
FIXED = {
    "agent": "start_to_ready_s rss_idle_mb cpu_idle_share",
    "app": "first_page_ms tap_to_state_ms_p50 tap_to_state_ms_p99",
    "cloud": "order_to_receipt_ms_p50 order_to_receipt_ms_p99 verify_vs_joserfc",
    "demo": "make_run_warm_s",
    "serial": "command_to_wire_overhead_ms_p50 command_to_wire_overhead_ms_p99",
}
COLUMNS = ["name", "ours", "reference", "reference_name", "ratio", "unit", "n", "note"]


def one(name: str, ours: float = 2.0, reference: float = 3.0, **more: Any) -> Figure:
    return figure(name, ours, reference, reference_name="a reference", unit="ms", n=1, **more)


def empty(folder: Path) -> bool:
    return not any(folder.iterdir())


def measurement(*names: str, fails: Exception | None = None) -> Measurement:
    async def measure(place: Path) -> Sequence[Figure]:
        assert empty(place)
        if fails:
            raise fails
        return [one(name) for name in names]

    return Measurement(names, measure)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> dict[str, Sequence[Measurement]]:
    suites = {"lan": (measurement("find_ms_p50", "find_ms_p99"), measurement("rss_mb")), "app": (measurement("page"),)}
    monkeypatch.setattr(run, "suites", lambda _checkout: suites)
    return suites


class TestNames:
    @pytest.mark.parametrize(
        ("asked", "given"),
        [
            ([], ["find_ms_p50", "find_ms_p99", "rss_mb", "page"]),
            (["app"], ["page"]),
            (["rss_mb"], ["rss_mb"]),
            (["lan.find_ms_p99"], ["find_ms_p99"]),
            (["page", "lan"], ["find_ms_p50", "find_ms_p99", "rss_mb", "page"]),
        ],
    )
    def test_a_suite_a_figure_or_both(
        self, known: Any, asked: list[str], given: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(asked, True) == 0
        assert [each["name"] for each in json.loads(capsys.readouterr().out)["results"]] == given

    @pytest.mark.parametrize("name", ["nope", "app.rss_mb", "", "lan."])
    def test_an_unknown_one_is_bad_input_and_the_known_ones_are_listed(
        self, known: Any, name: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["lan", name], True) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        for listed in ("lan", "app", "lan.find_ms_p50", "lan.rss_mb", "app.page"):
            assert listed in err

    def test_the_fixed_ones_are_there(self) -> None:
        suites = run.suites(ROOT)
        for suite, names in FIXED.items():
            measured = [name for each in suites[suite] for name in each.names]
            assert set(names.split()) <= set(measured)
            assert len(set(measured)) == len(measured)

    def test_without_a_checkout_one_line_says_so(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr("agent.__file__", str(tmp_path / "agent" / "__init__.py"))
        assert main([], True) == 2
        out, err = capsys.readouterr()
        assert (out, err.count("\n")) == ("", 1)
        assert "checkout" in err


class TestOutput:
    def test_json(self, known: Any, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["page"], True) == 0
        report = json.loads(capsys.readouterr().out)
        assert list(report) == ["machine", "results"]
        assert {"processor", "cores", "load_before", "load_after", "bytecode_stored"} <= report["machine"].keys()
        [result] = report["results"]
        assert list(result) == COLUMNS
        assert result["ratio"] == 1.5

    def test_a_table_and_a_plot(self, known: Any, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([], False) == 0
        out = capsys.readouterr().out
        assert out.count("find_ms_p99") == 3  # in the table, in the plot, and where the reference is explained
        assert "█" in out
        assert "load_before" in out

    def test_what_cannot_be_measured_fails_by_name_and_the_rest_is_printed(
        self, known: Any, capsys: pytest.CaptureFixture[str]
    ) -> None:
        broken = ExceptionGroup("in a task", [Unmeasurable("no browser", hint="install one")])
        known["app"] = (measurement("page", fails=broken), measurement("tap", fails=TimeoutError()))
        assert main([], True) == 1
        out, err = capsys.readouterr()
        assert [each["name"] for each in json.loads(out)["results"]] == ["find_ms_p50", "find_ms_p99", "rss_mb"]
        assert "app: page could not be measured: no browser (install one)" in err
        assert "app: tap could not be measured: TimeoutError" in err

    def test_a_bug_in_a_suite_is_not_hidden(self, known: Any) -> None:
        known["app"] = (measurement("page", fails=ZeroDivisionError()),)
        with pytest.raises(ZeroDivisionError):
            main(["page"], True)

    def test_a_real_one(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["verify_vs_joserfc"], True) == 0
        [result] = json.loads(capsys.readouterr().out)["results"]
        assert result["ours"] > 0
        assert result["reference"] > 0


class TestFigures:
    def test_the_ratio_is_above_one_when_ours_is_better(self) -> None:
        assert one("ms", 2, 3).ratio == 1.5
        assert one("mb_s", 3, 2, more_is_better=True).ratio == 1.5
        assert one("ms", 3, 1).ratio == 0.3333
        assert one("ms", 0, 1).ratio is None
        assert one("ms", 1, 0).ratio is None

    def test_percentiles(self) -> None:
        samples = [float(n) for n in range(101)]
        assert [percentile(samples, p) for p in (1, 50, 99)] == [1, 50, 99]
        assert percentile([7.0], 99) == 7
        assert percentile([0.0, 1.0], 50) == 0.5
        p50, p99 = p50_and_p99("x_ms", [0.001] * 99 + [1.0], [0.002] * 100, reference_name="r")
        assert (p50.name, p50.ours, p50.ratio, p50.n) == ("x_ms_p50", 1.0, 2.0, 100)
        assert (p99.name, p99.unit) == ("x_ms_p99", "ms")
        assert p99.ours > 1

    async def test_turns_go_there_and_back(self) -> None:
        order: list[str] = []

        def costing(name: str, cost: float) -> Any:
            async def once() -> float:
                order.append(name)
                return cost

            return once

        costs = await in_turn(3, {"ours": costing("ours", 1.0), "floor": costing("floor", 2.0)})
        assert order == ["ours", "floor", "floor", "ours", "ours", "floor"]
        assert costs == {"ours": [1.0] * 3, "floor": [2.0] * 3}
