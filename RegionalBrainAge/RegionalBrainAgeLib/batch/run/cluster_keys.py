"""Keys of a Dask cluster: whoever can talk to its scheduler runs programs as you, so only holders of a key may.

The keys are dask's own temporary credentials (a self-signed certificate that is its own authority), kept as files that
only their owner can read. Scheduler, workers and the batch all use the same.
"""

from __future__ import annotations

import os
from pathlib import Path

from distributed.security import Security

from ...errors import InputError
from ...files.atomic_folder import make_folder
from ...files.input_file import plain_file

CERTIFICATE, KEY = "certificate.pem", "key.pem"
_MAKE = "Make keys with: regional-brain-age cluster-keys DIR"


def make_keys(folder: Path) -> Path:
    """Write a new certificate and its key (both mode 0600) into a folder (0700).

    Raises
    ------
    InputError : the folder has keys already, or cannot be written to.
    """
    make_folder(folder)
    if (folder / KEY).exists() or (folder / CERTIFICATE).exists():
        raise InputError(f"The folder {folder} has keys already.", "Use them, or give another folder.")
    made = Security.temporary()
    try:
        folder.chmod(0o700)
        for name, text in ((CERTIFICATE, made.tls_ca_file), (KEY, made.tls_client_key)):
            handle = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="ascii") as stream:
                stream.write(text)
    except OSError as error:
        raise InputError(f"{folder} cannot be written to: {error.strerror}.", "Give a folder of your own.") from error
    return folder


def security_of(folder: Path) -> Security:
    """Credentials from the files of `make_keys`, for scheduler, workers and client alike.

    Raises
    ------
    InputError : a file is missing.
    """
    certificate, key = (
        str(plain_file(folder / name, f"The file {folder / name}", _MAKE)) for name in (CERTIFICATE, KEY)
    )
    roles = {f"tls_{role}_{kind}": file for role in ("client", "scheduler", "worker")
             for kind, file in (("cert", certificate), ("key", key))}  # fmt: skip
    return Security(tls_ca_file=certificate, require_encryption=True, **roles)
