"""`llamaproof keys`: keys are made, shown, rotated and revoked."""

from __future__ import annotations

import argparse
from pathlib import Path

from llamaproof.errors import BadInput
from llamaproof.reports import document
from llamaproof.reports.blocks import Table
from llamaproof.reports.printer import Printer
from llamaproof.signing import times
from llamaproof.signing.identity import Identity
from llamaproof.signing.key_statements import OfIdentities, write_statement
from llamaproof.signing.public_key import PublicKey, public_key
from llamaproof.signing.signing_key import ENVIRONMENT, key_for_signing, new_key
from llamaproof.signing.ssh_signature import allowed_signers
from llamaproof.signing.trusted_key import TrustedKey
from llamaproof.signing.trusted_keys import (
    FILE_NAME,
    TrustedKeys,
    check_follows,
    read_trusted_keys,
    trusting,
)

_EPILOG = (
    "A private key is a file of its own, which nobody else may read, outside any git work tree. "
    f"The file of keys ({FILE_NAME}) is public. A revoked key's signatures count no more, of "
    "whatever date; those of a key whose place was taken go on counting."
)


def configure_parser(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = "Make, show, rotate and revoke the keys that sign wheels."
    parser.epilog = _EPILOG
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    new = actions.add_parser("new", help="make a key, and a file of keys that begins with it")
    new.add_argument("file", type=Path, help="where the private key is to be; FILE.pub beside it")
    _add_keys(new, required=False)
    new.set_defaults(execute=_new)
    show = actions.add_parser("show", help="show the keys of a file, or check that it follows")
    show.add_argument("keys", type=Path, help=f"a {FILE_NAME}, or a public key")
    show.add_argument(
        "--against", type=Path, metavar="OLD",
        help="the file that is trusted already: exit code 1 where the other does not follow",
    )  # fmt: skip
    show.add_argument(
        "--allowed-signers", action="store_true",
        help="print the keys as OpenSSH's allowed_signers file, for ssh-keygen -Y verify",
    )  # fmt: skip
    show.set_defaults(execute=_show)
    rotate = actions.add_parser("rotate", help="make a key that takes the place of another")
    rotate.add_argument("file", type=Path, help="where the new private key is to be")
    rotate.add_argument(
        "--reason", default="rotated", metavar="TEXT", help="why (default: rotated)"
    )
    _add_keys(rotate)
    _add_signer(rotate, "the key whose place it takes")
    rotate.set_defaults(execute=_rotate)
    revoke = actions.add_parser("revoke", help="say that a key is not to be trusted any more")
    revoke.add_argument("revoked", metavar="KEY", help="its fingerprint, SHA256:..., or its .pub")
    revoke.add_argument("--reason", required=True, metavar="TEXT", help="why")
    _add_keys(revoke)
    _add_signer(revoke, "the key itself, or another of the file")
    revoke.set_defaults(execute=_revoke)
    identity = actions.add_parser("identity", help="trust an identity's sigstore signatures")
    identity.add_argument("identity", help="as the certificate names it, such as a workflow's URL")
    identity.add_argument("--issuer", required=True, metavar="URL", help="who vouches for it")
    identity.add_argument("--remove", action="store_true", help="trust it no more")
    identity.add_argument("--reason", default="", metavar="TEXT", help="why")
    _add_keys(identity)
    _add_signer(identity, "a key of the file")
    identity.set_defaults(execute=_identity)


def _add_keys(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    parser.add_argument(
        "--keys", type=Path, required=required, metavar="FILE", help=f"the public {FILE_NAME}"
    )


def _add_signer(parser: argparse.ArgumentParser, who: str) -> None:
    parser.add_argument(
        "--key", type=Path, metavar="FILE", help=f"{who}; default: the file in {ENVIRONMENT}"
    )


def _new(args: argparse.Namespace) -> int:
    printer = Printer()
    if args.keys is not None and args.keys.exists():
        raise BadInput(
            "this file of keys is there already",
            where=args.keys,
            hint="`llamaproof keys rotate` adds a key to it",
        )
    key = new_key(args.file)
    printer.line(f"private key: {args.file} (keep it to yourself)")
    printer.line(f"public key:  {args.file}.pub, {key.public.key_id}")
    if args.keys is not None:
        document.write(args.keys, trusting([key.public], since=times.now()).json())
        printer.line(f"keys:        {args.keys}")
    return 0


def _show(args: argparse.Namespace) -> int:
    keys = read_trusted_keys(args.keys)
    printer = Printer()
    if args.allowed_signers:
        for line in allowed_signers(keys).splitlines():
            printer.line(line)
        return 0
    printer.table(
        Table(
            head=("key", "state", "from", "until", "brought in by"),
            rows=[_row(key) for key in keys.keys],
        )
    )
    for one in keys.identities:
        printer.line(f"sigstore: {one.identity}, trusted by {one.trusted_by}")
    if args.against is not None:
        check_follows(keys, read_trusted_keys(args.against), where=args.keys)
        printer.line(f"follows from {args.against}", tone="good")
    return 0


def _row(key: TrustedKey) -> tuple[str, ...]:
    state = "signs" if key.until is None else "its place was taken; what it signed counts"
    if key.revoked is not None:
        state = f"revoked on {times.to_text(key.revoked.at)}: {key.revoked.reason}"
    return (
        key.public.key_id,
        state,
        "" if key.since is None else times.to_text(key.since),
        "" if key.until is None else times.to_text(key.until),
        key.introduced_by or "whoever trusts this file",
    )


def _rotate(args: argparse.Namespace) -> int:
    keys = _record(args.keys)
    old = key_for_signing(args.key)
    at = times.now()
    if keys.find(old.public.key_id) is None:
        raise BadInput(f"{old.public.key_id} is no key of this file", where=args.keys)
    new = new_key(args.file)
    try:
        statement = write_statement(
            "takes the place", new.public, at=at, reason=args.reason, by=old
        )
        document.write(args.keys, keys.with_statement(statement, where=args.keys).json())
    except BaseException:
        # A key that no file knows would only be taken for one that counts.
        args.file.unlink()
        args.file.with_name(args.file.name + ".pub").unlink()
        raise
    Printer().line(f"{new.public.key_id} takes the place of {old.public.key_id}: {args.keys}")
    return 0


def _revoke(args: argparse.Namespace) -> int:
    keys = _record(args.keys)
    by = key_for_signing(args.key)
    revoked = _named(args.revoked, keys, args.keys)
    statement = write_statement("revokes", revoked, at=times.now(), reason=args.reason, by=by)
    document.write(args.keys, keys.with_statement(statement, where=args.keys).json())
    printer = Printer()
    printer.line(f"{revoked.key_id} is revoked: {args.keys}")
    printer.line("sign anew what it signed, and give the file to everybody who has an older one")
    return 0


def _identity(args: argparse.Namespace) -> int:
    keys = _record(args.keys)
    by = key_for_signing(args.key)
    one = Identity(identity=args.identity, issuer=args.issuer)
    says: OfIdentities = "trusts no more" if args.remove else "trusts"
    statement = write_statement(says, one, at=times.now(), reason=args.reason, by=by)
    document.write(args.keys, keys.with_statement(statement, where=args.keys).json())
    count = "count no more" if args.remove else "count"
    Printer().line(f"sigstore signatures of {one} {count}: {args.keys}")
    return 0


def _record(path: Path) -> TrustedKeys:
    """The keys of a file that can be written anew: a public key alone has no times.

    Raises:
        BadInput: it is no such file.
    """
    keys = read_trusted_keys(path)
    if any(key.since is None for key in keys.keys):
        raise BadInput(
            "this is a public key, and no file of keys",
            where=path,
            hint=f"`llamaproof keys new FILE --keys {FILE_NAME}` makes one",
        )
    return keys


def _named(text: str, keys: TrustedKeys, where: Path) -> PublicKey:
    path = Path(text)
    if path.is_file():
        return public_key(path.read_text(encoding="utf-8"), where=path)
    found = keys.public(text)
    if found is None:
        known = ", ".join(key.public.key_id for key in keys.keys)
        raise BadInput(f"{text} is no key of this file", where=where, hint=f"it has: {known}")
    return found
