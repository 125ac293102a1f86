import pytest

from samgeo_core.cli.terminal import TerminalProgress


def test_bars_follow_the_stages(capsys: pytest.CaptureFixture[str]):
    with TerminalProgress() as progress:
        for done in (0, 500_000, 2_000_000):
            progress.monitor.step("download", done, 2_000_000)
        for window in range(3):
            progress.monitor.step("encode", window, 3)
            progress.monitor.step("decode", window + 1, 3)
    out, err = capsys.readouterr()
    assert out == ""
    lines = [line for line in err.replace("\r", "\n").split("\n") if line.strip()]
    last_of = {line.split()[0]: line for line in lines}
    assert set(last_of) == {"download", "segment"}
    assert "100%" in last_of["download"] and "2.00M/2.00M" in last_of["download"]
    assert "100%" in last_of["segment"]
    assert err.count("\n") == 2, "one finished line a bar"


def test_unknown_totals_are_no_trouble(capsys: pytest.CaptureFixture[str]):
    with TerminalProgress() as progress:
        progress.monitor.step("download", 0, 0)
        progress.monitor.step("download", 10, 0)
        progress.monitor.step("download", 10, 40)
    assert "download" in capsys.readouterr().err


def test_a_stage_that_is_left_is_done_and_one_that_failed_is_not(
    capsys: pytest.CaptureFixture[str],
):
    with pytest.raises(KeyError), TerminalProgress() as progress:
        progress.monitor.step("read", 0, 1)
        progress.monitor.step("decode", 1, 4)
        raise KeyError
    lines = capsys.readouterr().err.replace("\r", "\n").split("\n")
    last_of = {line.split()[0]: line for line in lines if line.strip()}
    assert "100%" in last_of["read"] and "25%" in last_of["segment"]


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]):
    with TerminalProgress(enabled=False) as progress:
        progress.monitor.step("decode", 1, 2)
    assert capsys.readouterr() == ("", "")
