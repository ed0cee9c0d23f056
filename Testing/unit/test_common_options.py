"""What every command takes: messages, log file, settings from a file, shell completion, version."""

from __future__ import annotations

import re
import subprocess

import pytest
from regional_brain_age import __main__ as command_line
from RegionalBrainAgeLib import __version__
from RegionalBrainAgeLib.errors import InputError
from RegionalBrainAgeLib.progress import LOG

COMMANDS = tuple(command_line.build_parser()._subparsers._group_actions[0].choices)


@pytest.fixture
def table(tmp_path):
    return tmp_path / "cohort.csv"


def simulate(table, *words) -> int:
    return command_line.main(["cohort", "--simulate", "20", "--sites", "4", "--out", str(table), *words])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_the_common_options(command, capsys):
    with pytest.raises(SystemExit, match="0"):
        command_line.main([command, "--help"])
    said = capsys.readouterr().out
    for option in ("--verbose", "--quiet", "--log-file", "--config", "--debug"):
        assert option in said


def test_verbose_and_quiet_exclude_each_other(table, capsys):
    with pytest.raises(SystemExit, match="2"):
        simulate(table, "-v", "-q")
    assert "not allowed with" in capsys.readouterr().err


def test_the_log_file_keeps_what_was_called_and_what_went_wrong(tmp_path, capsys):
    log = tmp_path / "new folder" / "run.log"
    assert command_line.main(["cohort", str(tmp_path / "none.csv"), "--out", "x", "--log-file", str(log)]) == 2
    said, kept = capsys.readouterr().err, log.read_text(encoding="utf-8")
    assert "error: " in said
    assert "Traceback" not in said
    assert __version__ in kept
    assert "none.csv" in kept
    assert "Traceback" in kept
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", kept)


def test_debug_shows_where_an_error_arose(tmp_path, capsys):
    assert command_line.main(["cohort", str(tmp_path / "none.csv"), "--out", "x", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_a_log_file_that_cannot_be_written_is_named(tmp_path, table, capsys):
    assert simulate(table, "--log-file", str(tmp_path)) == 2
    assert "log file" in capsys.readouterr().err


def test_a_command_leaves_the_log_as_it_was(table):
    before = list(LOG.handlers), LOG.level
    simulate(table)
    assert (list(LOG.handlers), LOG.level) == before


def test_a_settings_file_gives_options_and_the_command_line_comes_first(tmp_path):
    settings = tmp_path / "settings.toml"
    settings.write_text(
        'verbose = true\n[case]\nthreads = 3\nage = 61\ntract = ["l.nii", "r.nii"]\n[batch]\nthreads = 9\n',
        encoding="utf-8",
    )
    args = command_line.parse(["case", "--config", str(settings), "--out", "x", "--age", "70", "--sex", "F"])
    assert (args.threads, args.age, args.tract, args.verbose) == (3, "70", ["l.nii", "r.nii"], True)


def test_a_settings_file_serves_the_bids_app_too(tmp_path):
    settings = tmp_path / "settings.toml"
    settings.write_text('quiet = true\n[bids]\nparticipant-label = ["01", "02"]\nthreads = 3\n', encoding="utf-8")
    args = command_line.parse(["--threads=4", "data", "out", "participant", "--config", str(settings)])
    assert (args.participant_label, args.threads, args.quiet) == (["01", "02"], 4, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("treads = 3", "Did you mean threads"),
        ("[csae]\nthreads = 3", "no command is called so"),
        ("threads = = 3", "cannot be read"),
        ("overwrite = 1", "true or false"),
        ("threads = true", "number or a text"),
    ],
)
def test_a_wrong_settings_file_is_refused_with_the_place(tmp_path, text, said, capsys):
    settings = tmp_path / "settings.toml"
    settings.write_text(text, encoding="utf-8")
    assert command_line.main(["case", f"--config={settings}", "--out", "x"]) == 2
    assert said in capsys.readouterr().err
    with pytest.raises(InputError, match=re.escape(str(settings))):
        command_line.parse(["case", f"--config={settings}", "--out", "x"])


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion_knows_every_command(shell, capsys):
    pytest.importorskip("shtab")
    with pytest.raises(SystemExit, match="0"):
        command_line.main(["--print-completion", shell])
    script = capsys.readouterr().out
    assert all(command in script for command in COMMANDS)
    if shell == "bash":
        assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0


def test_the_version_tells_builds_apart(capsys):
    with pytest.raises(SystemExit, match="0"):
        command_line.main(["--version"])
    assert re.fullmatch(
        rf"regional-brain-age {re.escape(__version__)} \(build [0-9a-f]{{12}}\)\n", capsys.readouterr().out
    )


def test_all_that_is_missing_is_named_at_once(tmp_path, capsys):
    assert command_line.main(["case", "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert all(word in said for word in ("head", "age", "sex"))
    words = ["case", "--t1", "a.nii", "--lesion", "b.nii", "--age", "60", "--sex", "F", "--out", str(tmp_path / "out")]
    assert command_line.main(words) == 2
    said = capsys.readouterr().err
    assert "a.nii" in said
    assert "b.nii" in said
