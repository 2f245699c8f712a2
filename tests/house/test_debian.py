"""The Debian package, as far as it is seen without building it: `make test-systemd` builds it, and installs it on a bare Debian."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import subprocess
import sys
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "systemd" / "debian"
SCRIPTS = ("preinst", "postinst", "prerm", "postrm")
HELP = {path.stem: path.read_text(encoding="utf-8") for path in (Path(__file__).parent / "help").glob("*.txt")}
# Of Debian, for the wheels: Python, what each program is linked to, the threads of LightGBM, time zones.
ASKED_FOR = {"python3", "libc6", "libgcc-s1", "libgomp1", "libstdc++6", "zlib1g", "systemd", "tzdata"}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The manual pages, by their names."""
    folder = tmp_path_factory.mktemp("pages")
    subprocess.run([sys.executable, FOLDER / "manual.py", folder], check=True)
    return {path.stem: path.read_text(encoding="utf-8") for path in folder.iterdir()}


def words(text: str) -> str:
    """A text without what divides its lines, since pages and help break them at other places."""
    return re.sub(r"[\s-]+", "", text)


def plain(page: str) -> str:
    """A page as it is read, each heading and term in a line of its own."""
    return re.sub(r"\\f[BR]|\\&", "", page).replace(r"\-", "-").replace(r"\e", "\\")


def test_every_command_has_its_page_and_no_other(pages: dict[str, str]) -> None:
    assert set(pages) == set(HELP)


@pytest.mark.parametrize("name", sorted(HELP))
def test_a_page_says_what_help_says(pages: dict[str, str], name: str) -> None:
    page, (told, _, rest) = plain(pages[name]), HELP[name].partition("\nOptions:\n")
    _, *paragraphs = told.split("\n\n")
    assert paragraphs
    assert [each for each in paragraphs if words(each) not in words(page)] == []
    options = re.findall(r"^  (?:-\w, )?(--[a-z-]+)", rest, re.MULTILINE)
    assert re.findall(r"^\.TP\n(?:-\w, )?(--[a-z-]+)", page, re.MULTILINE) == options
    below = re.findall(r"^  ([a-z-]+)  ", rest.partition("\nCommands:\n")[2], re.MULTILINE)
    assert re.findall(r"^\.TP\n([a-z][a-z-]+)$", page, re.MULTILINE) == below


@pytest.mark.skipif(not shutil.which("man"), reason="needs man")
def test_pages_are_without_fault(pages: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "page.1"
    path.write_text("\n".join(pages[name] for name in sorted(pages)))
    shown = subprocess.run(
        ["man", "--warnings", "--local-file", "--encoding=utf8", path], capture_output=True, text=True, check=True
    )
    assert shown.stderr == ""
    assert "--dry-run" in shown.stdout, "a hyphen that can be copied"


def test_what_roff_takes_for_its_own_is_made_plain() -> None:
    done = subprocess.run([sys.executable, "-m", "doctest", FOLDER / "manual.py"], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.fixture(scope="module")
def control() -> dict[str, str]:
    return dict(Parser().parsestr((FOLDER / "control").read_text(encoding="utf-8")).items())


def test_it_asks_for_what_the_wheels_need(control: dict[str, str]) -> None:
    named = [each.split("(")[0].strip() for each in control["Depends"].split(",")]
    assert set(named) == ASKED_FOR
    assert "python3 (>= 3.11), python3 (<< 3.12)" in control["Depends"], "the Python that its modules are compiled for"


def test_its_fields_are_those_that_dpkg_needs(control: dict[str, str]) -> None:
    wanted = {
        "Package",
        "Version",
        "Architecture",
        "Maintainer",
        "Description",
        "Section",
        "Priority",
        "Installed-Size",
    }
    assert wanted <= set(control)
    build = (FOLDER / "build.sh").read_text(encoding="utf-8")
    filled = set(re.findall(r"@([A-Z]+)@", " ".join(control.values())))
    assert {name for name in filled if f"s|@{name}@|" not in build} == set()


def test_the_libraries_need_no_other_python_than_the_program() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    assert setup["options"]["python_requires"] == ">=3.11"


def test_settings_are_a_conffile_and_credentials_are_not() -> None:
    assert (FOLDER / "conffiles").read_text().split() == ["/etc/scorer/scorer.toml"]


@pytest.mark.parametrize("script", [*SCRIPTS, "build.sh"])
def test_a_script_can_be_read_by_any_shell(script: str) -> None:
    assert subprocess.run(["sh", "-n", FOLDER / script], capture_output=True, check=False).returncode == 0
    if shutil.which("shellcheck"):
        told = subprocess.run(
            ["shellcheck", "--shell=sh", FOLDER / script], capture_output=True, text=True, check=False
        )
        assert told.returncode == 0, told.stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_script_asks_systemd_only_where_it_runs(script: str) -> None:
    """In a chroot, or while an image is made, there is none."""
    text = (FOLDER / script).read_text(encoding="utf-8")
    assert text.startswith("#!/bin/sh\n")
    assert (
        "systemctl " not in re.sub(r"^#.*|echo .*|say .*", "", text, flags=re.MULTILINE)
        or "/run/systemd/system" in text
    )


@pytest.mark.parametrize("left", ["drop", "/var/lib/scorer ", "rm -rf /var/lib/scorer\n", "rm -rf /etc/scorer"])
def test_no_script_takes_away_what_is_the_sites(left: str) -> None:
    for script in SCRIPTS:
        commands = re.sub(r"^ *#.*|rmdir .*|for left in .*", "", (FOLDER / script).read_text(), flags=re.MULTILINE)
        assert left not in commands.lower()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"OUT": "a folder"}, "OUT=a folder may hold letters, digits and /._- alone; choose another folder."),
        (
            {"MAINTAINER": "Ada"},
            "MAINTAINER=Ada is not a name with an address; give one such as 'Ada Lovelace <ada@hospital.example>'.",
        ),
        ({"COMPRESSION": "best"}, "COMPRESSION=best is not one that Debian 12 reads; give xz or gzip."),
    ],
)
def test_what_is_given_wrongly_is_told_in_a_sentence(given: dict[str, str], told: str, tmp_path: Path) -> None:
    """Before anything is made."""
    done = build_script(tmp_path, **given)
    assert (done.returncode, done.stderr) == (1, f"make deb: {told}\n")
    assert sorted(tmp_path.iterdir()) == [tmp_path / "bin"]


def test_what_is_missing_is_told_in_a_sentence(tmp_path: Path) -> None:
    done = build_script(tmp_path, tools=("dirname", "bash", "sed", "awk"))
    assert (done.returncode, done.stderr) == (
        1,
        "make deb: needs dpkg-deb dpkg gzip; a package for Debian 12 is built on Debian 12.\n",
    )


def build_script(
    tmp_path: Path,
    *,
    tools: tuple[str, ...] = ("dirname", "bash", "sed", "awk", "dpkg", "dpkg-deb", "gzip"),
    **given: str,
) -> subprocess.CompletedProcess[str]:
    """What build.sh says with these tools; those that this machine lacks do nothing, and nothing of them is asked here."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in tools:
        found = shutil.which(tool)
        (folder / tool).symlink_to(found or "/bin/true")
    shell = shutil.which("sh")
    assert shell is not None
    environment = {"PATH": str(folder), "HOME": os.environ.get("HOME", "/"), **given}
    return subprocess.run(
        [shell, FOLDER / "build.sh"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )


class Host:
    """What a maintainer script finds, with systemctl and the like as scripts that note how they are called."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.running, self.started = folder, folder / "run" / "scorer.running", folder / "started"
        (folder / "run" / "systemd" / "system").mkdir(parents=True)
        (folder / "active").write_text("scorer.service\nscorer-run@churn.timer\n")
        tools = dict.fromkeys(("systemd-sysusers", "systemd-tmpfiles", "journalctl", "runuser"), "exit 0")
        tools["systemctl"] = (
            f'case $1 in list-units) cat {folder}/active ;; stop) : >{folder}/active ;; start) echo "$3" >>{self.started} ;; esac'
        )
        (folder / "bin").mkdir()
        for name, text in tools.items():
            (folder / "bin" / name).write_text(f"#!/bin/sh\n{text}\n")
            (folder / "bin" / name).chmod(0o755)

    def call(self, script: str, *given: str) -> None:
        """Call a maintainer script as dpkg does."""
        text = (FOLDER / script).read_text(encoding="utf-8")
        text = re.sub(r"(?<![\w])/(run|etc|var|usr)/", rf"{self.folder}/\1/", text)
        path = f"{self.folder}/bin:{os.environ['PATH']}"
        done = subprocess.run(
            ["sh", "-c", text, script, *given], env={"PATH": path}, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")


WAYS = {
    "upgraded": [("prerm", "upgrade", "2"), ("postinst", "configure", "1")],
    "upgraded, and the next version over one that could not be configured": [
        ("prerm", "upgrade", "2"),
        ("prerm", "upgrade", "3"),
        ("postinst", "configure", "1"),
    ],
    "an upgrade given up": [("prerm", "upgrade", "2"), ("postinst", "abort-upgrade", "2")],
    "a removal given up": [("prerm", "remove"), ("postinst", "abort-remove")],
    "a removal for another package given up": [
        ("prerm", "deconfigure", "in-favour", "other", "1"),
        ("postinst", "abort-deconfigure", "in-favour", "other", "1"),
    ],
    "configured twice": [("prerm", "upgrade", "2"), ("postinst", "configure", "1"), ("postinst", "configure", "2")],
}


@pytest.mark.parametrize("way", WAYS)
def test_what_ran_runs_again_however_dpkg_goes_about_it(tmp_path: Path, way: str) -> None:
    host = Host(tmp_path)
    for script, *given in WAYS[way]:
        host.call(script, *given)
    assert host.started.read_text().split() == ["scorer.service", "scorer-run@churn.timer"]
    assert not host.running.exists()


def test_nothing_is_started_by_an_installation_after_a_removal(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.call("prerm", "remove")
    host.call("postrm", "remove")
    host.call("postinst", "configure", "1")
    assert not host.started.exists()
