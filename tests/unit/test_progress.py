import threading

import pytest

from bridge.errors import Cancelled
from bridge.progress import Progress, Report


def test_a_stage_reports_its_beginning_and_every_step():
    reports = []
    stage = Progress(reports.append).stage("separate")
    stage.at(0.5)
    assert reports == [Report("separate", 0.0), Report("separate", 0.5)]


def test_parts_of_parts_scale_into_the_whole():
    reports = []
    half = Progress(reports.append).stage("x").part(0.5, 1.0)
    half.part(0.5, 1.0).at(0.5)
    assert reports[-1] == Report("x", 0.875)


def test_fractions_stay_within_0_and_1():
    reports = []
    stage = Progress(reports.append).stage("x")
    stage.at(1.7)
    stage.at(-1.0)
    assert [report.fraction for report in reports] == [0.0, 1.0, 0.0]


def test_cancelling_from_another_thread_stops_every_stage_that_came_of_it():
    cancelled = threading.Event()
    stage = Progress(None, cancelled).stage("x").part(0.0, 0.5)
    stage.at(0.1)
    thread = threading.Thread(target=cancelled.set)
    thread.start()
    thread.join()
    with pytest.raises(Cancelled):
        stage.at(0.2)
    with pytest.raises(Cancelled):
        stage.check()
