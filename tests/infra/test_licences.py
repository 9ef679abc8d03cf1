"""Every package of the lock names its licence, and those with a copyleft licence are known."""

from __future__ import annotations

from tests.support.licences import licence, locked_packages

# Used as libraries, as their licences permit: DVC's (git, SSH, graphs), resampling, and tables of languages and characters.
COPYLEFT = {"asyncssh", "dulwich", "grandalf", "pycountry", "pygit2", "soxr", "text-unidecode"}
# Programs that a test starts; nothing imports them.
COPYLEFT |= {"potato-annotation"}


def test_every_licence_is_named_and_no_new_copyleft_comes_in_unseen() -> None:
    licences = {package: licence(package) for package in locked_packages()}
    installed = {package: named for package, named in licences.items() if named is not None}
    assert len(installed) > 100
    assert [package for package, named in installed.items() if not named] == []
    copyleft = {
        package for package, named in installed.items() if "GPL" in named or "General Public" in named
    }
    assert copyleft <= COPYLEFT
