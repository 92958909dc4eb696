"""Files from the network: resumed where they stopped, checked, and a clear word when offline."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from formwright.datasets.errors import DownloadError, StorageError

AIRFRANS_URL: Final = "https://data.isir.upmc.fr/extrality/NeurIPS_2022/Dataset.zip"
"""The dataset's zip file; its authors publish no checksum."""
_CHUNK: Final = 1 << 20
_RANGE: Final = re.compile(r"bytes (\d+)-\d*/(\d+|\*)")

Progress = Callable[[int, int | None], None]


def download(
    url: str,
    path: str | os.PathLike[str],
    *,
    sha256: str | None = None,
    attempts: int = 3,
    timeout_s: float = 60.0,
    progress: Progress | None = None,
) -> str:
    """Fetch a file; go on where an earlier call stopped.

    What has arrived lies beside the target as ``<name>.part``; the target appears when the whole of
    it is there and its checksum is right. A target that is already there is checked, not fetched.

    Args:
        url: ``http``, ``https`` or ``file``.
        path: Where it goes.
        sha256: What it has to be; not checked where None (the publisher gives none): compare what
            is returned with that of others.
        attempts: Tries, each going on where the last one broke.
        timeout_s: Of the connection and of every read.
        progress: Called with the bytes so far and the bytes in all, if known.

    Returns:
        The sha256 of the file.

    Raises:
        DownloadError: No connection, no such file, or another content than asked for.
        StorageError: It cannot be written.
    """
    target = Path(path)
    part = target.with_name(f"{target.name}.part")
    if not target.is_file():
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            _fetch_all(url, part, attempts, timeout_s, progress)
            os.replace(part, target)
        except DownloadError:
            raise
        except OSError as error:
            raise StorageError(
                f"could not write {str(part)!r}: {error.strerror or error}. Free some space or "
                "choose another folder, then run the same command again: it goes on."
            ) from error
    result = checksum(target)
    if sha256 is not None and result != sha256.lower():
        os.replace(target, target.with_name(f"{target.name}.wrong"))
        raise DownloadError(
            f"{url!r} gave a file with sha256 {result}; {sha256} was asked for. It is kept as "
            f"{target.name + '.wrong'!r}. Run again; if it stays so, the file has changed."
        )
    return result


def checksum(path: str | os.PathLike[str]) -> str:
    """Return the sha256 of a file, in hexadecimal digits."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def download_with_bar(url: str, path: str | os.PathLike[str], *, sha256: str | None = None) -> str:
    """Fetch a file with a bar of progress on standard error; see ``download``."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(Path(path).name, total=None)
        return download(
            url,
            path,
            sha256=sha256,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )


def _fetch_all(
    url: str, part: Path, attempts: int, timeout_s: float, progress: Progress | None
) -> None:
    """Fetch until the whole is there; a try that brought something is not counted."""
    left = attempts
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            return _fetch(url, part, before, timeout_s, progress)
        except urllib.error.HTTPError as error:
            if error.code == 416 and before:
                part.unlink()
                reason = "what had arrived is longer than the file: begun again"
            elif error.code < 500:
                raise DownloadError(
                    f"{url!r}: the server says {error.code} {error.reason}. Check the address."
                ) from error
            else:
                reason = f"the server says {error.code} {error.reason}"
        except (urllib.error.URLError, http.client.HTTPException, ConnectionError) as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        except TimeoutError:
            reason = f"nothing came for {timeout_s:g} s"
        after = part.stat().st_size if part.exists() else 0
        left = attempts if after > before else left - 1
        if left <= 0:
            raise DownloadError(
                f"could not fetch {url!r}: {reason}. {after:,} bytes are in {str(part)!r}; with a "
                "connection, run the same command again: it goes on from there. Or fetch the file "
                "by other means and put it at the target."
            )


def _fetch(url: str, part: Path, have: int, timeout_s: float, progress: Progress | None) -> None:
    """Fetch what is missing of a file."""
    headers = {"User-Agent": "formwright"} | ({"Range": f"bytes={have}-"} if have else {})
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.urlopen(request, timeout=timeout_s) as answer:
        start, total = _extent(answer, have)
        with open(part, "r+b" if start else "wb") as handle:
            handle.seek(start)
            handle.truncate()
            done = start
            while chunk := answer.read(_CHUNK):
                handle.write(chunk)
                done += len(chunk)
                if progress:
                    progress(done, total)
    if total is not None and done < total:
        raise http.client.IncompleteRead(b"", total - done)


def _extent(answer: Any, have: int) -> tuple[int, int | None]:
    """Return where an answer begins in the file, and how long the file is, if the server says."""
    match = _RANGE.match(answer.headers.get("Content-Range", ""))
    if getattr(answer, "status", None) == 206 and match and int(match.group(1)) <= have:
        return int(match.group(1)), None if match.group(2) == "*" else int(match.group(2))
    length = answer.headers.get("Content-Length")
    return 0, None if length is None else int(length)
