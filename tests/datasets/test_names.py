from __future__ import annotations

import pytest

from formwright.datasets.errors import ConfigError, CorpusError
from formwright.datasets.names import LONGEST, SLUG, file_of, slug

GOOD = ("rans-0-00001", "airFoil2D_SST_43.597_-5.932_3.551_18.252", "a b", "é", "console", "a..b")
BAD = (
    *("", ".", "..", ".hidden", "a/b", "../a", "/etc/passwd", "a\\b", "..\\a", "C:a", "a\0b"),
    *("a\nb", "a\x7f", "a\ud800", "a ", "a.", "CON", "nul.txt", "com1", "a|b", "a*", "a" * 201),
    "é" * 101,
)


@pytest.mark.parametrize("name", GOOD)
def test_a_name_becomes_a_file_of_the_folder(name, tmp_path):
    path = file_of(tmp_path, name, ".npz")
    assert path.parent == tmp_path and path.name == f"{name}.npz"
    path.write_bytes(b"x")
    assert [found.stem for found in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("name", BAD, ids=range(len(BAD)))
def test_a_name_that_could_lie_elsewhere_is_refused(name, tmp_path):
    with pytest.raises(CorpusError, match="files are called by it"):
        file_of(tmp_path, name)
    with pytest.raises(ConfigError, match="Rename it where it comes from"):
        file_of(tmp_path, name, error=ConfigError)


def test_a_long_name_is_allowed_up_to_its_bytes_and_quoted_in_part(tmp_path):
    file_of(tmp_path, "a" * LONGEST)
    with pytest.raises(CorpusError, match=r"'a+\.\.\.' is longer than 200 bytes") as caught:
        file_of(tmp_path, "a" * 10_000)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("naca2412", "naca2412"),
        ("../../etc/passwd", "-etc-passwd"),
        ("shapes/mine.dat", "shapes-mine-dat"),
        ("/", "-"),
        ("", "-"),
        ("vicreg, time lag", "vicreg-time-lag"),
        ("x" * 99, "x" * SLUG),
    ],
)
def test_a_text_becomes_a_safe_part_of_a_name(text, wanted, tmp_path):
    assert slug(text) == wanted
    assert file_of(tmp_path, slug(text)).parent == tmp_path
