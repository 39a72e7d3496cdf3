"""The launcher on made-up systems: a PATH of fake programs, where the fake apt-get brings more fakes. Nothing is installed."""

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from echolab import build
from echolab.verdict import GraderTrouble

LAUNCHER = Path(__file__).parents[1] / "lab"
ORDINARY = [
    "sh",
    "cat",
    "chmod",
    "cp",
    "env",
    "flock",
    "mkdir",
    "readlink",
    "touch",
    "uname",
]
EVERYTHING = (
    "g++ meson ninja-build python3-pytest python3-psutil python3-rich python3-typer"
)
FOR_TESTS = "pkg-config catch2 bubblewrap python3-jsonschema python3-watchdog python3-jinja2"

# A Python whose only modules are the standard library's and those that apt-get has brought.
PYTHON = """#!/bin/sh
PYTHONPATH="${{PYTHONPATH-}}:{modules}" exec "{real}" -S "$@"
"""

OLD_PYTHON = """#!/bin/sh
echo "Unknown option: -P" >&2
exit 2
"""

PROGRAM = """#!/bin/sh
case $1 in
  --version) echo {version} ;;
  -dumpversion) echo {version} ;;
esac
"""

# It has no package that is not named here, and breaks, waits or is interrupted where a file in the system's folder says so.
APT_GET = """#!/bin/sh
echo "$DEBIAN_FRONTEND $*" >>"{root}/apt.log"
case " $* " in
  *" update "*)
    if [ -p "{root}/go" ]; then echo >"{root}/ready"; cat "{root}/go" >/dev/null; rm "{root}/go"; fi
    if [ -e "{root}/lists-are-locked" ]; then
      rm "{root}/lists-are-locked"
      echo "E: Could not get lock {root}/lists/lock. It is held by process 1 (apt-get)"
      exit 100
    fi ;;
  *" install "*)
    [ -e "{root}/ctrl-c" ] && kill -INT 0
    if [ -e "{root}/broken" ]; then cat "{root}/broken"; exit 100; fi
    if [ -e "{root}/dpkg-was-interrupted" ]; then
      echo "E: dpkg was interrupted, you must manually run 'dpkg --configure -a' to correct the problem."
      exit 100
    fi
    for package; do
      case $package in
        python3-*) cp "{root}/python" "{bin}/python3"; touch "{modules}/${{package#python3-}}.py" ;;
        ninja-build) cp "{root}/program" "{bin}/ninja" ;;
        bubblewrap) cp "{root}/program" "{bin}/bwrap" ;;
        g++ | meson | pkg-config | catch2) cp "{root}/program" "{bin}/$package" ;;
      esac
    done ;;
esac
echo "noise of apt-get"
"""

DPKG = """#!/bin/sh
echo "dpkg $*" >>"{root}/apt.log"
rm "{root}/dpkg-was-interrupted"
"""

# {password}: the exit code of `sudo -n true`, so 0 where no password is needed.
SUDO = """#!/bin/sh
echo "$*" >>"{root}/sudo.log"
case $1 in
  -n) exit {password} ;;
  -v) exit {allowed} ;;
esac
exec "$@"
"""

ECHOLAB = """
import json, os, sys
print(json.dumps({"argv": sys.argv[1:], "cwd": os.getcwd(), "path": os.environ["PYTHONPATH"],
                  "utf8": os.environ.get("PYTHONUTF8"), "stdin": os.fstat(0).st_rdev}))
sys.exit(7 if "seven" in sys.argv else 0)
"""


class System:
    """A made-up system in a folder: `bin` is its PATH, `lab` the launcher of a project that lies on it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bin = root / "bin"
        self.modules = root / "modules"
        self.harness = root / "Echo Lab 回声" / "harness"
        self.lab = self.harness / "lab"
        for folder in (self.bin, self.modules, self.harness / "echolab"):
            folder.mkdir(parents=True)
        for name in ORDINARY + ["rm"]:
            if program := shutil.which(name):
                (self.bin / name).symlink_to(program)
        shutil.copy(LAUNCHER, self.lab)
        (self.harness / "echolab" / "__main__.py").write_text(ECHOLAB)
        (root / "python").write_text(self.filled(PYTHON))
        (root / "python").chmod(0o755)
        self.add("sleep")
        self.tools_are(99)
        self.user_is(0)

    def filled(self, text: str, **values: object) -> str:
        return text.format(
            root=self.root,
            bin=self.bin,
            modules=self.modules,
            real=sys.executable,
            **values,
        )

    def add(self, name: str, text: str = "#!/bin/sh\n", **values: object) -> None:
        program = self.bin / name
        program.unlink(missing_ok=True)
        program.write_text(self.filled(text, **values))
        program.chmod(0o755)

    def user_is(self, uid: int) -> None:
        self.add("id", f"#!/bin/sh\necho {uid}\n")

    def tools_are(self, version: int) -> None:
        """The version of every program that apt-get brings."""
        (self.root / "program").write_text(PROGRAM.format(version=version))
        (self.root / "program").chmod(0o755)

    def has_python(self, name: str = "python3", modules: str = "") -> None:
        self.add(name, PYTHON)
        for module in modules.split():
            (self.modules / f"{module}.py").touch()

    def has_everything(self) -> None:
        self.has_python(modules="pytest psutil rich typer jsonschema watchdog jinja2")
        for name in ("g++", "meson", "ninja", "pkg-config", "bwrap"):
            shutil.copy(self.root / "program", self.bin / name)

    def has_apt(self) -> None:
        self.add("apt-get", APT_GET)
        self.add("dpkg", DPKG)

    def has_sudo(self, *, password: bool = False, allowed: bool = True) -> None:
        self.add("sudo", SUDO, password=int(password), allowed=int(not allowed))

    def run(
        self,
        *args: str,
        program: Path | str | None = None,
        cwd: Path | None = None,
        **options,
    ) -> subprocess.CompletedProcess:
        settings = {"PATH": str(self.bin), "LAB_PYTHON": "python3"} | options.pop(
            "env", {}
        )
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("stderr", subprocess.PIPE)
        return subprocess.run(
            [program or self.lab, *args],
            cwd=cwd or self.root,
            env=settings,
            stdout=subprocess.PIPE,
            text=True,
            timeout=60,
            **options,
        )

    def log(self, name: str) -> list[str]:
        """The lines that a fake wrote down; each is one call."""
        path = self.root / f"{name}.log"
        return path.read_text().splitlines() if path.exists() else []

    def installed(self) -> list[str]:
        """What apt-get was told to install, one line a call."""
        return [
            line.partition("--no-remove ")[2]
            for line in self.log("apt")
            if " install " in line
        ]


@pytest.fixture
def system(tmp_path: Path) -> System:
    return System(tmp_path)


def by_hand(packages: str) -> str:
    return f"run this once as root: apt-get update && apt-get install -y --no-install-recommends {packages}\n"


# When everything is there.


def test_echolab_gets_the_arguments_the_directory_and_the_exit_code(
    system: System,
) -> None:
    system.has_everything()
    elsewhere = system.root / "else where"
    elsewhere.mkdir()
    ran = system.run("check", "2.3", "--server", "a 'b' *", "", "seven", cwd=elsewhere)
    seen = json.loads(ran.stdout)
    assert seen["argv"] == ["check", "2.3", "--server", "a 'b' *", "", "seven"]
    assert seen["cwd"] == str(elsewhere)
    assert seen["path"].split(":")[0] == str(system.harness)
    assert seen["utf8"] == "1"
    assert (ran.returncode, ran.stderr) == (7, "")


def test_set_up_is_not_entered_when_nothing_is_missing(system: System) -> None:
    system.has_everything()
    system.has_apt()
    system.has_sudo()
    assert system.run("test").returncode == 0
    assert system.log("apt") == system.log("sudo") == []


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        ("check 1", False),
        ("check 1 --json a.json", False),
        ("check 1 --html a", True),
        ("check --html=a b", True),
        ("trace 2 --out a.svg", False),
        ("trace 2 --out a.html", True),
        ("trace 2 --out=a.html", True),
    ],
)
def test_only_a_page_needs_jinja2(system: System, arguments: str, needed: bool) -> None:
    system.has_everything()
    (system.modules / "jinja2.py").unlink()
    system.has_apt()
    assert system.run(*arguments.split()).returncode == 0
    assert system.installed() == (["python3-jinja2"] if needed else [])


@pytest.mark.parametrize("how", ["link", "link to a link", "relative", "sh"])
def test_it_is_found_however_it_is_called(system: System, how: str) -> None:
    system.has_everything()
    one, two = system.root / "一", system.root / "two 2"
    one.symlink_to(system.harness)
    two.symlink_to("一/lab")
    call = {
        "link": [one / "lab"],
        "link to a link": [two],
        "relative": ["一/lab"],
        "sh": ["sh", "two 2"],
    }[how]
    ran = system.run(*map(str, call[1:]), "check", program=call[0])
    assert json.loads(ran.stdout)["argv"] == ["check"]
    assert json.loads(ran.stdout)["path"].split(":")[0] == str(system.harness)


def test_a_folder_that_is_worked_in_is_no_place_to_import_from(system: System) -> None:
    system.has_everything()
    (system.root / "json.py").write_text(
        "raise SystemExit('a submission ran in the grader')"
    )
    (system.root / "echolab.py").write_text(
        "raise SystemExit('a submission ran in the grader')"
    )
    assert system.run("check").returncode == 0


@pytest.mark.parametrize(
    "other",
    ["#!/bin/sh\nexit 127\n", OLD_PYTHON, PYTHON.replace("{modules}", "/nowhere")],
)
def test_an_interpreter_without_the_modules_is_skipped(
    system: System, other: str
) -> None:
    system.has_everything()
    system.add("python3", other)
    system.has_python("python3.12")
    ran = system.run("check", env={"LAB_PYTHON": "nothing:python3:python3.12"})
    assert (ran.returncode, ran.stderr) == (0, "")


def test_an_interpreter_may_lie_at_any_path(system: System) -> None:
    system.has_everything()
    (system.bin / "python3").rename(system.root / "my python *")
    assert (
        system.run(
            "check", env={"LAB_PYTHON": str(system.root / "my python *")}
        ).returncode
        == 0
    )


def test_settings_of_the_caller_are_kept(system: System) -> None:
    system.has_everything()
    seen = json.loads(
        system.run("check", env={"PYTHONUTF8": "0", "PYTHONPATH": "/a b:/c"}).stdout
    )
    assert seen["utf8"] == "0"
    assert seen["path"].startswith(f"{system.harness}:/a b:/c")


def test_a_closed_stdin_becomes_the_null_device(system: System) -> None:
    system.has_everything()
    ran = system.run(
        "-c", 'exec "$0" check <&-', str(system.lab), program="sh", stdin=None
    )
    assert json.loads(ran.stdout)["stdin"] == os.stat(os.devnull).st_rdev


def test_clang_alone_will_do_and_so_does_a_compiler_with_a_wrapper(
    system: System,
) -> None:
    system.has_everything()
    (system.bin / "g++").rename(system.bin / "clang++")
    assert system.run("check").returncode == 0
    assert system.run("check", env={"CXX": "env g++-99"}).returncode == 0


def test_a_compiler_that_is_not_there_is_named(system: System) -> None:
    system.has_everything()
    ran = system.run("check", env={"CXX": "g++-99 -m64"})
    assert (ran.returncode, ran.stderr) == (
        3,
        "lab: CXX names g++-99 -m64, which is not here\n",
    )


# When something is missing.


def test_root_installs_what_is_missing_once(system: System) -> None:
    system.has_apt()
    first, second = system.run("check"), system.run("check")
    assert system.installed() == [EVERYTHING]
    assert all(line.startswith("noninteractive ") for line in system.log("apt"))
    assert (first.returncode, first.stderr) == (
        0,
        f"lab: installing {EVERYTHING} (once)\n",
    )
    assert (second.returncode, second.stderr) == (0, "")
    assert json.loads(first.stdout)["argv"] == ["check"]


def test_only_what_is_missing_is_installed(system: System) -> None:
    system.has_everything()
    system.has_apt()
    (system.bin / "ninja").unlink()
    (system.modules / "rich.py").unlink()
    assert system.run("check").returncode == 0
    assert system.installed() == ["ninja-build python3-rich"]


def test_it_is_the_first_interpreter_that_the_packages_are_for(system: System) -> None:
    system.has_everything()
    system.has_apt()
    (system.modules / "rich.py").unlink()
    (system.bin / "python3").rename(system.bin / "python3.12")
    assert system.run("check", env={"LAB_PYTHON": "python3:python3.12"}).returncode == 0
    assert system.installed() == [
        "python3-pytest python3-psutil python3-rich python3-typer"
    ]


def test_the_projects_own_tests_need_more(system: System) -> None:
    system.has_apt()
    assert system.run("check").returncode == 0
    assert system.run("test").stderr == f"lab: installing {FOR_TESTS} (once)\n"
    assert system.installed() == [EVERYTHING, FOR_TESTS]


def test_what_only_a_watch_needs_is_installed_for_a_watch(system: System) -> None:
    system.has_everything()
    system.has_apt()
    (system.modules / "watchdog.py").unlink()
    assert system.run("check", "2").stderr == ""
    assert system.run("check", "2", "--watch").stderr == "lab: installing python3-watchdog (once)\n"
    assert system.installed() == ["python3-watchdog"]


def test_a_class_needs_a_sandbox(system: System) -> None:
    system.has_apt()
    assert system.run("check").returncode == 0
    assert system.run("class").stderr == "lab: installing bubblewrap python3-jinja2 (once)\n"


def test_a_user_with_sudo_installs_through_it(system: System) -> None:
    system.has_apt()
    system.has_sudo()
    system.user_is(1000)
    ran = system.run("check")
    assert (ran.returncode, ran.stderr) == (0, f"lab: installing {EVERYTHING} (once)\n")
    assert system.installed() == [EVERYTHING]
    assert system.log("sudo")[0] == "-n true"
    assert sum("apt-get" in line for line in system.log("sudo")) == 2


def on_a_terminal(system: System) -> tuple[int, str]:
    ours, theirs = pty.openpty()
    code = system.run("check", stdin=theirs, stderr=theirs).returncode
    os.close(theirs)
    said = b""
    try:
        while part := os.read(ours, 4096):
            said += part
    except OSError:  # how Linux says that nobody has the terminal open any more
        pass
    os.close(ours)
    return code, said.decode().replace("\r\n", "\n")


def test_sudo_asks_for_a_password_where_there_is_a_terminal(system: System) -> None:
    system.has_apt()
    system.has_sudo(password=True)
    system.user_is(1000)
    assert on_a_terminal(system) == (
        0,
        f"lab: sudo may ask for your password, to install {EVERYTHING}\nlab: installing {EVERYTHING} (once)\n",
    )
    assert system.log("sudo")[:2] == ["-n true", "-v"]


def test_a_user_whom_sudo_refuses_is_told_what_root_can_run(system: System) -> None:
    system.has_apt()
    system.has_sudo(password=True, allowed=False)
    system.user_is(1000)
    code, said = on_a_terminal(system)
    assert (code, said.splitlines(keepends=True)[1]) == (
        3,
        f"lab: {by_hand(EVERYTHING)}",
    )
    assert system.log("apt") == []


@pytest.mark.parametrize("sudo", [False, True])
def test_a_user_who_cannot_be_root_is_told_what_root_can_run(
    system: System, sudo: bool
) -> None:
    system.has_apt()
    system.user_is(1000)
    if sudo:
        system.has_sudo(password=True)  # and no terminal to ask for it on
    ran = system.run("check")
    assert (ran.returncode, ran.stderr, ran.stdout) == (
        3,
        f"lab: {by_hand(EVERYTHING)}",
        "",
    )
    assert system.log("apt") == []


def test_it_can_be_told_to_install_nothing(system: System) -> None:
    system.has_apt()
    ran = system.run("test", env={"LAB_NO_INSTALL": "1"})
    programs, modules = FOR_TESTS.split(" python3", 1)
    everything = EVERYTHING.replace(" python3", f" {programs} python3", 1)
    assert (ran.returncode, ran.stderr) == (
        3,
        f"lab: {by_hand(f'{everything} python3{modules}')}",
    )
    assert system.log("apt") == []


@pytest.mark.parametrize("manager", ["dnf", "pacman", "zypper", "apk", "brew", None])
def test_without_apt_the_missing_things_are_named(
    system: System, manager: str | None
) -> None:
    if manager:
        system.add(manager)
    system.has_python(modules="rich")
    system.add("meson")
    ran = system.run("check")
    names = "lab: missing: g++ ninja, and Python 3.11 or newer with the modules pytest psutil typer"
    assert ran.stderr == names + (
        f"; {manager} has them, under names of its own\n" if manager else "\n"
    )
    assert ran.returncode == 3


def test_a_python_of_ones_own_is_not_helped_by_the_systems_packages(
    system: System,
) -> None:
    system.has_everything()
    system.has_apt()
    (system.bin / "python3").rename(system.bin / "mine")
    (system.modules / "typer.py").unlink()
    ran = system.run("check", env={"LAB_PYTHON": "mine"})
    assert (
        ran.stderr
        == "lab: LAB_PYTHON (mine) is no Python 3.11 or newer with the modules typer\n"
    )
    assert (ran.returncode, system.log("apt")) == (3, [])


def test_another_kernel_is_refused(system: System) -> None:
    system.has_everything()
    system.add("uname", "#!/bin/sh\necho Darwin\n")
    ran = system.run("check")
    assert ran.returncode == 3
    assert ran.stderr.count("\n") == 1 and "needs Linux" in ran.stderr


# When the installation does not go well.


NO_NETWORK = (
    "W: Failed to fetch http://mirror/InRelease\nE: Unable to locate package meson\n"
)
TOO_OLD = "E: Unable to locate package python3-typer\n"
NO_SPACE = "E: You don't have enough free space in /var/cache/apt/archives/.\n"


@pytest.mark.parametrize("said", [NO_NETWORK, NO_SPACE])
def test_apt_is_heard_only_when_it_fails(system: System, said: str) -> None:
    system.has_apt()
    (system.root / "broken").write_text(said)
    ran = system.run("check")
    assert ran.returncode == 3
    assert ran.stderr.endswith(f"{said}lab: that did not work; {by_hand(EVERYTHING)}")


def test_a_system_without_the_packages_is_too_old(system: System) -> None:
    system.has_apt()
    (system.root / "broken").write_text(TOO_OLD)
    ran = system.run("check")
    assert ran.returncode == 3
    assert TOO_OLD in ran.stderr
    assert ran.stderr.splitlines()[-1].startswith("lab: too old: Debian 12, ")


def test_a_lock_on_the_lists_is_waited_for(system: System) -> None:
    system.has_apt()
    (system.root / "lists-are-locked").touch()
    ran = system.run("check")
    assert (ran.returncode, ran.stderr) == (0, f"lab: installing {EVERYTHING} (once)\n")
    assert [line.split()[-1] for line in system.log("apt")][:2] == ["update", "update"]


def test_an_interrupted_installation_ends_and_the_next_run_goes_on(
    system: System,
) -> None:
    system.has_apt()
    (system.root / "ctrl-c").touch()
    assert system.run("check", start_new_session=True).returncode == 130
    (system.root / "ctrl-c").unlink()
    (system.root / "dpkg-was-interrupted").touch()
    ran = system.run("check")
    assert (ran.returncode, ran.stderr) == (0, f"lab: installing {EVERYTHING} (once)\n")
    assert "dpkg --configure -a" in system.log("apt")
    assert all(
        "--fix-broken --no-remove" in line
        for line in system.log("apt")
        if " install " in line
    )


def test_two_launchers_at_once_take_turns(system: System) -> None:
    if not shutil.which("flock"):
        pytest.skip("there is no flock here")
    system.has_apt()
    ready, go = system.root / "ready", system.root / "go"
    for fifo in (ready, go):
        os.mkfifo(fifo)
    # The first one's apt-get says that it runs, and then waits for a word.
    settings = {"PATH": str(system.bin), "LAB_PYTHON": "python3"}
    with subprocess.Popen(
        [system.lab, "one"],
        env=settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as one:
        ready.read_text()
        with subprocess.Popen(
            [system.lab, "two"],
            env=settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as two:
            waiting = two.stderr.readline()
            go.write_text("go")
            assert json.loads(two.communicate(timeout=60)[0])["argv"] == ["two"]
        assert (
            one.communicate(timeout=60)[1] == f"lab: installing {EVERYTHING} (once)\n"
        )
    assert waiting == "lab: waiting for another launcher, which is installing\n"
    assert (one.returncode, two.returncode) == (0, 0)
    assert system.installed() == [EVERYTHING]


def test_what_is_still_missing_afterwards_is_named(system: System) -> None:
    system.has_apt()
    system.has_everything()
    system.add("python3", OLD_PYTHON)
    (system.root / "python").write_text(OLD_PYTHON)
    ran = system.run("check")
    assert ran.returncode == 3
    assert ran.stderr.splitlines()[1:] == [
        "lab: still missing after the installation: Python 3.11 or newer with the modules pytest psutil rich typer"
    ]


def test_what_is_too_old_is_named(system: System) -> None:
    system.has_apt()
    system.tools_are(0)
    ran = system.run("check")
    assert ran.returncode == 3
    assert ran.stderr.splitlines()[1:] == [
        "lab: too old: g++ 0 (12 is the oldest that will do), meson 0 (1.0 is the oldest that will do)"
    ]


def test_tests_that_meson_has_left_out_are_looked_for_again_and_never_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "meson-info").mkdir()
    (tmp_path / "meson-info" / "intro-tests.json").write_text('[{"name": "solution 1"}]')
    commands: list[list[str]] = []
    monkeypatch.setattr(build, "DIRECTORY", tmp_path)
    monkeypatch.setattr(build, "_run", lambda command: (commands.append(command), (0, ""))[1])
    with pytest.raises(GraderTrouble, match='left out tests such as "test_report"'):
        build.test([])
    (again,) = commands
    assert "--reconfigure" in again
