"""The measuring of the page works where there is a browser, and says what is missing where there is none."""

import pytest

from bench import page
from tests.running import RunningService


class Running:
    def __init__(self, service):
        self.url = f"http://127.0.0.1:{service.port}"


def test_what_is_missing_is_named(monkeypatch):
    monkeypatch.setattr("bench.page.shutil.which", lambda _name: None)
    rows = page.measure(Running(type("Service", (), {"port": 1})))
    assert [aim for _, _, aim in rows] == ["≤ 300 ms", "≤ 100 ms"]
    assert all(value.startswith("left out: no ") for _, value, _ in rows)


@pytest.mark.web
def test_both_figures_are_measured(tmp_path):
    with RunningService(tmp_path / "data", fake=True) as service:
        memories = [{"text": f"amounts of money {number}"} for number in range(30)]
        service.call("POST", "/memory/add-batch", {"memories": memories})
        rows = page.measure(Running(service))
    assert all(value.endswith(" ms") or "left out" in value for _, value, _ in rows)
