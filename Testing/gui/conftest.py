"""The host application for tests that click through the panels."""

from __future__ import annotations

import pytest

try:
    # Imported here, so that Qt's properties are read as functions in this file whatever the modules under test chose.
    from panel_session import Session
    from PySide6 import QtCore, QtWidgets
except ImportError:
    QtCore = QtWidgets = Session = None

from host_fixtures import host, running_host

__all__ = ["host", "running_host"]


@pytest.fixture
def session(host, tmp_path):
    """A user at the panel with a made head, mask and case."""
    from made_case import made_case

    session = Session(host, tmp_path, made_case(tmp_path / "made", "made"))
    session.behave("ok")
    yield session
    session.close()


@pytest.fixture
def dialogs(host):
    """Answers modal message boxes by clicking a button, and keeps what they said."""
    answers = Dialogs(host)
    yield answers
    answers.timer.stop()


class Dialogs:
    """Looks for a modal message box at short intervals and clicks `button` (its text); records text and details."""

    def __init__(self, host) -> None:
        self.said: list[tuple[str, str]] = []
        self.button = "OK"
        self.pictures = []
        self.timer = QtCore.QTimer()
        self.timer.setInterval(30)
        self.timer.timeout.connect(self._look)
        self.timer.start()

    def _look(self) -> None:
        box = QtWidgets.QApplication.activeModalWidget()
        if not isinstance(box, QtWidgets.QMessageBox):
            return
        self.said.append((box.text(), box.detailedText()))
        self.pictures.append(box.grab())
        wanted = [b for b in box.buttons() if b.text().replace("&", "") == self.button]
        (wanted or box.buttons())[0].click()
