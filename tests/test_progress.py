"""Lines and bars of progress, on terminals, in notebooks and in log files."""

import io

from skjoint._engines.progress import ProgressBar, epoch_lines

LOGS = {"loss": 2.0, "value_loss": 1.5, "class_loss": 0.5, "value_mae": 3.0, "class_accuracy": 0.5}


def test_epoch_lines_name_every_loss_and_metric():
    stream = io.StringIO()
    epoch_lines(10, stream)(1, LOGS, None)
    assert stream.getvalue() == (
        "Epoch 2/10 - loss: 2 - value_loss: 1.5 - class_loss: 0.5 - value_mae: 3 - "
        "class_accuracy: 0.5\n"
    )


def test_progress_bar_after_an_early_end():
    stream = io.StringIO()
    bar = ProgressBar(0, 100, stream)
    for epoch in range(17):
        bar(epoch, LOGS, None)
    bar.close()
    assert stream.getvalue().splitlines()[-1].startswith("17/100 [===")


def test_progress_bar_in_a_log_and_on_a_terminal():
    stream = io.StringIO()
    bar = ProgressBar(0, 100, stream)
    for epoch in range(100):
        bar(epoch, LOGS, None)
    bar.close()
    lines = stream.getvalue().splitlines()
    assert 10 <= len(lines) <= 11
    assert lines[-1].startswith("100/100 [====================] 0 s left - loss: 2 - value_loss")

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    bar = ProgressBar(0, 3, stream)
    for epoch in range(3):
        bar(epoch, LOGS, None)
    bar.close()
    assert stream.getvalue().count("\n") == 1
    assert "\r3/3 [" in stream.getvalue()


def test_progress_bar_fits_into_the_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("COLUMNS", "40")
    stream = Terminal()
    bar = ProgressBar(0, 3, stream)
    for epoch in range(3):
        bar(epoch, LOGS, None)
    bar.close()
    lines = stream.getvalue().rstrip("\n").split("\r")[1:]
    assert len(lines) == 2
    assert {len(line) for line in lines} == {39}


def test_progress_bar_redraws_itself_in_a_notebook():
    class OutStream(io.StringIO):
        __module__ = "ipykernel.iostream"

    stream = OutStream()
    bar = ProgressBar(0, 100, stream)
    for epoch in range(100):
        bar(epoch, LOGS, None)
    bar.close()
    assert stream.getvalue().count("\n") == 1
    assert "\r100/100 [" in stream.getvalue()


def test_a_log_file_gets_neither_control_characters_nor_half_lines():
    stream = io.StringIO()
    bar = ProgressBar(0, 30, stream, title="member 2/4 - ")
    for epoch in range(30):
        bar(epoch, LOGS, None)
    bar.close()
    text = stream.getvalue()
    assert text.endswith("\n")
    assert text.replace("\n", "").isprintable()
    assert all(line.startswith("member 2/4 - ") for line in text.splitlines())


def test_training_that_goes_on_counts_all_epochs_and_shows_its_own_share():
    stream = io.StringIO()
    bar = ProgressBar(10, 20, stream)
    bar(14, LOGS, None)
    bar.close()
    assert stream.getvalue().startswith("15/20 [==========..........]")
