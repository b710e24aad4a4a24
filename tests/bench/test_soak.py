"""What a soak has seen is compared and drawn."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from bench.soak import Look, growth
from bench.soak_picture import picture

LOOKS = [Look(minute, 200 + minute, 10.0, 30, 27, 100) for minute in range(20)]


def test_the_second_quarter_is_compared_with_the_last():
    told = {name: (before, after) for name, before, after in growth(LOOKS, 20)}
    assert told["resident"] == (209, 219)
    assert told["threads"] == (27, 27)


def test_each_thing_is_drawn_from_the_first_minute_to_the_last():
    drawn = ET.fromstring(picture(LOOKS, [(0.1, 0.02), (0.2, 0.03), (18.9, 0.04)]))
    lines = [one.get("points").split() for one in drawn if one.tag.endswith("polyline")]
    assert [len(points) for points in lines] == [20] * 5 + [2]
    assert all(
        0 <= float(point.split(",")[1]) <= float(drawn.get("height")) for points in lines for point in points
    )
