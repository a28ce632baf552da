"""What is installed and what is only asked for; and that Debian starts none of our services meanwhile."""

import pytest

from tests.setup.clone import Clone

DPKG_QUERY = 'for name; do :; done; case " $INSTALLED " in *" $name "*) printf installed ;; *) exit 1 ;; esac'
RUN = "python3-venv mosquitto libseccomp2"
NAMESPACE = [
    *("unshare", "--mount", "sh", "-c"),
    'for ours in /usr/sbin /var/lib/dpkg; do mount -t tmpfs tmpfs $ours; done; "$@"',
    "sh",
]
"""In here /usr/sbin is our own and empty, and nobody else installs."""
ASK = "for word in mosquitto mosquitto.service ssh; do /usr/sbin/policy-rc.d $word start; echo $word $?; done"


@pytest.fixture(autouse=True)
def debian(clone: Clone) -> None:
    clone.program("dpkg-query", DPKG_QUERY)
    clone.program("python3", "exit 1")
    clone.program("apt-get", "exit 99")
    clone.program("id", "echo 1000")


def called(clone: Clone, *names: str) -> list[str]:
    return [call for call in clone.calls() if call.split()[0] in names]


def test_with_everything_there_it_does_nothing(clone: Clone) -> None:
    done = clone.run(".setup/install-system", "run", INSTALLED=RUN)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not called(clone, "apt-get", "sudo")


def test_another_python_that_makes_environments_will_do(clone: Clone) -> None:
    clone.program("python3", "exit 0")
    assert clone.run(".setup/install-system", "run", INSTALLED="mosquitto libseccomp2").returncode == 0


@pytest.mark.parametrize(
    ("sudo", "line"), [("exit 1", "sudo .setup/install-system run"), (None, "su -c '.setup/install-system run'")]
)
def test_without_the_right_it_says_the_line_to_type_and_changes_nothing(
    clone: Clone, sudo: str | None, line: str
) -> None:
    if sudo:
        clone.program("sudo", sudo)
    before = sorted(clone.folder.rglob("*"))
    done = clone.run(".setup/install-system", "run", INSTALLED="mosquitto")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "python3-venv libseccomp2\n" in done.stderr
    assert done.stderr.endswith(f"\n  {line}\n")
    assert not called(clone, "apt-get")
    assert sorted(clone.folder.rglob("*")) == before


def test_who_may_use_sudo_without_a_password_is_not_asked(clone: Clone) -> None:
    clone.program("sudo", "exit 0")
    assert clone.run(".setup/install-system", "run", INSTALLED="").returncode == 0
    assert called(clone, "sudo") == ["sudo -n true", "sudo -n .setup/install-system run"]


def test_elsewhere_than_on_a_debian(clone: Clone) -> None:
    (clone.programs / "dpkg-query").unlink()
    done = clone.run(".setup/install-system", "run")
    assert done.returncode == 1
    assert done.stderr == f"This is not a Debian. Portvakt needs what Debian calls: {RUN}\n"


@pytest.mark.parametrize("what", [(), ("everything",)])
def test_called_wrongly(clone: Clone, what: tuple[str, ...]) -> None:
    assert clone.run(".setup/install-system", *what).returncode == 2


@pytest.mark.root
class TestInstalling:
    """As root, on a machine whose /usr/sbin is empty."""

    @pytest.fixture(autouse=True)
    def as_root(self, clone: Clone) -> None:
        clone.program("id", "echo 0")

    def test_our_services_do_not_start_and_others_do(self, clone: Clone) -> None:
        clone.program("apt-get", f'[ "$1" = update ] || ({ASK}) >>"$CALLS"')
        clone.program("systemctl", "")
        done = clone.run(*NAMESPACE, "sh", "-c", ".setup/install-system run; ls /usr/sbin", INSTALLED="libseccomp2")
        assert (done.returncode, done.stdout) == (0, "Installing Debian packages: python3-venv mosquitto\n")
        calls = called(clone, "apt-get", "mosquitto", "mosquitto.service", "ssh", "systemctl")
        assert calls.pop(1).startswith("apt-get install -y")
        assert calls == [
            "apt-get update -q",
            "mosquitto 101",
            "mosquitto.service 101",
            "ssh 0",
            "systemctl disable --quiet mosquitto.service",
        ]

    def test_a_service_that_was_there_before_is_left_alone(self, clone: Clone) -> None:
        clone.program("apt-get", f'[ "$1" = update ] || ({ASK}) >>"$CALLS"')
        clone.program("systemctl", "")
        clone.run(*NAMESPACE, ".setup/install-system", "run", INSTALLED="mosquitto libseccomp2")
        assert called(clone, "mosquitto", "ssh", "systemctl") == ["mosquitto 0", "ssh 0"]

    def test_killed_in_the_middle_it_leaves_no_objection(self, clone: Clone) -> None:
        clone.program("apt-get", '[ "$1" = update ] || kill -9 $PPID')
        done = clone.run(
            *NAMESPACE, "sh", "-c", f'.setup/install-system run; echo $?; ({ASK}) >>"$CALLS"', INSTALLED=""
        )
        assert done.stdout.endswith("\n137\n")
        assert called(clone, "mosquitto", "ssh") == ["mosquitto 0", "ssh 0"]

    def test_a_policy_of_the_machines_own_stays(self, clone: Clone) -> None:
        clone.program("apt-get", 'cat /usr/sbin/policy-rc.d >>"$CALLS"')
        write = "echo '# theirs' >/usr/sbin/policy-rc.d; .setup/install-system run; cat /usr/sbin/policy-rc.d"
        done = clone.run(*NAMESPACE, "sh", "-c", write, INSTALLED="")
        assert done.stdout.endswith("\n# theirs\n")
        assert "# theirs" in clone.calls()

    def test_an_installation_that_fails_says_why(self, clone: Clone) -> None:
        clone.program("apt-get", '[ "$1" = update ] || { echo "E: no such package"; exit 100; }')
        done = clone.run(*NAMESPACE, "sh", "-c", ".setup/install-system run; echo $?; ls /usr/sbin", INSTALLED="")
        assert done.stdout.endswith("\n100\n")
        assert done.stderr == "E: no such package\n"

    def test_sources_that_cannot_be_renewed_do_not_matter_if_it_works_all_the_same(self, clone: Clone) -> None:
        clone.program("apt-get", '[ "$1" != update ]')
        assert clone.run(*NAMESPACE, ".setup/install-system", "run", INSTALLED="").returncode == 0
